"""Promises are held against what cars really did, called or not, and nobody has to be called for a record."""

import logging
from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from aggregator.core.clock import CLOCK_FILE_VARIABLE, VirtualClock
from aggregator.core.services import clock
from assets.models import AssetKind, ChargingSession, Membership
from bidding import tasks
from bidding.models import BalancingHeadroom, Bid
from bidding.operations import bids, hindsight, sizing
from bidding.operations.balancing import size_balancing
from bidding.operations.hindsight import Hindsight, waiting
from bidding.optimisation.track_record import DayTally, track_records
from bidding.track_record import replayed_bids, replayed_headroom, replayed_pool
from tests.integration.bidding.conftest import BEFORE, NOW, PTU, WINDOW_STARTS_AT

GATE = timedelta(minutes=25)
PROMISED_PTU = WINDOW_STARTS_AT + 2 * PTU
BLOCK_ENDS_AT = PROMISED_PTU + PTU
DAY = timedelta(days=1)
LATER = BLOCK_ENDS_AT + DAY
BATTERY_W = 100_000
CAR_W = 11_000


def leave(cars, *, after, energy_wh=50_000):
    """Let cars that are plugged in leave, so long after the window began."""
    plug_out_at = WINDOW_STARTS_AT + after
    ChargingSession.objects.filter(asset__in=cars, plug_out_at=None).update(
        plug_out_at=plug_out_at, energy_wh=energy_wh, known_at=plug_out_at
    )


@pytest.fixture
def cars(fleet):
    return fleet[:-1]


@pytest.fixture
def promise(fleet, group):
    """What the group promises for a quarter hour, up."""
    size_balancing(aggregation_ean=group, ptu_start=PROMISED_PTU, now=BEFORE)
    return BalancingHeadroom.objects.get(direction="reduce")


@pytest.fixture
def bid(fleet, group, announcement, exchange):
    sized = sizing.size(announcement=announcement, aggregation_ean=group, now=BEFORE)
    return bids.offer(announcement=announcement, aggregation_ean=group, sized=sized, exchange=exchange, now=NOW)


def replayed(promise, *, now=LATER):
    Hindsight(gate=GATE, now=now).replay(promise)
    promise.refresh_from_db()
    return promise.capacity_w


def waits(group, *, now=LATER):
    return waiting(aggregation_ean=group, now=now, gate=GATE)


def test_cars_that_stayed_would_have_held_what_was_promised(cars, promise):
    leave(cars, after=timedelta(hours=12))
    assert promise.steady_w == BATTERY_W
    assert promise.reliable_w <= replayed(promise) == len(cars) * CAR_W + BATTERY_W


def test_cars_that_left_would_not_have_held_it_and_the_battery_counts_as_it_told(cars, promise):
    leave(cars[2:], after=PTU, energy_wh=8_000)
    leave(cars[:2], after=timedelta(hours=12))
    assert replayed(promise) == 2 * CAR_W + BATTERY_W < promise.reliable_w


def test_a_driver_who_needs_the_energy_gives_no_power(cars, promise):
    leave(cars, after=3 * PTU, energy_wh=13_750)  # all that 75 minutes of 11 kW bring, told to dispatch by nobody
    untold = replayed(promise)
    for session in ChargingSession.objects.filter(external_id__endswith="-now"):
        session.declarations.create(
            told_at=session.plug_in_at, departure_at=session.plug_out_at, energy_wh=session.energy_wh
        )
    assert replayed(promise) == BATTERY_W < untold


def test_a_promise_is_judged_a_day_after_its_block_and_once(group, cars, promise):
    assert waits(group, now=LATER - timedelta(seconds=1)) == []
    assert waits(group) == [promise]
    leave(cars, after=timedelta(hours=12))
    first, again = replayed(promise), replayed(promise)
    assert first == again
    assert waits(group) == []


def test_after_a_long_stop_old_promises_are_left(group, promise):
    assert waits(group, now=LATER + hindsight.REACH - 2 * PTU) == [promise]
    assert waits(group, now=LATER + hindsight.REACH + PTU) == []


def test_what_no_car_carries_is_not_replayed(group, fleet, promise):
    down = BalancingHeadroom.objects.get(direction="increase")
    assert (down.reliable_w > 0, down.steady_w) == (True, None)
    with pytest.raises(IntegrityError, match="replayed_headroom_has_cars"), transaction.atomic():
        BalancingHeadroom.objects.filter(pk=down.pk).update(capacity_w=1)
    Membership.objects.exclude(asset__kind=AssetKind.BATTERY).delete()
    size_balancing(aggregation_ean=group, ptu_start=PROMISED_PTU + PTU, now=BEFORE)
    assert {row.steady_w for row in BalancingHeadroom.objects.filter(ptu_start=PROMISED_PTU + PTU)} == {None}


def test_a_bid_to_consume_more_is_not_replayed(group, fleet, announcement):
    announcement.direction = "increase"
    sized = sizing.size(announcement=announcement, aggregation_ean=group, now=BEFORE)
    assert "replay" not in sized.explanation
    announcement.direction = "reduce"
    assert "replay" in sizing.size(announcement=announcement, aggregation_ean=group, now=BEFORE).explanation


def test_a_promise_of_nothing_is_none(group, promise):
    BalancingHeadroom.objects.update(reliable_w=0, free_w=0)
    assert waits(group) == []


def test_members_of_then_are_replayed_whoever_came_since(group, cars, promise):
    leave(cars, after=timedelta(hours=12))
    Membership.objects.filter(asset__in=cars[5:]).delete()
    assert replayed(promise) == 5 * CAR_W + BATTERY_W
    Membership.objects.filter(asset__in=cars).delete()
    assert replayed(promise) == 0


def test_a_bid_is_replayed_called_or_not(group, cars, bid):
    leave(cars, after=timedelta(hours=12))
    known_at = bid.ends_at + DAY
    assert waits(group, now=known_at - timedelta(seconds=1)) == []
    assert waits(group, now=known_at) == [bid]
    assert replayed(bid, now=known_at) >= bid.explanation["replay"]["promised_w"] >= bid.power_w
    [kept] = replayed_bids(since=NOW - DAY)
    assert (kept.is_kept, kept.bid_kw) == (True, bid.explanation["replay"]["promised_w"] / 1000)
    Bid.objects.update(capacity_w=bid.explanation["replay"]["promised_w"] - 1)
    assert [one.is_kept for one in replayed_bids(since=NOW - DAY)] == [False]


@pytest.mark.parametrize(
    "values", [{"status": "refused"}, {"status": "withdrawn"}, {"explanation": {"reason": "Made by hand."}}]
)
def test_a_bid_that_stayed_here_or_was_made_by_hand_is_no_promise_of_ours(group, bid, values):
    Bid.objects.update(**values)
    assert waits(group, now=bid.ends_at + DAY) == []


def test_the_past_is_read_once_for_windows_with_the_same_chargers(group, cars, promise):
    leave(cars, after=timedelta(hours=12))
    size_balancing(aggregation_ean=group, ptu_start=PROMISED_PTU + PTU, now=BEFORE)
    hindsight_of_day = Hindsight(gate=GATE, now=LATER + PTU)
    first, second = waits(group, now=LATER + PTU)
    hindsight_of_day.replay(first)
    with CaptureQueriesContext(connection) as queries:
        hindsight_of_day.replay(second)
    tables = [query["sql"].split('"')[1] for query in queries]
    assert tables == ["assets_asset", "bidding_balancingheadroom"]  # who was a member, and what is written


def test_the_record_counts_by_group_promise_and_dutch_day(group, other):
    day_starts_at = WINDOW_STARTS_AT.replace(hour=23) - DAY  # midnight in Amsterdam
    rows = [
        (group, day_starts_at - PTU, 300_000, 300_000),
        (group, day_starts_at, 300_000, 299_999),
        (group, day_starts_at + PTU, 100_000, 200_000),
        (group, day_starts_at + 2 * PTU, 100_000, None),
        (other, day_starts_at, 50_000, 60_000),
    ]
    for ean, ptu_start, reliable_w, capacity_w in rows:
        BalancingHeadroom.objects.create(
            aggregation_ean=ean, ptu_start=ptu_start, direction="reduce", reliable_w=reliable_w, free_w=0, steady_w=0,
            capacity_w=capacity_w, reliability="0.95", limited_by="x", sized_at=ptu_start - PTU,
        )  # fmt: skip
    day = WINDOW_STARTS_AT.date().toordinal()
    found = replayed_headroom(since=day_starts_at - DAY)
    assert found == {
        group.pk: [DayTally(day - 1, 0.95, 1, 1, 300.0), DayTally(day, 0.95, 2, 1, 400.0)],
        other.pk: [DayTally(day, 0.95, 1, 1, 50.0)],
    }
    [record] = track_records(found[group.pk])
    assert (record.bids, record.days, record.kept) == (3, 2, 2)


def test_groups_together_hold_what_one_lacks_and_another_has_more(group, other):
    def hold(ean, ptus_later, reliable_w, capacity_w, *, steady_w=0, reliability="0.95"):
        ptu_start = WINDOW_STARTS_AT + ptus_later * PTU
        BalancingHeadroom.objects.create(
            aggregation_ean=ean, ptu_start=ptu_start, direction="reduce", reliable_w=reliable_w, free_w=0,
            steady_w=steady_w, capacity_w=capacity_w, reliability=reliability, limited_by="x", sized_at=ptu_start - PTU,
        )  # fmt: skip

    hold(group, 0, 300_000, 250_000)
    hold(other, 0, 100_000, 150_000, reliability="0.9")
    hold(group, 1, 300_000, 250_000)
    hold(other, 1, 100_000, 149_999)
    hold(group, 2, 300_000, 300_000)
    hold(other, 2, 100_000, None)  # waits
    hold(group, 3, 300_000, 300_000)
    hold(other, 3, 100_000, None, steady_w=None)  # no cars: nothing to replay
    hold(group, 4, 300_000, 300_000)
    hold(other, 4, 0, None)  # promised nothing
    day = WINDOW_STARTS_AT.date().toordinal()
    assert replayed_pool(since=NOW) == [
        DayTally(day, 0.9, 1, 1, 400.0),
        DayTally(day, 0.95, 1, 0, 400.0),
        DayTally(day, 0.95, 1, 1, 300.0),
        DayTally(day, 0.95, 1, 1, 300.0),
    ]


@pytest.fixture
def a_day_later(tmp_path, monkeypatch):
    VirtualClock.create(tmp_path / "clock.json", starts_at=LATER + PTU, speed=0)
    monkeypatch.setenv(CLOCK_FILE_VARIABLE, str(tmp_path / "clock.json"))
    clock.cache_clear()
    yield
    clock.cache_clear()


def test_a_round_replays_what_waits_and_one_that_fails_stops_no_other(
    group, cars, promise, a_day_later, monkeypatch, caplog
):
    leave(cars, after=timedelta(hours=12))
    size_balancing(aggregation_ean=group, ptu_start=PROMISED_PTU + PTU, now=BEFORE)
    later = BalancingHeadroom.objects.get(direction="reduce", ptu_start=PROMISED_PTU + PTU)
    replay = Hindsight.replay

    def fails_for_the_first(self, one):
        if one == promise:
            raise ValueError("broken")
        replay(self, one)

    monkeypatch.setattr(Hindsight, "replay", fails_for_the_first)
    with caplog.at_level(logging.ERROR):
        tasks.replay_promises()
    assert "would have held was not worked out" in caplog.text
    later.refresh_from_db()
    assert later.capacity_w == len(cars) * CAR_W + BATTERY_W
    assert waits(group) == [promise]
    monkeypatch.setattr(Hindsight, "replay", replay)
    tasks.replay_promises()
    assert waits(group) == []


def test_a_round_that_is_out_of_time_leaves_the_rest(group, cars, promise, a_day_later, monkeypatch):
    monkeypatch.setattr(tasks, "REPLAY_SECONDS", -1)
    tasks.replay_promises()
    assert waits(group) == [promise]
