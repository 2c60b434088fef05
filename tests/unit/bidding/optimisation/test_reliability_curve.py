from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidding.optimisation.reliability_curve import ReliabilityCurve

powers = st.lists(st.floats(0, 1000), min_size=1, max_size=60)


def test_power_is_the_order_statistic_of_its_level():
    curve = ReliabilityCurve.of([30.0, 10.0, 20.0, 40.0])
    assert curve.power_kw([0.2, 0.4, 0.6, 0.8]).tolist() == [10.0, 20.0, 30.0, 40.0]


def test_below_the_worst_scenario_the_root_of_the_power_goes_on_as_a_normal_law():
    normal = NormalDist(mu=5.0, sigma=1.0)  # of the square root of the power
    curve = ReliabilityCurve.of([normal.inv_cdf(place / 100) ** 2 for place in range(1, 100)])
    for share in (1e-3, 1e-5):
        assert float(curve.power_kw(share)) == pytest.approx(normal.inv_cdf(share) ** 2, abs=1e-3)
        assert curve.miss_share(normal.inv_cdf(share) ** 2) == pytest.approx(share, rel=1e-2)


def test_far_below_small_scenarios_there_is_no_power():
    curve = ReliabilityCurve.of([1.0, 4.0, 9.0])
    assert curve.power_kw([0.0, 1e-6]).tolist() == [0.0, 0.0]
    assert 0 < curve.miss_share(0.0) < 0.25


def test_what_is_the_same_in_every_scenario_is_sure():
    curve = ReliabilityCurve.of([10.0] * 9)
    assert float(curve.power_kw(1e-6)) == pytest.approx(10.0)
    assert curve.miss_share(9.9) == 0.0


def test_negative_scenarios_promise_nothing():
    assert ReliabilityCurve.of([-3.0, 4.0]).scenarios_kw == (0.0, 4.0)


def test_scaling_is_cut_off_at_what_the_best_scenario_delivers():
    assert ReliabilityCurve.of([10.0, 20.0]).scaled(1.5, at_most_kw=20.0).scenarios_kw == (15.0, 20.0)


@given(powers, st.floats(0.001, 0.999), st.floats(0.001, 0.999))
def test_more_risk_never_means_less_power(scenarios, one, other):
    curve = ReliabilityCurve.of(scenarios)
    assert float(curve.power_kw(min(one, other))) <= float(curve.power_kw(max(one, other))) + 1e-9


@given(powers, st.floats(0, 1000))
def test_miss_share_is_the_highest_level_whose_power_is_covered(scenarios, power_kw):
    curve = ReliabilityCurve.of(scenarios)
    share = curve.miss_share(power_kw)
    assert float(curve.power_kw(share)) <= power_kw + 1e-3
    highest = len(scenarios) / (len(scenarios) + 1)
    if share < highest - 1e-9:
        assert float(curve.power_kw(min(share + 0.5 / len(scenarios), 1.0))) > power_kw - 1e-3


def test_points_are_pairs_of_probability_and_power():
    curve = ReliabilityCurve.of(np.arange(1.0, 100.0))
    assert curve.points((0.5, 0.9)) == ((0.5, 50.0), (0.9, pytest.approx(10.0)))
