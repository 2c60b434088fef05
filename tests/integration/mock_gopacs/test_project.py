"""The mock market as a Django project of its own: commands, migrations, health."""

import subprocess
import sys

import requests

from bidding.markets.uftp.keys import key_from_seed
from tests.integration.mock_gopacs.market_process import PARTICIPANT_ID, ms, utc

PARAMETERS = (
    "date=2026-01-14",
    f"participant_id={PARTICIPANT_ID}",
    "api_key=exchange-key",
    "gopacs_api_key=gopacs-key",
    'registrations=[{ean: "871685900012636543", postcode: "3511"}]',
)


def run(market, *arguments):
    command = [sys.executable, "-m", "mock_gopacs", *arguments]
    return subprocess.run(command, env=market.environment, check=False, capture_output=True, text=True)


def test_the_migrations_say_what_the_models_say(market_process):
    assert run(market_process, "makemigrations", "--check", "--dry-run").returncode == 0


def test_a_scenario_is_loaded_from_the_shell(market_process):
    options = [word for parameter in PARAMETERS for word in ("--parameter", parameter)]
    done = run(market_process, "load_scenario", "congested_evening", *options)
    assert (done.returncode, done.stdout) == (0, "congested evening: 2 announcements, 51 foreign orders, 0 contracts\n")
    assert requests.get(f"{market_process.address}/readyz", timeout=20).json() == {
        "status": "ready",
        "scenario": "congested evening",
    }


def test_an_evening_with_a_called_contract_is_loaded_from_the_shell(market_process):
    contract = (
        "contract_id=CBC-1", 'contract_ean="871685900012636543"', "aggregator_domain=agr.example.nl",
        "aggregator_endpoint=http://127.0.0.1:1/", f"aggregator_public_key={key_from_seed(b'a' * 32).public_key}",
        "client_id=client", "client_secret=secret",
    )  # fmt: skip
    options = [word for parameter in (*PARAMETERS, *contract) for word in ("--parameter", parameter)]
    done = run(market_process, "load_scenario", "called_evening", *options)
    assert (done.returncode, done.stdout) == (0, "called evening: 2 announcements, 51 foreign orders, 1 contracts\n")
    (call,) = market_process.control("GET", "uftp/calls")
    assert (call["state"], call["calledAt"], call["powerW"]) == ("SCHEDULED", ms(utc(14, 40)), 50_000)
    assert (call["startsAt"], call["endsAt"]) == (ms(utc(16)), ms(utc(19)))


def test_an_evening_of_balancing_is_loaded_from_the_shell(market_process):
    parameters = ("date=2026-01-14", 'party_id="8712345000004"', "api_key=bsp-key")
    options = [word for parameter in parameters for word in ("--parameter", parameter)]
    done = run(market_process, "load_scenario", "balancing_evening", *options)
    assert (done.returncode, done.stdout) == (0, "balancing evening: 0 announcements, 0 foreign orders, 0 contracts\n")
    at = {"at": ms(utc(16, 10))}
    order = market_process.control("GET", "tennet/merit-order", params=at)
    assert (order["demandMw"], [row["activatedMw"] for row in order["up"]]) == (135.5, [50, 80, 5.5, 0])


def test_a_missing_parameter_is_named_on_the_shell(market_process):
    done = run(market_process, "load_scenario", "congested_evening", "--parameter", PARAMETERS[0])
    assert done.returncode == 1
    assert "['api_key', 'gopacs_api_key', 'participant_id', 'registrations'] have no default" in done.stderr


def test_a_text_that_is_no_yaml_is_refused_on_the_shell(market_process, tmp_path):
    scenario = tmp_path / "scenario.yaml"
    scenario.write_bytes(b"\xff")
    for words in ((str(scenario),), ("congested_evening", "--parameter", "date=[")):
        done = run(market_process, "load_scenario", *words)
        assert (done.returncode, done.stderr.splitlines()[0][:13]) == (1, "CommandError:"), done.stderr


def test_without_a_control_token_the_control_api_is_closed(market_process):
    # given the settings of a market that was started without one
    environment = {name: value for name, value in market_process.environment.items() if "TOKEN" not in name}
    script = (
        "import django; django.setup(); from django.test import Client; "
        "answer = Client().post('/control/reset'); print(answer.status_code, answer.json()['errors'][0]['code'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**environment, "DJANGO_SETTINGS_MODULE": "mock_gopacs.settings"},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.stdout == "403 CONTROL_CLOSED\n"
