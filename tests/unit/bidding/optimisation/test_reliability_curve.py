import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidding.optimisation.reliability_curve import ReliabilityCurve

powers = st.lists(st.floats(0, 1000), min_size=1, max_size=60)


def test_power_is_the_order_statistic_of_its_level():
    curve = ReliabilityCurve.of([30.0, 10.0, 20.0, 40.0])
    assert curve.power_kw([0.2, 0.4, 0.6, 0.8]).tolist() == [10.0, 20.0, 30.0, 40.0]


def test_below_the_worst_scenario_the_curve_runs_to_zero():
    assert float(ReliabilityCurve.of([10.0] * 9).power_kw(0.05)) == 5.0


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
