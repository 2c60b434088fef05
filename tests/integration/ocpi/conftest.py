import base64
import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client

from aggregator.core import services
from aggregator.core.clock import CLOCK_FILE_VARIABLE, VirtualClock
from aggregator.core.http import HttpClient
from assets.models import Asset, OcpiConnection, Partner
from assets.ocpi import pulling
from assets.ocpi.connections import open_connection
from assets.ocpi.places import take_locations
from assets.ocpi.pulling import REACH
from tests.field_side import NOW, enrol, make_area, make_group, make_partner
from tests.integration.ocpi.cpo_platform import Platform, location, session

Call = Callable[..., HttpResponse]


@pytest.fixture(autouse=True)
def clock(tmp_path, monkeypatch, settings) -> Iterator[VirtualClock]:
    settings.HTTP_ALLOWED_PRIVATE_HOSTS = ["127.0.0.1"]
    settings.PUBLIC_URL = "https://aggregator.example"
    stopped = VirtualClock.create(tmp_path / "clock", starts_at=NOW, speed=0)
    monkeypatch.setenv(CLOCK_FILE_VARIABLE, str(tmp_path / "clock"))
    for service in (services.clock, services.http_client):
        service.cache_clear()
    yield stopped
    for service in (services.clock, services.http_client):
        service.cache_clear()


@pytest.fixture(autouse=True)
def _short_reach(monkeypatch) -> None:
    """A first fetch goes two days back and not eight weeks, for which it would ask day by day."""
    monkeypatch.setattr(pulling, "REACH", timedelta(days=2))


@pytest.fixture
def whole_reach(monkeypatch) -> None:
    """A first fetch goes as far back as it does elsewhere."""
    monkeypatch.setattr(pulling, "REACH", REACH)


@pytest.fixture
def http() -> HttpClient:
    return HttpClient(allowed_private_hosts=frozenset({"127.0.0.1"}))


@pytest.fixture
def platform() -> Iterator[Platform]:
    with Platform() as running:
        yield running


@pytest.fixture
def partner(db) -> Partner:
    return make_partner("Stadsladen")


@pytest.fixture
def group(db):
    return make_group(make_area())


@pytest.fixture
def token_a(partner) -> str:
    """A registration token of the partner's new connection."""
    return open_connection(partner=partner, now=NOW)[1]


@pytest.fixture
def as_token(client: Client) -> Callable[[str], Call]:
    """Return how to call OCPI endpoints with a token."""

    def calling(token: str) -> Call:
        def send(method: str, path: str, body: Any = None, *, headers: Any = ()) -> HttpResponse:
            return client.generic(
                method,
                f"/ocpi{path}",
                body if isinstance(body, str | bytes) else b"" if body is None else json.dumps(body),
                content_type="application/json",
                headers={"Authorization": f"Token {base64.b64encode(token.encode()).decode()}", **dict(headers)},
            )

        return send

    return calling


@pytest.fixture
def connection(as_token, token_a, platform, partner) -> OcpiConnection:
    """The partner, registered."""
    answer = as_token(token_a)("POST", "/2.2.1/credentials", platform.own_credentials()).json()
    assert answer["status_code"] == 1000, answer
    platform.received.clear()
    registered = OcpiConnection.objects.get(pk=partner.pk)
    registered.token_c = answer["data"]["token"]
    return registered


@pytest.fixture
def call(as_token, connection) -> Call:
    """Call as the registered partner."""
    return as_token(connection.token_c)


@pytest.fixture
def evse_e1(connection):
    """The partner's EVSE E1, as the asset it became."""
    take_locations(connection_id=connection.pk, documents=[location()], now=NOW)
    return connection.evses.select_related("asset").get(key="e1")


@pytest.fixture
def asset(call, evse_e1, group) -> Asset:
    """The asset at EVSE E1, with session S1 and in the group."""
    enrol(group, [evse_e1.asset])
    call("PUT", "/2.2.1/sessions/NL/STA/S1", session())
    return evse_e1.asset
