from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from bidding.optimisation.small_samples import binomial_upper_tail, student_quantile, wilson_interval


@pytest.mark.parametrize(
    ("probability", "degrees", "published"),
    [(0.9, 5, 1.476), (0.95, 10, 1.812), (0.99, 10, 2.764), (0.99, 30, 2.457), (0.95, 120, 1.658)],
)
def test_student_quantiles_are_those_of_the_tables(probability, degrees, published):
    assert student_quantile(probability, degrees=degrees) == pytest.approx(published, rel=0.01)
    assert student_quantile(1 - probability, degrees=degrees) == pytest.approx(-published, rel=0.01)


@given(degrees=st.floats(3.0, 200.0), probability=st.floats(0.01, 0.99))
def test_student_quantiles_are_nearly_exact(degrees, probability):
    exact = stats.t.ppf(probability, degrees)
    error = 0.02 if degrees < 4 else 0.007
    assert student_quantile(probability, degrees=degrees) == pytest.approx(exact, rel=error, abs=1e-9)


@given(trials=st.integers(0, 60), successes=st.integers(0, 60), probability=st.floats(0.01, 0.5))
def test_binomial_tail_is_the_sum_of_its_terms(trials, successes, probability):
    expected = sum(
        comb(trials, count) * probability**count * (1 - probability) ** (trials - count)
        for count in range(successes, trials + 1)
    )
    assert binomial_upper_tail(successes, trials, probability) == pytest.approx(expected, abs=1e-9)


def test_wilson_interval_of_nine_in_ten():
    assert wilson_interval(9, 10) == pytest.approx((0.5958, 0.9821), abs=1e-4)
    assert wilson_interval(90, 100) == pytest.approx((0.8256, 0.9448), abs=1e-4)


def test_no_observations_exclude_nothing():
    assert wilson_interval(0, 0) == (0.0, 1.0)
