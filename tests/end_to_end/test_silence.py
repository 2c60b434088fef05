"""Our sender dies in the middle of an order: every asset returns to its safe default, and nobody has to tell it.

Real processes: a Celery worker with its scheduler that plans and sends, the simulated CPO with its physics, both on one
virtual clock; real PostgreSQL, broker and HTTP between them.
"""

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from urllib.parse import quote

import pytest
from django.db import connection

from aggregator.celery import app
from aggregator.core import services
from aggregator.core.clock import CLOCK_FILE_VARIABLE
from aggregator.core.models import OutboxMessage
from aggregator.embedded import CHECKOUT, redis_url
from assets import operations
from assets.control.fallback import FALLBACKS
from assets.models import Asset, MeterInterval, Partner, Setpoint
from bidding.markets.exchange.client import Exchange
from bidding.markets.exchange.orders import OrderState
from bidding.models import Activation, Announcement, Mandate
from bidding.operations import bids
from bidding.operations.orders import follow_order
from bidding.operations.terms import set_terms
from tests.field_side import GROUP_EAN, at, enrol, make_area, make_group
from tests.integration.simulator.conftest import Process
from tests.integration.simulator.fake_aggregator import get, secret_of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("evening")]

PTU = timedelta(minutes=15)
STEP = timedelta(minutes=3)
STARTS_AT, ENDS_AT = at("19:00"), at("22:00")
KILLED_AT = at("20:01")  # the setpoints of 20:00 left ten minutes before it
ALL_FREE_AT = at("02:00", day=15)
PTUS, LAST = (ENDS_AT - STARTS_AT) // PTU, (ALL_FREE_AT - STARTS_AT) // PTU
LAPSED = (at("20:30") - STARTS_AT) // PTU
LATEST = timedelta(minutes=4)
"""After that: what left last arrived at 20:02, and assets end inside a ramp of two minutes."""
PATIENCE_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Service:
    """Our own web, in this process."""

    url: str


class Sender:
    """What plans and sends: a worker for the dispatch queue, with its scheduler."""

    def __init__(self, directory) -> None:
        database = {**connection.settings_dict, "HOST": quote(connection.settings_dict["HOST"], safe="")}
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "celery", "-A", "aggregator", "worker", "-B", "-s", str(directory / "beat")),
                *("-Q", "dispatch", "-c", "1", "--without-gossip", "--without-mingle", "--loglevel", "ERROR"),
            ],
            cwd=CHECKOUT,
            env={
                **os.environ,
                "DATABASE_URL": "postgresql://{USER}@{HOST}/{NAME}".format(**database),
                "REDIS_URL": redis_url(),
                "TICK_SECONDS": "0.3",
                "HTTP_ALLOWED_PRIVATE_HOSTS": "127.0.0.1",
            },
            start_new_session=True,
        )

    def kill(self) -> None:
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


class Evening:
    """One group with every asset of the simulated CPO in it, and an order for it."""

    def __init__(self, process, direction) -> None:
        self.process = process
        self.activation = _ordered(direction)

    def play_until(self, instant, *, is_steered=True):
        now = services.clock().now()
        while now < instant:
            now = min(now + STEP, instant)
            self.process.jump_to(now)
            if is_steered:
                _wait_until(lambda: Activation.objects.get().updated_at >= now)  # noqa: B023 - used at once
                _wait_until(lambda: not OutboxMessage.objects.filter(channel="setpoints", delivered_at=None).exists())

    def power_w(self, kind, ptu):
        """Return the mean power of each asset of a kind in the quarter hour of that number, by its meter."""
        rows = MeterInterval.objects.filter(asset__kind=kind, starts_at=STARTS_AT + ptu * PTU)
        return {row.asset_id: (row.import_wh - row.export_wh) * 4 for row in rows}

    def totals_w(self, kind):
        return [sum(self.power_w(kind, ptu).values()) for ptu in range(LAST)]


def _wait_until(is_so):
    give_up_at = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        assert time.monotonic() < give_up_at
        time.sleep(0.05)


def _ordered(direction):
    now = at("18:40")
    group = make_group(make_area())
    enrol(group, Asset.objects.order_by("pk"))
    group.price_eur_per_mwh, group.autonomy = Decimal(180), "automatic"
    group.save()
    set_terms(
        Mandate, aggregation_ean=group, now=at("12:00"), automatic_up_to_w=5_000_000,
        automatic_up_to_eur=Decimal(1_000_000),
    )  # fmt: skip
    announcement = Announcement.objects.create(
        external_id="A1", revision=1, known_at=now, congestion_area=group.congestion_area, postcodes=["3511"],
        direction=direction, starts_at=STARTS_AT, ends_at=ENDS_AT, required_power_w=[800_000] * PTUS, document={},
    )  # fmt: skip
    everything = bids.SizedWindow(400_000, 400_000, [900_000] * PTUS, {"curve": []}, "more than all can give")
    exchange = Exchange(
        http=None, polls=None, base_url="http://exchange.example", participant_id=str(GROUP_EAN), api_key="key"
    )
    bid = bids.offer(announcement=announcement, aggregation_ean=group, sized=everything, exchange=exchange, now=now)
    follow_order(bid_id=bid.pk, state=OrderState("X1", "", 400_000, Decimal(180), True, False), now=now)
    return Activation.objects.get()


@pytest.fixture
def evening(transactional_db, live_server, monkeypatch, tmp_path, request):
    monkeypatch.setenv(CLOCK_FILE_VARIABLE, str(tmp_path / "run" / "clock.json"))
    services.clock.cache_clear()
    for key in ("stadsladen", "deelstroom", "remise"):
        partner, _ = operations.register_partner(name=key, now=at("12:00"))
        partner.application.client_id, partner.application.client_secret = key, "x"
        partner.application.save()
        Partner.objects.filter(pk=partner.pk).update(callback_secret=secret_of(key))
    operations.maintain_partitions(now=at("12:00"))
    process = Process(tmp_path / "run", Service(live_server.url), starts_at=at("18:30"), ends_at=ALL_FREE_AT)
    process.wait_until(lambda progress: progress["phase"] == "running")
    for partner in Partner.objects.all():
        partner.callback_url = f"{process.url}/callbacks/{partner.name}"
        partner.save()
    yield Evening(process, request.param)
    process.kill()
    services.clock.cache_clear()


@pytest.fixture
def sender(evening, tmp_path):
    running = Sender(tmp_path)
    yield running
    running.kill()
    app.control.purge()


@pytest.mark.parametrize("evening", ["reduce"], indirect=True)
def test_when_we_fall_silent_nobody_feeds_in_longer_than_its_time_to_live_and_all_go_free(evening, sender):
    evening.play_until(KILLED_AT)
    sender.kill()
    evening.play_until(ALL_FREE_AT, is_steered=False)

    assert {one.asset.kind for one in Setpoint.objects.select_related("asset")} == set(FALLBACKS)
    battery_w, cars_w = (evening.totals_w(kind) for kind in ("battery", "v2g_charger"))
    # Renewed each quarter hour, so in force across the half hours, and half an hour longer than we live.
    assert all(-60_000 < watts < -45_000 for watts in battery_w[:LAPSED])
    assert all(watts < -20_000 for watts in cars_w[:LAPSED])
    assert battery_w[LAPSED] >= -60_000 * LATEST / PTU
    assert set(battery_w[LAPSED + 1 :]) == {0}  # idle
    assert all(watts >= 0 for ptu in range(LAPSED + 1, LAST) for watts in evening.power_w("v2g_charger", ptu).values())
    assert cars_w[LAPSED + 1] > 20_000  # they charge normally
    for kind in ("charger", "bus_charger", "heat_pump"):  # what waits goes on to the end of the order, then it is free
        waits = {asset for asset, watts in evening.power_w(kind, LAPSED + 2).items() if watts == 0}
        free = {asset for ptu in range(PTUS, LAST) for asset, watts in evening.power_w(kind, ptu).items() if watts > 0}
        assert waits & free, kind


@pytest.mark.parametrize("evening", ["increase"], indirect=True)
def test_when_we_fall_silent_a_battery_that_charges_for_us_rests_within_its_time_to_live(evening, sender):
    evening.play_until(KILLED_AT)
    sender.kill()
    evening.play_until(ENDS_AT, is_steered=False)

    battery_w = evening.totals_w("battery")
    assert all(watts > 3_000 for watts in battery_w[:LAPSED])
    assert set(battery_w[LAPSED + 1 : PTUS]) == {0}
    report = get(f"{evening.process.url}/report")
    steered_w, alone_w = (
        [sum(group[ptu] for group in report[name].values()) for ptu in range(len(report["ptu_starts"]))]
        for name in ("power_by_aggregation_ean", "undisturbed_power_by_aggregation_ean")
    )
    assert steered_w[-1] == alone_w[-1] > 0  # every kind does what it would have done by itself
