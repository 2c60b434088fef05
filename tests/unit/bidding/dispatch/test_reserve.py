import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bidding.dispatch.allocation.decision import Records, decide
from bidding.dispatch.allocation.plan import SteadyResources
from bidding.dispatch.allocation.reserve import LEAST_TRUSTED, follow_probability, reserve_share
from bidding.dispatch.allocation.urgency import UrgencyPolicy
from bidding.dispatch.allocation.view import DispatchView
from bidding.forecast.outlook import Outlook


def test_a_record_decides():
    trust = follow_probability(followed=np.array([0.0, 90.0, 0.0]), missed=np.array([0.0, 0.0, 9.0]))
    assert trust.tolist() == [0.9, 0.99, pytest.approx(9 / 19)]
    assert trust[2] < LEAST_TRUSTED


def test_a_large_group_needs_what_is_expected_to_be_missing_a_small_one_more():
    large = reserve_share(gain_kw=np.full(10_000, 7.0), follows=np.full(10_000, 0.8))
    small = reserve_share(gain_kw=np.full(10, 7.0), follows=np.full(10, 0.8))
    assert large == pytest.approx(0.25, abs=0.02)
    assert small > 0.5


@example(np.eye(20)[0] * 5e-324, np.zeros(20))  # so little that half of it is nothing
@given(arrays(float, 20, elements=st.floats(0, 50)), arrays(float, 20, elements=st.floats(0, 1)))
def test_the_reserve_is_bounded_and_covers_the_expected_miss(gain, follows):
    share = reserve_share(gain_kw=gain, follows=follows)
    assert 0.0 <= share <= 1.0 + 1e-9
    if gain.sum() > 0 and share < 1.0 - 1e-9:
        assert (1 + share) * (gain @ follows) >= gain.sum() - 1e-6


def test_followers_without_fail_need_none():
    assert reserve_share(gain_kw=np.full(5, 7.0), follows=np.ones(5)) == 0.0
    assert reserve_share(gain_kw=np.zeros(5), follows=np.ones(5)) == 0.0


def test_the_reserve_of_an_increase_is_weighed_by_those_who_can_bring_one():
    """Cars that were held take nothing by themselves, and are the ones that can take more."""
    cars = 40
    held = DispatchView(
        ptu_h=0.25, left_in_window_h=1.0, elapsed_h=np.full(cars, 10.0), power_kw=np.full(cars, 10.0),
        takes_kw=np.full(cars, 10.0), floor_kw=np.zeros(cars), v2g=np.zeros(cars, dtype=bool),
        energy_in_kwh=np.full(cars, 10.0), left_kwh=np.full(cars, 40.0), planned_kwh=None,
        outlook=Outlook(
            stay_h=np.full((cars, 4), 24.0), energy_kwh=np.full((cars, 4), 50.0), weight=np.ones((cars, 4)), own=2
        ),
    )  # fmt: skip

    def asked_kw(follows):
        decision = decide(
            direction="increase",
            wanted_kw=100.0,
            plugs=held,
            steady=SteadyResources(usual_kw=np.zeros(0), movable_kw=np.zeros(0)),
            policy=UrgencyPolicy(),
            plug_records=Records(follows=np.full(cars, follows), burden=np.zeros(cars)),
            steady_records=Records(follows=np.zeros(0), burden=np.zeros(0)),
        )
        return decision.plan.plug_kw.sum()

    assert 100.0 <= asked_kw(1.0) <= 110.0
    assert 0.6 * asked_kw(0.6) >= 100.0
