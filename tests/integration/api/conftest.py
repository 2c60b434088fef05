import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client

from aggregator.core import services
from aggregator.core.clock import CLOCK_FILE_VARIABLE, VirtualClock
from assets.models import Partner
from tests.field_side import NOW, make_partner, token_for

Call = Callable[..., HttpResponse]


@pytest.fixture(autouse=True)
def _clock(tmp_path, monkeypatch) -> Iterator[None]:
    VirtualClock.create(tmp_path / "clock", starts_at=NOW, speed=0)
    monkeypatch.setenv(CLOCK_FILE_VARIABLE, str(tmp_path / "clock"))
    services.clock.cache_clear()
    yield
    services.clock.cache_clear()


@pytest.fixture
def partner(db) -> Partner:
    return make_partner("Stroom Utrecht")


@pytest.fixture
def other_partner(db) -> Partner:
    return make_partner("Laadnet Oost")


@pytest.fixture
def call(partner, client: Client) -> Call:
    """Send a request as `partner`, with all scopes."""
    token = token_for(partner)

    def send(method: str, path: str, body: Any = "", *, headers: Any = (), **options: Any) -> HttpResponse:
        return client.generic(
            method,
            f"/api/v1{path}",
            body if isinstance(body, str | bytes) else json.dumps(body),
            **{"content_type": "application/json", **options},
            headers={"Authorization": f"Bearer {token}", **dict(headers)},
        )

    return send
