"""The service as a process: its health, its limits under the real web server, and its published description."""

import io
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from http.client import HTTPConnection

import pytest
from django.core.management import call_command

from tests.shared_data import REPOSITORY


@pytest.fixture(scope="module")
def web_server() -> Iterator[int]:
    """Run the service under gunicorn; yield its port. No request here reaches the database."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "gunicorn",
        "aggregator.wsgi",
        "--bind",
        f"127.0.0.1:{port}",
        "--no-control-socket",
    ]
    process = subprocess.Popen(command, cwd=REPOSITORY, env=os.environ, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            break
        except ConnectionRefusedError:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)
    yield port
    process.terminate()
    process.wait(timeout=20)


def _post(port: int, body: object, headers: dict[str, str], *, is_chunked: bool = False) -> tuple[int, bytes]:
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    with suppress(BrokenPipeError, ConnectionResetError):  # the server may answer before it read everything
        connection.request("POST", "/api/v1/meter-values", body, headers, encode_chunked=is_chunked)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, content


def test_fifty_megabytes_are_refused_by_their_announced_length(web_server):
    status, content = _post(web_server, bytes(50_000_000), {"Content-Type": "application/json"})

    assert status == 413
    assert b"at most 33554432 are accepted. Send it in several requests." in content


def test_a_body_without_a_length_is_refused_whatever_its_size(web_server):
    headers = {"Content-Type": "application/json", "Transfer-Encoding": "chunked"}

    status, content = _post(web_server, iter([b'{"values": ', b"[]}"]), headers, is_chunked=True)

    assert status == 411
    assert b"Content-Length" in content


def test_the_process_says_that_it_lives_and_that_it_is_ready(client, db):
    assert client.get("/healthz").json() == {"status": "live"}
    assert client.get("/readyz").json() == {"status": "ready"}


def test_a_service_without_its_broker_is_not_ready(client, db, settings):
    settings.REDIS_URL = "redis://127.0.0.1:1/0"

    answer = client.get("/readyz")

    assert (answer.status_code, answer.json()["missing"]) == (503, ["broker: ConnectionError"])


def test_a_service_with_a_migration_to_go_is_not_ready(client, db):
    from django.db.migrations.recorder import MigrationRecorder  # noqa: PLC0415 - needs the app registry

    MigrationRecorder.Migration.objects.filter(app="assets").latest("id").delete()

    answer = client.get("/readyz")

    assert answer.status_code == 503
    assert answer.json()["missing"][0].startswith("migrations: 1 not applied, first assets.")


def test_an_address_that_leads_nowhere_is_a_problem_under_api_only(client, db):
    lost, page = client.get("/api/v1/nothing"), client.get("/nothing")

    assert (lost.status_code, lost["Content-Type"]) == (404, "application/problem+json")
    assert (page.status_code, page["Content-Type"]) == (404, "text/html; charset=utf-8")


def test_the_published_description_is_the_one_the_code_makes():
    made = io.StringIO()
    call_command("spectacular", "--validate", "--fail-on-warn", stdout=made)

    assert made.getvalue() == (REPOSITORY / "openapi.yaml").read_text(encoding="utf-8"), (
        "Run `manage.py spectacular --file openapi.yaml` and commit the result."
    )


def test_the_description_can_be_browsed_without_the_internet(client):
    page = client.get("/api/docs")

    assert page.status_code == 200
    assert b"https://" not in page.content
    assert b"/static/drf_spectacular_sidecar/" in page.content
