"""What operators see of a call for balancing energy while it runs."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from aggregator.core.ptu import PTU, ptu_start
from aggregator.operator.panels.balancing_live import balancing_live
from bidding.models import Activation, ActivationPtu, ActivationSample, BalancingPtu, BalancingSignal
from tests.integration.operator.conftest import NOW

PAGE = "/admin/bidding/balancingheadroom/overview/"
CYCLE = timedelta(seconds=4)
PRESENT = ptu_start(NOW)


@pytest.fixture
def run(evening):
    def begin(name, *, part_w=600_000, ordered_w=200_000, **fields):
        made = Activation.objects.create(
            reference=f"afrr-{name}", is_balancing=True, aggregation_ean=evening.group(name=name), direction="reduce",
            starts_at=PRESENT, ends_at=PRESENT + PTU, ordered_at=NOW, updated_at=NOW, **fields,
        )  # fmt: skip
        ActivationPtu.objects.create(activation=made, ptu_start=PRESENT, ordered_w=ordered_w, part_w=part_w)
        return made

    return begin


def hear(delta_w, *, at=NOW - CYCLE, last_at=NOW - CYCLE, cycles=1):
    return BalancingSignal.objects.create(at=at, last_at=last_at, cycles=cycles, delta_w=delta_w, use="followed")


def state():
    return balancing_live(now=NOW)["state"]


def rows():
    return [[cell["text"] for cell, _ in row] for row in balancing_live(now=NOW)["groups"]["rows"]]


def test_nothing_is_said_where_balancing_energy_is_not_sold(pages, evening):
    assert not balancing_live(now=NOW)["is_shown"]
    assert "TenneT now" not in pages.get(PAGE).content.decode()


def test_what_tennet_asks_since_when_and_what_each_group_makes_of_it(pages, run):
    north, _ = run("North"), run("South", cap_w=100_000)
    ActivationSample.objects.create(
        activation=north, at=NOW - timedelta(minutes=1), ordered_w=200_000, asked_w=0, delivered_w=190_000, seen=1,
        members=1,
    )  # fmt: skip
    hear(0, at=NOW - timedelta(seconds=80), last_at=NOW - timedelta(seconds=64))
    hear(-400_000, at=NOW - timedelta(seconds=60), last_at=NOW - timedelta(seconds=40))
    hear(-400_000)  # a row of the next quarter hour, or of another process
    BalancingPtu.objects.create(ptu_start=PRESENT, cycles=10, lost_cycles=3, updated_at=NOW)
    BalancingPtu.objects.create(ptu_start=PRESENT - timedelta(days=1), cycles=0, lost_cycles=225, updated_at=NOW)

    since = (NOW - timedelta(seconds=60) + timedelta(hours=1)).strftime("%H:%M:%S")
    assert state() == {
        "text": f"TenneT asks 400 kW up: consume less, since {since}.", "href": "", "tone": "good", "note": "",
    }  # fmt: skip
    seen_at = (NOW - timedelta(minutes=1) + timedelta(hours=1)).strftime("%H:%M")
    assert rows() == [
        ["North", "up", "200", "600", "190", seen_at, "Steered"],
        ["South", "up", "200", "600", "—", "—", "Capped at 100 kW"],
    ]
    text = pages.get(PAGE).content.decode()
    assert "Last cycle 4 s ago. 3 cycles lost today." in text


def test_what_is_wrong_is_said_with_what_to_do(run):
    run("North")
    assert state()["text"] == "There are bids, and nobody hears TenneT. Start follow_balancing."
    hear(0)
    assert state()["text"].startswith("TenneT asks nothing since ")
    BalancingSignal.objects.create(at=NOW, last_at=NOW, use="lost", why="No usable setpoint.")
    assert (state()["text"], state()["tone"]) == (
        "The last setpoint holds for 1 min at most. No usable setpoint.", "warn"
    )  # fmt: skip
    BalancingSignal.objects.create(at=NOW, last_at=NOW, use="given_up", why="No usable setpoint.")
    assert "Call TenneT" in state()["text"]
    BalancingSignal.objects.all().delete()
    hear(0, at=NOW - timedelta(minutes=3), last_at=NOW - timedelta(minutes=2))
    assert state()["text"] == "Nobody follows TenneT: the last cycle was 2 min ago. Start follow_balancing."


def test_the_first_page_says_that_tennet_is_not_heard(pages, run):
    run("North")
    hear(0)
    assert "Balancing energy: " not in pages.get("/admin/").content.decode()
    BalancingSignal.objects.create(at=NOW, last_at=NOW, use="given_up", why="No usable setpoint.")
    assert "Balancing energy: Nothing is asked of the groups any more." in pages.get("/admin/").content.decode()


def test_the_queries_do_not_grow_with_groups(run):
    def queries():
        with CaptureQueriesContext(connection) as captured:
            balancing_live(now=NOW)
        return len(captured)

    run("North")
    hear(-400_000)
    before = queries()
    for name in ("South", "East", "West"):
        run(name)
    assert queries() == before


def test_a_monitoring_system_reads_how_long_ago_tennet_was_heard(settings, evening):
    settings.METRICS_TOKEN = "sesame"
    hear(0, at=NOW - timedelta(minutes=1), last_at=NOW - 2 * CYCLE)
    answer = Client().get("/metrics", headers={"Authorization": "Bearer sesame"}).content.decode()
    assert "\naggregator_balancing_last_cycle_seconds 8.0\n" in answer
