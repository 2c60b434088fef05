"""The product's market tasks against the mock market in its own process, over HTTP."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User

from aggregator.core import services as core_services
from aggregator.core.clock import CLOCK_FILE_VARIABLE, VirtualClock
from aggregator.core.ean import Ean13
from aggregator.core.http import HttpClient
from assets.models import AggregationEan, CongestionArea
from bidding import services, tasks
from bidding.models import Bid, Mandate
from bidding.operations.bids import SizedWindow
from bidding.operations.terms import set_terms
from tests.integration.mock_gopacs.market_process import (
    EAN_CENTRE,
    PARTICIPANT_ID,
    MarketProcess,
    scenario_document,
    utc,
    wait_until,
)

NOW = utc(14, 31)
GATE = utc(15, 45)


@dataclass
class Field:
    """The market and us: two clocks, one world."""

    market: MarketProcess
    clock_file: Path
    http: HttpClient
    """Ours: as patient as in production, unless a test is about a market that is slow."""
    skew: timedelta = timedelta(0)
    """How far our clock runs ahead of the market's."""
    switches: int = 0
    """How many requests the market was asked to misbehave at."""

    def now(self) -> datetime:
        return VirtualClock(self.clock_file).now() - self.skew

    def at(self, instant: datetime, *, tick: bool = True) -> None:
        """Let it be `instant` at the market, which does what is due; then let our workers make one round."""
        self.market.advance(instant)
        VirtualClock.create(self.clock_file, starts_at=instant + self.skew, speed=0)
        if tick:
            self.tick()

    def tick(self) -> None:
        tasks.poll_announcements()
        tasks.close_gates()
        tasks.offer_bids()
        tasks.send_market_messages()
        tasks.follow_orders()

    def tick_until(self, condition: Callable[[], bool], *, step: timedelta = timedelta(seconds=21)) -> None:
        """Make rounds, some seconds apart, until something is true or the gate has closed."""
        while not condition() and self.now() < GATE:
            assert wait_until(self._is_quiet)
            self.at(self.now() + step)

    def fault(self, *, times: int = 1, **switch: Any) -> None:
        self.switches += times
        self.market.control("POST", "faults", json={**switch, "times": times})

    def _is_quiet(self) -> bool:
        """Tell whether the market is done with each request that it misbehaved at, also where we gave up on it.

        It takes real seconds for that, in which no time passes for us: we would look for an order that it still places.
        """
        left = sum(switch["remaining"] for switch in self.market.control("GET", "faults"))
        met = sum(bool(entry["fault"]) for entry in self.market.control("GET", "log"))
        return met == self.switches - left

    def load(self, **changes: Any) -> None:
        self.market.load(scenario_document(**changes))

    def orders(self) -> list[dict[str, Any]]:
        """Return our orders in the market's book."""
        return [order for order in self.market.control("GET", "orders") if order["participantId"] == PARTICIPANT_ID]

    def bid(self) -> Bid:
        return Bid.objects.get()


@pytest.fixture
def sized(monkeypatch):
    """What sizing says: 300 kW, unless a test says otherwise."""
    says = {"bid_w": 300_000}

    def size(*, announcement, aggregation_ean, now):
        ptus = len(announcement.required_power_w)
        return SizedWindow(says["bid_w"], says["bid_w"], [900_000] * ptus, {"reason": "sized"}, "sized")

    monkeypatch.setattr(tasks, "size", size)
    return says


@pytest.fixture
def group(transactional_db):
    area = CongestionArea.objects.create(
        code="centre", name="Centre", grid_operator=Ean13("8716892000005"), postcodes=["3511", "3512"]
    )
    made = AggregationEan.objects.create(
        ean=EAN_CENTRE, name="Centre", congestion_area=area, brp=Ean13.from_body("871999900001"), autonomy="automatic",
        price_eur_per_mwh=Decimal("180.25"),
    )  # fmt: skip
    set_terms(
        Mandate, aggregation_ean=made, now=NOW - timedelta(days=300), automatic_up_to_w=5_000_000,
        automatic_up_to_eur=Decimal(1_000_000),
    )  # fmt: skip
    return made


@pytest.fixture
def field(settings, monkeypatch, tmp_path, market_process, group, sized):
    """The market at 15:31 local time with its announcement published; nothing is polled yet."""
    clock_file = tmp_path / "our-clock"
    monkeypatch.setenv(CLOCK_FILE_VARIABLE, str(clock_file))
    settings.GOPACS_URL = settings.EXCHANGE_URL = market_process.address
    settings.EXCHANGE_API_KEY, settings.EXCHANGE_PARTICIPANT_ID = "exchange-key", PARTICIPANT_ID
    settings.EXCHANGE_MINIMUM_DWELL, settings.EXCHANGE_IN_FLIGHT = timedelta(0), timedelta(minutes=2)
    client = HttpClient(allowed_private_hosts=frozenset({"127.0.0.1"}))
    for module in (core_services, services):
        monkeypatch.setattr(module, "http_client", lambda: client)
    services.exchange.cache_clear()
    core_services.clock.cache_clear()
    made = Field(market_process, clock_file, client)
    market_process.set_clock(NOW)
    made.load()
    made.at(NOW, tick=False)
    yield made
    market_process.control("DELETE", "faults")
    services.exchange.cache_clear()
    core_services.clock.cache_clear()


@pytest.fixture
def operator(transactional_db):
    return User.objects.create_user("operator")


@pytest.fixture
def colleague(transactional_db):
    return User.objects.create_user("colleague")
