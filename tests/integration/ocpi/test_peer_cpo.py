"""A CPO that nobody here wrote: the PyPI package extrawest-ocpi as a process, against our running service."""

import json
import os
import socket
import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

import pytest
from django.core.management import call_command

from aggregator.core import services
from assets.control.operations import PlannedSetpoint, send_setpoints
from assets.models import Asset, ChargingSession, OcpiConnection, Setpoint
from assets.ocpi import client, tokens
from assets.ocpi.connections import open_connection
from assets.ocpi.sending import send_commands
from assets.ocpi.wire import authorization
from scripts.peer_environment import PeerUnavailable, peer_python
from tests.field_side import GROUP_EAN, NOW, at, enrol, make_partner
from tests.integration.ocpi.cpo_platform import evse, location, session
from tests.integration.ocpi.turns import pull_due
from tests.peers import do_without

PROGRAM = Path(__file__).with_name("peer_cpo.py")
TOKEN_A, TOKEN_C = "a-token-handed-out-by-hand", "c-token-of-the-peer"
pytestmark = pytest.mark.django_db(transaction=True)


class PeerCpo:
    """The peer's process; use it in a `with` block. Raises `PeerUnavailable` on entry."""

    def __enter__(self) -> Self:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        command = [str(peer_python("ocpi")), str(PROGRAM), str(self.port), TOKEN_A, TOKEN_C]
        named = {"PROTOCOL": "http", "OCPI_HOST": f"127.0.0.1:{self.port}", "COUNTRY_CODE": "NL", "PARTY_ID": "STA"}
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ | named
        )
        assert self._hear() == "ready"
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(timeout=10)

    @property
    def versions_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/ocpi/versions"

    def ask(self, operation: str, **values: Any) -> Any:
        self._process.stdin.write(json.dumps({"operation": operation, **values}) + "\n")
        self._process.stdin.flush()
        return self._hear()

    def push(self, http, *, details_url: str, token: str, session_id: str) -> dict[str, Any]:
        """Let the package push a session to us by its own means; return what it says we answered."""
        receiver = {"endpoints_url": details_url, "auth_token": token}
        body = {"module_id": "sessions", "object_id": session_id, "receivers": [receiver]}
        answer = http.request(
            method="POST",
            url=f"http://127.0.0.1:{self.port}/push/2.2.1",
            headers={"Authorization": authorization(TOKEN_C), "Content-Type": "application/json"},
            body=json.dumps(body).encode(),
        )
        return json.loads(answer.body)["receiver_responses"][0]

    def _hear(self) -> Any:
        line = self._process.stdout.readline()
        assert line, "the peer died; its traceback is on stderr"
        return json.loads(line)


@pytest.fixture
def peer():
    try:
        with PeerCpo() as running:
            yield running
    except PeerUnavailable as reason:
        do_without("OCPI", reason)


@pytest.fixture
def ours(live_server, settings) -> str:
    """Our service as the peer sees it."""
    settings.PUBLIC_URL = live_server.url.replace("localhost", "127.0.0.1")
    return settings.PUBLIC_URL


def told(number, **changes):
    return session(f"S{number}", **{"last_updated": f"2026-01-14T15:0{number}:00Z", **changes})


def over(number):
    times = {"start_date_time": f"2026-01-14T0{number}:00:00Z", "end_date_time": f"2026-01-14T0{number}:30:00Z"}
    return told(number, status="COMPLETED", **times)


def test_the_peer_registers_with_us_and_pushes_a_session(peer, ours, http):
    connection, token_a = open_connection(partner=make_partner("Stadsladen"), now=NOW)
    peer.ask("put", module="locations", objects=[location()])

    registered = peer.ask("register", versions_url=f"{ours}/ocpi/versions", token=token_a)
    pull_due(clock=services.clock(), http=http)
    peer.ask("put", module="sessions", objects=[told(1), told(2, evse_uid="E9")])
    to_us = {"details_url": registered["details_url"], "token": registered["credentials"]["token"]}
    first = peer.push(http, **to_us, session_id="S1")
    again = peer.push(http, **to_us, session_id="S1")
    nowhere = peer.push(http, **to_us, session_id="S2")

    assert registered["again"] == registered["credentials"]
    assert (registered["credentials"]["roles"][0]["role"], registered["credentials"]["url"]) == (
        "SCSP",
        f"{ours}/ocpi/versions",
    )
    connection.refresh_from_db()
    assert tokens.opened(connection.peer_token_sealed) == TOKEN_C
    assert list(map(str, connection.parties.all())) == ["NL*STA"]
    assert [(one["status_code"], one["response"]["status_code"]) for one in (first, again, nowhere)] == [
        (201, 1000),
        (200, 1000),
        (200, 2003),
    ]
    kept = ChargingSession.objects.get()
    assert (kept.external_id, kept.asset.external_id, kept.energy_wh) == ("s1", "e1", 1_250)


def test_we_register_with_the_peer_and_fetch_its_sessions_page_by_page(peer, ours, http, monkeypatch, capsys):
    open_connection(partner=make_partner("Stadsladen"), now=NOW)
    peer.ask("put", module="locations", objects=[location(evse("E1"), evse("E2"))])
    peer.ask("put", module="sessions", objects=[over(number) for number in range(1, 6)])
    monkeypatch.setattr(client, "PAGE_SIZE", 2)

    call_command("partner", "ocpi-register", "Stadsladen", "--versions-url", peer.versions_url, "--token", TOKEN_A)
    assert pull_due(clock=services.clock(), http=http) == 1

    heard = peer.ask("heard")
    assert heard["credentials"]["roles"][0]["party_id"] == "agg"
    assert {(row["identifier"], row["role"]) for row in heard["endpoints"]["endpoints"]} == {
        ("credentials", "RECEIVER"),
        ("sessions", "RECEIVER"),
        ("locations", "RECEIVER"),
        ("chargingprofiles", "SENDER"),
    }
    connection = OcpiConnection.objects.get()
    assert (connection.pull_error, connection.sessions_until) == ("", at("15:05"))
    assert set(Asset.objects.values_list("external_id", flat=True)) == {"e1", "e2"}
    assert sorted(ChargingSession.objects.values_list("external_id", flat=True)) == [f"s{n}" for n in range(1, 6)]
    assert TOKEN_C not in capsys.readouterr().out


def test_a_peer_that_cannot_read_our_correct_profile_is_a_fault_of_the_peer(peer, ours, http, group):
    """The package wants another name and one period instead of a list: it answers 422, and so nothing was accepted."""
    _, token_a = open_connection(partner=make_partner("Stadsladen"), now=NOW)
    peer.ask("put", module="locations", objects=[location()])
    peer.ask("put", module="sessions", objects=[told(1)])
    peer.ask("register", versions_url=f"{ours}/ocpi/versions", token=token_a)
    pull_due(clock=services.clock(), http=http)
    enrol(group, [Asset.objects.get()])
    planned = PlannedSetpoint(asset_id=Asset.objects.get().pk, starts_at=at("16:15"), ends_at=at("16:30"), power_w=[0])
    send_setpoints(
        now=NOW,
        aggregation_ean=GROUP_EAN,
        order_reference="order-1",
        reason="",
        revision=1,
        plan=[planned],
        deadline_at=NOW + timedelta(hours=1),
    )

    assert send_commands(clock=services.clock(), http=http).refused == 1

    setpoint = Setpoint.objects.get()
    assert setpoint.status == Setpoint.Status.REJECTED
    assert "HTTP 422" in setpoint.result_reason
