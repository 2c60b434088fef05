import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidding.dispatch.allocation.caps import Scope
from bidding.dispatch.allocation.catch_up import needed_kw
from bidding.dispatch.allocation.rebound import least_peak_delays_ptus
from bidding.dispatch.allocation.shortfall import UNEXPLAINED, attributed_w


def test_a_gap_is_made_good_in_the_rest_of_the_quarter():
    assert needed_kw(ordered_kw=100, delivered_kwh=5 / 60 * 80, elapsed_h=5 / 60, ptu_h=0.25) == pytest.approx(110)


@given(st.floats(0, 1e5), st.floats(-1e5, 1e5), st.floats(0, 0.25))
def test_the_need_stays_between_the_order_and_half_as_much_again(ordered, delivered, elapsed):
    needed = needed_kw(ordered_kw=ordered, delivered_kwh=delivered, elapsed_h=elapsed, ptu_h=0.25)
    assert ordered <= needed <= 1.5 * ordered


@pytest.mark.parametrize(("taken_kw", "needed"), [(60, -60), (30, -60), (66, -57), (600, 0)])
def test_what_was_taken_beyond_the_room_to_catch_up_is_made_good_until_nobody_catches_up(taken_kw, needed):
    found = needed_kw(ordered_kw=-60, delivered_kwh=-taken_kw * 5 / 60, elapsed_h=5 / 60, ptu_h=0.25)
    assert found == pytest.approx(needed)


@given(st.integers(0, 10**9), st.dictionaries(st.sampled_from("abcde"), st.integers(0, 10**9)))
def test_the_causes_add_up_to_what_was_missed(missing, lost):
    parts = attributed_w(missing_w=missing, lost_w=lost)
    assert sum(parts.values()) == missing
    assert all(watts > 0 for watts in parts.values())
    assert set(parts) <= {*lost, UNEXPLAINED}


def test_what_no_cause_took_is_unexplained():
    assert attributed_w(missing_w=10, lost_w={"ignored": 4, "left": 0}) == {"ignored": 4, UNEXPLAINED: 6}
    assert attributed_w(missing_w=10, lost_w={"ignored": 30, "left": 10}) == {"ignored": 8, "left": 2}


@given(st.integers(0, 2**32), st.integers(1, 60))
def test_a_return_never_makes_a_driver_late_nor_peaks_higher_than_starting_at_once(seed, count):
    random = np.random.default_rng(seed)
    power, run, latest = random.choice([7.4, 11.0], count), random.integers(1, 9, count), random.integers(0, 13, count)
    delays = least_peak_delays_ptus(power_kw=power, run_ptus=run, latest_ptus=latest)
    assert (delays >= 0).all()
    assert (delays <= latest).all()
    load = [power[(delays <= ptu) & (ptu < delays + run)].sum() for ptu in range(25)]
    assert max(load) <= power.sum() + 1e-9
    assert sum(load) == pytest.approx(float(power @ run))


def test_a_return_is_as_flat_as_waiting_allows():
    twelve = np.full(12, 10.0)
    run = np.full(12, 4, dtype=np.int64)
    patient = least_peak_delays_ptus(power_kw=twelve, run_ptus=run, latest_ptus=np.full(12, 8, dtype=np.int64))
    assert np.bincount(patient).tolist() == [4, 0, 0, 0, 4, 0, 0, 0, 4]
    hurried = least_peak_delays_ptus(power_kw=twelve, run_ptus=run, latest_ptus=np.zeros(12, dtype=np.int64))
    assert (hurried == 0).all()


def peaks_kw(delays, power, run, part):
    """Return the most that is taken at once behind each connection."""
    load = np.array([np.bincount(part, weights=power * ((delays <= t) & (t < delays + run))) for t in range(40)])
    return load.max(axis=0).tolist()


def test_a_return_keeps_within_what_its_connection_carries():
    """Of eight cars four stand behind a connection that carries two; together they would start four and four."""
    eight, run, latest = np.full(8, 10.0), np.full(8, 4, dtype=np.int64), np.full(8, 4, dtype=np.int64)
    part = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    connections = Scope(part=part, room_kw=np.array([20.0, np.inf]))

    delays = least_peak_delays_ptus(power_kw=eight, run_ptus=run, latest_ptus=latest, connections=connections)

    assert peaks_kw(delays, eight, run, part)[0] == 20.0
    assert peaks_kw(delays, eight, run, np.zeros(8, dtype=np.int64)) == [40.0]


def test_who_must_start_starts_whatever_its_connection_carries():
    eight, run = np.full(8, 10.0), np.full(8, 4, dtype=np.int64)
    connections = Scope(part=np.zeros(8, dtype=np.int64), room_kw=np.array([20.0]))
    latest = np.array([0, 0, 0, 4, 4, 8, 8, 8])

    delays = least_peak_delays_ptus(power_kw=eight, run_ptus=run, latest_ptus=latest, connections=connections)

    assert (delays <= latest).all()
    assert (delays[:3] == 0).all()


def test_behind_a_connection_without_any_room_cars_do_not_all_wait_and_then_start_together():
    six, run, latest = np.full(6, 10.0), np.full(6, 4, dtype=np.int64), np.full(6, 8, dtype=np.int64)
    connections = Scope(part=np.zeros(6, dtype=np.int64), room_kw=np.zeros(1))

    delays = least_peak_delays_ptus(power_kw=six, run_ptus=run, latest_ptus=latest, connections=connections)

    assert peaks_kw(delays, six, run, connections.part) == [20.0]


@given(st.integers(0, 2**32), st.integers(1, 40))
def test_with_time_enough_every_connection_is_kept_and_no_driver_is_late(seed, count):
    random = np.random.default_rng(seed)
    power, run, latest = np.full(count, 11.0), random.integers(1, 5, count), random.integers(0, 13, count)
    part, patient = random.integers(0, 3, count), np.full(count, 200)
    connections = Scope(part=part, room_kw=np.array([11.0, 33.0, np.inf]))

    delays = least_peak_delays_ptus(power_kw=power, run_ptus=run, latest_ptus=latest, connections=connections)
    waits = least_peak_delays_ptus(power_kw=power, run_ptus=run, latest_ptus=patient, connections=connections)

    assert ((delays >= 0) & (delays <= latest)).all()
    for number, room_kw in enumerate([11.0, 33.0]):
        there = part == number
        load = [power[there & (waits <= ptu) & (ptu < waits + run)].sum() for ptu in range(400)]
        assert max(load) <= room_kw
