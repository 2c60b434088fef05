"""Our service against the mock market's broker, token server, address book and operator, all in their own process."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from aggregator.core.clock import CLOCK_FILE_VARIABLE
from bidding.markets.uftp.transport import MESSAGE_PATH
from bidding.models import Activation, Contract, ContractCall
from bidding.uftp.contracts import enter_contract, find_operator
from tests.integration.uftp.conftest import EAN, _forget_configuration

AGR, DSO, CONTRACT = "agr.example.com", "dso.example.com", "CBC-1"
NOW = datetime(2026, 1, 14, 14, 31, tzinfo=UTC)
PATIENCE_SECONDS = 30
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def market(settings, monkeypatch, live_server, group, market_process, own_key):
    """The mock market knows us and one contract of 50 kW; we know its addresses and nothing else."""
    monkeypatch.setenv(CLOCK_FILE_VARIABLE, str(market_process.clock_file))
    settings.UFTP_BROKER_URL = market_process.address + MESSAGE_PATH
    settings.UFTP_TOKEN_URL = market_process.address + "/realms/gopacs/protocol/openid-connect/token"
    settings.UFTP_ADDRESS_BOOK_URL = market_process.address + "/uftp-participants/v3"
    _forget_configuration()
    own_key.signs_from = NOW - timedelta(days=1)
    own_key.save()
    market_process.set_clock(NOW)
    market_process.load(
        {
            "name": "called",
            "seed": 1,
            "date": "2026-01-14",
            "settings": {"token_lifetime_seconds": 60},
            "areas": {},
            "uftp_participants": [
                {"role": "DSO", "domain": DSO},
                {
                    "role": "AGR", "domain": AGR, "endpoint": live_server.url + MESSAGE_PATH,
                    "public_key": own_key.public_key, "client_id": "agr", "client_secret": "secret",
                },
            ],
            "contracts": [
                {
                    "contract_id": CONTRACT, "ean": EAN, "dso": DSO, "aggregator": AGR, "congestion": "OFF_TAKE",
                    "power_kw": 50,
                    "calls": [{"called_at": "15:35", "starts_at": "17:00", "ends_at": "20:00"}],
                }
            ],
        }
    )  # fmt: skip
    return market_process


def until(condition, tick):
    give_up_at = time.monotonic() + PATIENCE_SECONDS
    while not condition() and time.monotonic() < give_up_at:
        tick()
        time.sleep(0.1)
    return condition()


def states(market):
    return [call["state"] for call in market.control("GET", "uftp/calls")]


def test_the_market_calls_a_contract_and_sees_it_confirmed(market, group, tick):
    values = {
        "contract_id": CONTRACT, "kind": Contract.Kind.CLC_A, "aggregation_ean_id": group.ean,
        "congestion_point": EAN, "volume_w": 400_000, "price_eur_per_mwh": 95, "active_from": NOW.date(),
    }  # fmt: skip
    operator = find_operator(domain=DSO, now=NOW)
    enter_contract(operator=operator, values=values, now=NOW)
    assert operator.source == "address_book"

    market.set_clock(NOW + timedelta(minutes=5))
    with market.clockwork():
        assert until(lambda: states(market) == ["CONFIRMED"], tick), states(market)

    call = ContractCall.objects.get()
    assert call.starts_at == datetime(2026, 1, 14, 16, tzinfo=UTC)
    assert set(Activation.objects.get().ptus.values_list("max_import_w", flat=True)) == {50_000}
