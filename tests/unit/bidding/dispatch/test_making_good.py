import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

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
