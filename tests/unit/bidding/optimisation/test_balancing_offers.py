"""Offers for PTU after PTU, lowered for those before: whatever is called of them is there."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bidding.flexibility.devices import one_way_charger
from bidding.flexibility.lp import solve_fleet
from bidding.flexibility.window import Window, arrival_baseline_kwh
from bidding.optimisation.balancing_offers import lowered_w, parts_w
from tests.unit.bidding.optimisation.test_balancing import PTUS, STEP_H, a_step_later, cars, in_block

ROUNDS = 9
MARGIN_KW = 1e-6

seeds = st.integers(0, 10**6)
calls = st.lists(st.sampled_from([0.0, 0.3, 1.0]), min_size=ROUNDS, max_size=ROUNDS)


def test_an_earlier_bid_costs_its_excess_in_the_block_and_all_of_itself_before_it():
    assert lowered_w(300, in_block_w=[300, 200], before_block_w=[]) == 300
    assert lowered_w(300, in_block_w=[350, 400], before_block_w=[]) == 150
    assert lowered_w(300, in_block_w=[], before_block_w=[100, 50]) == 150
    assert lowered_w(300, in_block_w=[700], before_block_w=[0]) == 0


def baseline_kw(sessions, steps):
    """Return what each car draws that charges on arrival (n, steps)."""
    each = [sessions.select(np.array([car])) for car in range(len(sessions))]
    return np.concatenate([arrival_baseline_kwh(car, Window(steps)) for car in each]) / STEP_H


def held_after_a_step_kw(sessions):
    """Return what is sized in a PTU for the block that begins with the next, as if nothing were called in between."""
    return in_block(a_step_later(sessions, baseline_kw(sessions, 1)[:, 0]))[1]


def split_kw(sessions, *, called_kw, offers_kw):
    """Return what each car draws now, when so much is called now and all offers may be called next.

    What was held back may be caught up where nothing is offered. Raises `InfeasibleFleetError`.
    """
    window = Window(1 + len(offers_kw))
    each_kw = baseline_kw(sessions, window.steps)
    now_kw = each_kw[:, 0].sum() - called_kw
    most_kw = np.where(np.array(offers_kw) > 0, each_kw[:, 1:].sum(axis=0) - offers_kw, np.inf)
    fleet = one_way_charger(
        arrival_hours=sessions.arrival_hours,
        departure_hours=sessions.departure_hours,
        energy_needed_kwh=sessions.energy_needed_kwh,
        power_max_kw=sessions.power_max_kw,
        window=window,
    )
    solved = solve_fleet(
        corridor=fleet,
        step_hours=STEP_H,
        aggregate_min_kw=np.append(now_kw - MARGIN_KW, np.zeros(len(offers_kw))),
        aggregate_max_kw=np.append(now_kw + MARGIN_KW, most_kw),
    )
    return solved.profile_kw[:, 0]


@pytest.mark.parametrize("in_its_block", [True, False])
@given(seed=seeds, called=calls)
@settings(max_examples=60, deadline=None)
def test_any_course_of_calls_of_the_offers_of_a_fleet_is_deliverable(in_its_block, seed, called):
    """In each PTU one is offered, sized on the cars as they are then, and the offer of the running PTU is called."""
    sessions, offers_kw = cars(seed, count=9), {}
    for now, share in enumerate(called):
        begins, held_kw = (now, in_block(sessions)[1]) if in_its_block else (now + 1, held_after_a_step_kw(sessions))
        t = begins + PTUS - 1
        offers_kw[t] = lowered_w(
            max(held_kw - 10 * MARGIN_KW, 0.0),
            in_block_w=[offers_kw.get(ptu, 0.0) for ptu in range(begins, t)],
            before_block_w=[offers_kw.get(ptu, 0.0) for ptu in range(now, begins)],
        )
        drawn_kw = split_kw(
            sessions,
            called_kw=share * offers_kw.get(now, 0.0),
            offers_kw=[offers_kw.get(ptu, 0.0) for ptu in range(now + 1, t + 1)],
        )
        sessions = a_step_later(sessions, drawn_kw)
        stay_h = sessions.departure_hours - np.maximum(sessions.arrival_hours, 0.0)
        assert np.all(sessions.energy_needed_kwh <= sessions.power_max_kw * np.maximum(stay_h, 0.0) + 10 * MARGIN_KW)


@given(stored_kwh=st.floats(0, 500), rated_kw=st.floats(1, 300), called=calls, known=st.sets(st.integers(0, 12)))
@settings(max_examples=300, deadline=None)
def test_a_battery_whose_sizing_leaves_out_known_promises_is_lowered_for_unknown_ones_alone(
    stored_kwh, rated_kw, called, known
):
    offers_kw = {}
    for now, share in enumerate(called):
        t, earlier = now + PTUS, range(now, now + PTUS)
        sized_beside = [ptu for ptu in earlier if ptu == now or ptu in known]
        promised_kwh = sum(offers_kw.get(ptu, 0.0) for ptu in sized_beside) * STEP_H
        held_kw = min(rated_kw, max(stored_kwh - promised_kwh, 0.0) / (PTUS * STEP_H))
        offers_kw[t] = lowered_w(
            held_kw,
            in_block_w=[offers_kw.get(ptu, 0.0) for ptu in earlier if ptu not in sized_beside],
            before_block_w=[],
        )
        assert sum(offers_kw.get(ptu, 0.0) for ptu in (*earlier, t)) * STEP_H <= stored_kwh + MARGIN_KW
        stored_kwh -= share * offers_kw.get(now, 0.0) * STEP_H


def test_lowering_is_what_keeps_a_battery_that_is_called_without_a_break_from_running_empty():
    """As `test_offers_that_stand_beside_each_other_are_not_covered_by_a_block_each`, with each offer lowered."""
    stored_kwh, offers_kw = 90.0, {}
    for start in range(40):
        in_block_kw = [offers_kw.get(ptu, 0.0) for ptu in range(start, start + PTUS - 1)]
        held_kw = stored_kwh / (PTUS * STEP_H)
        offers_kw[start + PTUS - 1] = lowered_w(held_kw, in_block_w=in_block_kw, before_block_w=[])
        stored_kwh -= offers_kw.get(start, 0.0) * STEP_H
        assert stored_kwh >= 0.0
    assert stored_kwh < 1.0  # and it is sold, all the same


offers = st.dictionaries(st.integers(), st.integers(0, 10**10), min_size=1, max_size=12)


@given(offers_w=offers, share=st.floats(0, 1))
def test_a_bid_is_split_to_the_watt_and_asks_of_nobody_more_than_it_may_offer(offers_w, share):
    bid_w = int(sum(offers_w.values()) * share)
    parts = parts_w(bid_w, offers_w)
    assert sum(parts.values()) == bid_w
    assert all(0 < part_w <= offers_w[group] for group, part_w in parts.items())
    whole_w = sum(offers_w.values()) or 1
    assert all(abs(part_w - bid_w * offers_w[group] / whole_w) <= 1 for group, part_w in parts.items())


def test_a_bid_above_all_offers_is_not_split():
    with pytest.raises(ValueError, match="above the 5 W"):
        parts_w(6, {"a": 2, "b": 3})
