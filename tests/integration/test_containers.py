"""No container engine runs here: files are held against schema and linter, commands against our own programs."""

import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from aggregator.celery import QUEUES
from aggregator.embedded import CHECKOUT

COMPOSE = yaml.safe_load((CHECKOUT / "docker-compose.yml").read_text())
TOOLS = Path(sys.executable).parent


def commands():
    return {name: service["command"] for name, service in COMPOSE["services"].items() if "command" in service}


def test_the_compose_file_follows_the_published_schema():
    check = [str(TOOLS / "check-jsonschema"), "--builtin-schema", "vendor.compose-spec", "docker-compose.yml"]
    result = subprocess.run(check, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_linter_finds_nothing_in_the_dockerfile():
    result = subprocess.run(
        [str(TOOLS / "hadolint"), "Dockerfile"], cwd=CHECKOUT, capture_output=True, text=True, check=False
    )
    assert (result.stdout, result.returncode) == ("", 0)


def test_each_queue_has_one_worker_service():
    served = [
        command[command.index("-Q") + 1]
        for command in commands().values()
        if command[0] == "celery" and "worker" in command
    ]
    assert sorted(served) == sorted(QUEUES)


def test_secrets_come_from_the_environment_only():
    for service in COMPOSE["services"].values():
        for name, value in service.get("environment", {}).items():
            if any(word in name for word in ("PASSWORD", "SECRET", "KEY", "TOKEN")):
                assert str(value).startswith("${"), f"{name} is written in the file"


def test_files_that_hold_secrets_are_neither_committed_nor_copied_into_the_image():
    for file in (".gitignore", ".dockerignore"):
        assert {".env", "simulator.json"} <= set((CHECKOUT / file).read_text().split()), file


def test_every_program_of_ours_gets_all_settings_of_the_environment_file():
    for service, description in COMPOSE["services"].items():
        is_ours = "DATABASE_URL" in description.get("environment", {})
        assert ("env_file" in description) == is_ours, service


def test_hosts_of_the_operator_come_beside_those_that_services_know_each_other_by():
    allowed = COMPOSE["services"]["web"]["environment"]["ALLOWED_HOSTS"]
    assert allowed == "localhost,127.0.0.1,web,uftp,${ALLOWED_HOSTS:-}"


def test_every_name_that_a_service_is_given_is_read_by_its_program():
    ours = "".join((CHECKOUT / f"aggregator/{name}.py").read_text() for name in ("settings", "embedded"))
    mocks = "".join((CHECKOUT / f"mock_gopacs/{name}.py").read_text() for name in ("settings", "gunicorn_conf"))
    for service, description in COMPOSE["services"].items():
        if "build" in description:
            unread = {
                name
                for name in description.get("environment", {})
                if f'"{name}"' not in (mocks if service.startswith("mock-") else ours)
            }
            assert not unread, service


def test_the_two_sides_of_both_channels_reach_each_other():
    services = COMPOSE["services"]
    assert {"UFTP_DOMAIN", "UFTP_BROKER_URL", "UFTP_TOKEN_URL"} <= services["uftp"]["environment"].keys()
    assert {"EXCHANGE_PUSH_TOKEN", "GOPACS_API_KEY", "METRICS_TOKEN"} <= services["web"]["environment"].keys()
    for mock in ("mock-gopacs", "mock-market"):
        called_back = services[mock]["environment"]["MOCK_GOPACS_WEBHOOK_PRIVATE_HOSTS"].split(",")
        assert {"web", "uftp"} <= set(called_back)
    for ours in ("web", "uftp"):
        assert "mock-gopacs" in services[ours]["environment"]["HTTP_ALLOWED_PRIVATE_HOSTS"].split(",")
        assert ours in services[ours]["environment"]["ALLOWED_HOSTS"]


@pytest.mark.parametrize("name", sorted(name for name, command in commands().items() if command[0] != "valkey-server"))
def test_the_programs_that_services_name_exist(name):
    command = commands()[name]
    program = {"python": [sys.executable, *command[1:3]], "celery": [str(TOOLS / "celery"), *command[1:4]]}.get(
        command[0], [str(TOOLS / command[0])]
    )
    result = subprocess.run([*program, "--help"], cwd=CHECKOUT, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, shlex.join(program) + result.stdout[-500:] + result.stderr[-2000:]


def test_the_images_own_command_serves_the_web_process():
    last = (CHECKOUT / "Dockerfile").read_text().strip().splitlines()[-1]
    assert last.startswith('CMD ["gunicorn", "aggregator.wsgi"')
