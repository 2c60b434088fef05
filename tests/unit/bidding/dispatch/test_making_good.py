import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidding.dispatch.allocation.catch_up import needed_kw
from bidding.dispatch.allocation.rebound import limited_delays_ptus
from bidding.dispatch.allocation.shortfall import UNEXPLAINED, attributed_w


def test_a_gap_is_made_good_in_the_rest_of_the_quarter():
    assert needed_kw(ordered_kw=100, delivered_kwh=5 / 60 * 80, elapsed_h=5 / 60, ptu_h=0.25) == pytest.approx(110)


@given(st.floats(0, 1e5), st.floats(-1e5, 1e5), st.floats(0, 0.25))
def test_the_need_stays_between_the_order_and_half_as_much_again(ordered, delivered, elapsed):
    needed = needed_kw(ordered_kw=ordered, delivered_kwh=delivered, elapsed_h=elapsed, ptu_h=0.25)
    assert ordered <= needed <= 1.5 * ordered


@given(st.integers(0, 10**9), st.dictionaries(st.sampled_from("abcde"), st.integers(0, 10**9)))
def test_the_causes_add_up_to_what_was_missed(missing, lost):
    parts = attributed_w(missing_w=missing, lost_w=lost)
    assert sum(parts.values()) == missing
    assert all(watts > 0 for watts in parts.values())
    assert set(parts) <= {*lost, UNEXPLAINED}


def test_what_no_cause_took_is_unexplained():
    assert attributed_w(missing_w=10, lost_w={"ignored": 4, "left": 0}) == {"ignored": 4, UNEXPLAINED: 6}
    assert attributed_w(missing_w=10, lost_w={"ignored": 30, "left": 10}) == {"ignored": 8, "left": 2}


@given(st.integers(0, 2**32), st.integers(1, 40), st.floats(0, 200))
def test_a_rebound_stays_under_its_limit_unless_drivers_cannot_wait(seed, count, limit):
    random = np.random.default_rng(seed)
    delays = random.integers(0, 4, count)
    latest = np.maximum(delays, random.integers(0, 8, count))
    power = random.choice([7.4, 11.0], count)
    limited = limited_delays_ptus(delays_ptus=delays, latest_ptus=latest, power_kw=power, most_kw_per_ptu=limit)
    assert (limited >= delays).all()
    assert (limited <= latest).all()
    for ptu in range(9):
        here = limited == ptu
        if power[here].sum() > limit + 1e-9:
            could_wait = here & (latest > ptu)
            others = here & ~could_wait
            # Whoever is here and could have waited fitted in before the limit was reached.
            assert power[could_wait].sum() + power[others].sum() <= max(limit, power[others].sum()) + 1e-9
