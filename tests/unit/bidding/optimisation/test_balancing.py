"""Through which quarter hours balancing energy is held, and whether that is enough for any call."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregator.core.ptu import PTU
from bidding.flexibility.devices import one_way_charger
from bidding.flexibility.disaggregation import disaggregate
from bidding.flexibility.headroom import sustained_headroom
from bidding.flexibility.stays import stay_vectors
from bidding.flexibility.window import Sessions, Window, arrival_baseline_kwh
from bidding.optimisation.balancing import free_w, held_block, last_call, next_to_size, ptus_to_offer

GATE = timedelta(minutes=25)
SIX = datetime(2026, 1, 14, 17, tzinfo=UTC)  # in the evening, in the Netherlands
STEP_H = 0.25
PTUS = 3


@pytest.mark.parametrize(
    ("gate_minutes", "ptus"), [(0, 1), (1, 2), (15, 2), (16, 3), (25, 3), (30, 3), (31, 4), (60, 5)]
)
def test_power_is_held_from_the_ptu_that_runs_at_the_gate_to_the_end_of_its_own(gate_minutes, ptus):
    gate = timedelta(minutes=gate_minutes)
    block = held_block(SIX, gate=gate)
    assert block.ends_at == SIX + PTU
    assert block.duration == ptus * PTU
    assert block.starts_at <= SIX - gate < block.starts_at + PTU


@pytest.mark.parametrize(("gate_minutes", "minutes_left"), [(25, 5), (40, 5), (20, 10), (16, 14)])
@pytest.mark.parametrize("seconds", [0, 1, 899])
def test_where_there_is_time_before_the_gate_a_ptu_is_sized_as_its_block_begins(gate_minutes, minutes_left, seconds):
    now, gate = SIX + timedelta(seconds=seconds), timedelta(minutes=gate_minutes)
    ptu = next_to_size(now, gate=gate)
    assert held_block(ptu, gate=gate).starts_at == SIX
    assert ptu - gate == SIX + timedelta(minutes=minutes_left)


@pytest.mark.parametrize("gate_minutes", [0, 15, 26, 30])
@pytest.mark.parametrize("seconds", [0, 1, 899])
def test_else_it_is_the_soonest_whose_block_is_still_to_come(gate_minutes, seconds):
    now, gate = SIX + timedelta(seconds=seconds), timedelta(minutes=gate_minutes)
    ptu = next_to_size(now, gate=gate)
    assert now < held_block(ptu, gate=gate).starts_at
    assert held_block(ptu - PTU, gate=gate).starts_at <= now < ptu - gate


def test_what_is_sold_is_not_free_and_nothing_is_beside_what_is_sold_the_other_way():
    assert free_w(300_000, sold_w=100_000, is_sold_other_way=False) == 200_000
    assert free_w(300_000, sold_w=400_000, is_sold_other_way=False) == 0
    assert free_w(300_000, sold_w=0, is_sold_other_way=True) == 0


def cars(seed, count=7):
    """Cars that come and go on quarter hours around a block, some of them in a hurry."""
    rng = np.random.default_rng(seed)
    arrival_h = rng.integers(-4, PTUS, count) / 4
    stay_h = rng.integers(1, 9, count) / 4
    power_kw = rng.choice([3.7, 7.4, 11.0], count)
    need_kwh = rng.uniform(0.3, 1.0, count) * power_kw * stay_h
    before_kwh = np.minimum(power_kw * np.maximum(-arrival_h, 0.0), need_kwh)
    return Sessions(arrival_h, arrival_h + stay_h, need_kwh - before_kwh, power_kw)


def in_block(sessions, steps=PTUS):
    """Return what the cars draw when nobody calls, and the most that is held below and above it in each PTU [kW]."""
    window = Window(steps)
    baseline_kw = arrival_baseline_kwh(sessions, window)[0] / STEP_H
    bounds = stay_vectors(sessions, window).bounds()
    least, most = (
        deliverable(baseline_kw=baseline_kw, step_hours=STEP_H)[0]
        for deliverable in (bounds.deliverable_reduce_kw, bounds.deliverable_increase_kw)
    )
    return baseline_kw, least, most


def a_step_later(sessions, drawn_kw):
    """Return the cars after a PTU in which they drew this."""
    return replace(
        sessions,
        arrival_hours=sessions.arrival_hours - STEP_H,
        departure_hours=sessions.departure_hours - STEP_H,
        energy_needed_kwh=np.maximum(sessions.energy_needed_kwh - drawn_kw * STEP_H, 0.0),
    )


seeds = st.integers(0, 10**6)
calls = st.lists(st.sampled_from([0.0, 0.4, 1.0]), min_size=PTUS, max_size=PTUS)


@given(seed=seeds, called=calls)
@settings(max_examples=60, deadline=None)
def test_what_is_held_in_a_block_may_be_called_from_moment_to_moment(seed, called):
    """Nobody knows the next call: each PTU is split so that all of the power can still be called in the rest."""
    sessions = cars(seed)
    baseline_kw, held_kw, _ = in_block(sessions)
    held_kw = max(held_kw - 1e-6, 0.0)
    for ptu, share in enumerate(called):
        rest_kw = baseline_kw[ptu:] - held_kw
        rest_kw[0] = baseline_kw[ptu] - share * held_kw
        split = disaggregate(profile_kw=rest_kw, sessions=sessions, window=Window(PTUS - ptu))  # raises out of reach
        sessions = a_step_later(sessions, split.sessions_kw[:, 0])
        stay_h = sessions.departure_hours - np.maximum(sessions.arrival_hours, 0.0)
        assert np.all(sessions.energy_needed_kwh <= sessions.power_max_kw * np.maximum(stay_h, 0.0) + 1e-6)


@given(seed=seeds)
@settings(max_examples=60, deadline=None)
def test_what_is_held_in_a_block_is_within_the_headroom_of_each_of_its_ptus(seed):
    sessions, window = cars(seed), Window(PTUS)
    _, held_kw, _ = in_block(sessions)
    corridor = one_way_charger(
        arrival_hours=sessions.arrival_hours,
        departure_hours=sessions.departure_hours,
        energy_needed_kwh=sessions.energy_needed_kwh,
        power_max_kw=sessions.power_max_kw,
        window=window,
    )
    each = [sessions.select(np.array([car])) for car in range(len(sessions))]
    baseline_kw = np.concatenate([arrival_baseline_kwh(car, window) for car in each]) / STEP_H
    headroom = sustained_headroom(corridor=corridor, baseline_kw=baseline_kw, step_hours=STEP_H)
    assert held_kw <= headroom.reduce_kw.min() + 1e-9


def test_a_group_holds_more_than_its_cars_do_each_by_itself():
    """One car can wait for a PTU and must then hurry; one that comes then makes up for it."""
    hurried, coming = np.array([0.0, STEP_H]), np.array([2 * STEP_H, 5.0])
    sessions = Sessions(hurried, coming, np.array([1.5, 8.0]), np.array([4.0, 4.0]))
    window = Window(2)
    corridor = one_way_charger(
        arrival_hours=hurried,
        departure_hours=coming,
        energy_needed_kwh=sessions.energy_needed_kwh,
        power_max_kw=4.0,
        window=window,
    )
    baseline_kw = np.array([[4.0, 2.0], [0.0, 4.0]])

    alone = sustained_headroom(corridor=corridor, baseline_kw=baseline_kw, step_hours=STEP_H, hold_steps=2)

    assert in_block(sessions, steps=2)[1] == pytest.approx(2.0)
    assert alone.reduce_kw[0] == 0.0


@given(seed=seeds)
@settings(max_examples=60, deadline=None)
def test_cars_that_charge_on_arrival_have_nothing_to_increase(seed):
    assert in_block(cars(seed))[2] <= 1e-9


def test_offers_that_stand_beside_each_other_are_not_covered_by_a_block_each():
    """A battery that is called while the next offers are made: each was sized on what it held a moment before."""
    stored_kwh, offers_kw = 90.0, {}
    for start in range(6):
        offers_kw[start + PTUS - 1] = stored_kwh / (PTUS * STEP_H)  # sized as the block begins, on what is in then
        stored_kwh -= offers_kw.get(start, 0.0) * STEP_H  # and all that was offered for this PTU is called
    assert stored_kwh < 0


@pytest.mark.parametrize(
    ("gate_minutes", "minute", "offered"),
    [
        (25, 0, [SIX + 2 * PTU]), (25, 4, [SIX + 2 * PTU]), (25, 5, []),
        (27, 2, [SIX + 2 * PTU, SIX + 3 * PTU]), (27, 3, [SIX + 3 * PTU]),
    ],
)  # fmt: skip
def test_bids_are_made_for_the_ptus_whose_gate_is_open_the_earlier_first(gate_minutes, minute, offered):
    assert ptus_to_offer(SIX + timedelta(minutes=minute), gate=timedelta(minutes=gate_minutes)) == offered


@pytest.mark.parametrize(("gate_minutes", "before_the_gate"), [(25, 2), (16, 2), (27, 3), (15, 2), (30, 2)])
def test_a_bid_waits_for_groups_until_they_are_sized_no_more_or_time_runs_out(gate_minutes, before_the_gate):
    gate = timedelta(minutes=gate_minutes)
    assert last_call(SIX, gate=gate) == SIX - gate - timedelta(minutes=before_the_gate)
