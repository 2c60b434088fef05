"""What groups could offer as balancing energy: sized once, in time, beside what is sold, and a group at a time."""

import itertools
import logging
from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from aggregator.core.clock import CLOCK_FILE_VARIABLE, VirtualClock
from aggregator.core.services import clock
from assets.models import AggregationEan, AssetState
from bidding import tasks
from bidding.models import BalancingHeadroom, LedgerEntry
from bidding.operations import balancing, sizing
from bidding.operations.balancing import GateHasPassed, forget_old_headroom, size_balancing
from bidding.optimisation.interface import SizedBid
from tests.integration.bidding.conftest import BEFORE, PTU, WINDOW_STARTS_AT

FIRST = WINDOW_STARTS_AT + 2 * PTU
"""Its block begins with the window: 8 minutes after what is known at BEFORE."""
GATE = FIRST - timedelta(minutes=25)
IN_BLOCK = WINDOW_STARTS_AT + timedelta(minutes=2)


@pytest.fixture
def group(group):
    group.is_sized_for_balancing = True
    group.save()
    return group


def sized(group, *, ptu_start=FIRST, now=BEFORE):
    rows = size_balancing(aggregation_ean=group, ptu_start=ptu_start, now=now)
    return {row.direction: row for row in rows}


def sell(group, direction, power_w, *, ptu_start):
    LedgerEntry.objects.create(
        aggregation_ean=group, ptu_start=ptu_start, direction=direction, sellable_w=power_w, committed_w=power_w
    )


@pytest.fixture
def quick(monkeypatch):
    """Say at once that every group holds 300 kW, and note for which."""
    asked = []

    def answer(*, aggregation_ean, period, direction, now):
        asked.append((aggregation_ean.pk, period, direction, now))
        return SizedBid(300.0, {"limited_by": "departures"})

    monkeypatch.setattr(balancing, "reliable_power", answer)
    return asked


def test_a_group_of_cars_and_a_battery_holds_power_both_ways(fleet, group):
    AssetState.objects.filter(asset=fleet[-1]).update(level_wh=110_000)  # of 200: 90 above its floor
    both = sized(group)
    reduce, increase = both["reduce"], both["increase"]
    assert 108_000 < reduce.reliable_w <= 328_000  # of the battery, and of twenty cars of 11 kW
    assert increase.reliable_w == 100_000  # the battery's rating; cars charge as soon as they come
    assert reduce.free_w == reduce.reliable_w
    assert (reduce.reliability, reduce.sized_at) == (group.reliability, BEFORE)
    assert reduce.limited_by in balancing._IN_WORDS.values()


def test_where_no_battery_can_charge_it_is_said_for_people(fleet, group):
    AssetState.objects.filter(asset=fleet[-1]).update(level_wh=200_000)
    row = sized(group)["increase"]
    assert (row.reliable_w, row.limited_by) == (0, balancing.NO_ROOM_TO_CHARGE)


def test_the_block_from_the_gate_to_the_end_is_sized_and_only_once(quick, group):
    first = sized(group)
    again = sized(group, now=BEFORE + timedelta(minutes=1))
    assert {period.starts_at for _, period, _, _ in quick} == {WINDOW_STARTS_AT}
    assert {period.ends_at for _, period, _, _ in quick} == {FIRST + PTU}
    assert [direction for _, _, direction, _ in quick] == ["reduce", "increase"]
    assert again == first
    assert BalancingHeadroom.objects.count() == 2


def test_two_rounds_at_once_leave_one_answer(quick, group, monkeypatch):
    def while_another_finishes(**asked):
        monkeypatch.setattr(balancing, "reliable_power", answer)
        sized(group)
        return SizedBid(100.0, {"limited_by": "departures"})

    answer = balancing.reliable_power
    monkeypatch.setattr(balancing, "reliable_power", while_another_finishes)
    assert [row.reliable_w for row in sized(group).values()] == [300_000, 300_000]


def test_what_was_sized_too_late_is_no_offer(quick, group):
    with pytest.raises(GateHasPassed):
        sized(group, now=GATE)
    assert not BalancingHeadroom.objects.exists()


@pytest.mark.parametrize(("ptus_later", "free_w"), [(-1, 300_000), (0, 200_000), (2, 200_000), (3, 300_000)])
def test_what_is_sold_in_any_ptu_of_the_block_is_not_free(quick, group, ptus_later, free_w):
    sell(group, "reduce", 100_000, ptu_start=WINDOW_STARTS_AT + ptus_later * PTU)
    row = sized(group)["reduce"]
    assert (row.reliable_w, row.free_w) == (300_000, free_w)


def test_nothing_is_free_beside_what_is_sold_the_other_way(quick, group):
    sell(group, "increase", 1_000, ptu_start=FIRST)
    both = sized(group)
    assert (both["reduce"].free_w, both["increase"].free_w) == (0, 299_000)


def test_the_database_keeps_what_a_row_says(group):
    good = {
        "aggregation_ean": group, "ptu_start": FIRST, "direction": "reduce", "reliable_w": 2, "free_w": 1,
        "reliability": "0.95", "limited_by": "x", "sized_at": BEFORE,
    }  # fmt: skip
    BalancingHeadroom.objects.create(**good)
    for wrong, rule in (
        ({}, "one_headroom_per_ptu_and_direction"),
        ({"direction": "increase", "free_w": 3}, "free_headroom_is_reliable"),
        ({"direction": "increase", "sized_at": FIRST}, "headroom_is_sized_in_time"),
        ({"direction": "increase", "reliability": "1"}, "headroom_reliability_is_a_probability"),
    ):
        with pytest.raises(IntegrityError, match=rule), transaction.atomic():
            BalancingHeadroom.objects.create(**(good | wrong))


@pytest.fixture
def in_its_block(tmp_path, monkeypatch):
    VirtualClock.create(tmp_path / "clock.json", starts_at=IN_BLOCK, speed=0)
    monkeypatch.setenv(CLOCK_FILE_VARIABLE, str(tmp_path / "clock.json"))
    clock.cache_clear()
    yield
    clock.cache_clear()


def other_group(group, ean, **fields):
    values = {"name": "Another", "congestion_area": group.congestion_area, "brp": group.brp} | fields
    return AggregationEan.objects.create(ean=ean, is_sized_for_balancing=True, **values)


def test_a_round_sizes_the_ptu_whose_gate_is_next_for_groups_that_want_it(quick, group, in_its_block):
    AggregationEan.objects.create(
        ean="871685100000000029", name="Not asked", congestion_area=group.congestion_area, brp=group.brp
    )
    tasks.size_balancing()
    tasks.size_balancing()
    # as if it had been when the block began: what is called from then on is still to come
    assert [(ean, now) for ean, _, _, now in quick] == [(group.pk, WINDOW_STARTS_AT)] * 2
    assert {(row.ptu_start, row.sized_at) for row in BalancingHeadroom.objects.all()} == {(FIRST, IN_BLOCK)}


def test_from_the_gate_on_a_round_sizes_nothing(quick, group, in_its_block, tmp_path):
    VirtualClock.create(tmp_path / "clock.json", starts_at=GATE, speed=0)
    clock.cache_clear()
    tasks.size_balancing()
    assert quick == []


def test_a_group_that_fails_stops_no_other(quick, group, in_its_block, monkeypatch, caplog):
    others = [other_group(group, ean) for ean in ("871685100000000029", "871685100000000036")]
    answer = balancing.reliable_power

    def failing(*, aggregation_ean, **asked):
        if aggregation_ean == others[0]:
            raise ZeroDivisionError
        return answer(aggregation_ean=aggregation_ean, **asked)

    monkeypatch.setattr(balancing, "reliable_power", failing)
    with caplog.at_level(logging.ERROR):
        tasks.size_balancing()
    assert set(BalancingHeadroom.objects.values_list("aggregation_ean", flat=True)) == {group.pk, others[1].pk}
    assert [others[0].pk in record.getMessage() for record in caplog.records] == [True]


def test_a_round_that_took_its_time_leaves_the_rest_to_the_next(quick, group, in_its_block, monkeypatch):
    other_group(group, "871685100000000029")
    seconds = itertools.count(step=tasks.BALANCING_SECONDS * 0.6)
    monkeypatch.setattr(tasks, "monotonic", lambda: next(seconds))
    counts = []
    for _ in range(3):
        tasks.size_balancing()
        counts.append(BalancingHeadroom.objects.count())
    assert counts == [2, 4, 4]


def test_a_group_that_another_round_is_at_is_left_to_it(quick, group, in_its_block, monkeypatch):
    answer = balancing.reliable_power

    def slow(**asked):
        monkeypatch.setattr(balancing, "reliable_power", answer)
        tasks.size_balancing()  # a minute later
        return answer(**asked)

    monkeypatch.setattr(balancing, "reliable_power", slow)
    tasks.size_balancing()
    assert len(quick) == 2  # two directions, once


def test_a_group_that_failed_is_tried_again_by_the_next_round(quick, group, in_its_block, monkeypatch):
    answer = balancing.reliable_power
    monkeypatch.setattr(balancing, "reliable_power", lambda **_asked: 1 / 0)
    tasks.size_balancing()
    monkeypatch.setattr(balancing, "reliable_power", answer)
    tasks.size_balancing()
    assert BalancingHeadroom.objects.count() == 2


def test_a_sandbox_is_not_sized(group):
    with pytest.raises(IntegrityError, match="no_sandbox_is_sized_for_balancing"), transaction.atomic():
        other_group(group, "871685100000000029", is_sandbox=True)


def test_sizing_it_does_not_push_out_what_bids_are_sized_on(fleet, group):
    known = dict(sizing._REHEARSED._known)
    sized(group)
    assert dict(sizing._REHEARSED._known) == known


def test_old_rows_go(quick, group):
    sized(group)
    assert forget_old_headroom(now=FIRST + balancing.KEPT_FOR) == 0
    assert forget_old_headroom(now=FIRST + balancing.KEPT_FOR + timedelta(seconds=1)) == 2
    assert not BalancingHeadroom.objects.exists()
