import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bidding.forecast.stay_levels import GRID, PRIOR_OUTCOMES, Levels

MANY = 4000


def too_narrow(rng, count):
    """Forecasts of 60 samples that claim half the spread outcomes have."""
    return rng.normal(0.0, 1.0, (count, 60)), np.ones((count, 60)), rng.normal(0.0, 2.0, count)


def share_below(values, weight, outcome, level):
    order = np.argsort(values, axis=1)
    reached = np.cumsum(np.take_along_axis(weight, order, axis=1), axis=1)
    place = np.argmax(reached >= level * reached[:, -1:], axis=1)
    return np.mean(outcome <= np.take_along_axis(values, order, axis=1)[np.arange(len(values)), place])


@pytest.mark.parametrize("level", [0.25, 0.5, 0.75])
def test_a_forecast_that_is_too_narrow_is_widened_to_what_it_claims(level):
    rng = np.random.default_rng(1)
    levels = Levels.of(*too_narrow(rng, MANY))
    values, weight, outcome = too_narrow(rng, MANY)
    assert abs(share_below(values, weight, outcome, level) - level) > (0.08 if level != 0.5 else -1)
    assert share_below(values, levels.corrected(values, weight), outcome, level) == pytest.approx(level, abs=0.03)


def test_few_outcomes_bend_little():
    """One outcome below all samples takes one part of prior and outcomes together."""
    levels = Levels.of(np.ones((1, 5)), np.ones((1, 5)), np.zeros(1))
    weight = levels.corrected(np.arange(5.0)[None, :], np.ones((1, 5)))
    prior = 0.2 * PRIOR_OUTCOMES
    expected = np.array([1 + prior, prior, prior, prior, prior]) / (1 + PRIOR_OUTCOMES)
    assert weight[0] == pytest.approx(expected)


def test_without_outcomes_nothing_changes():
    levels = Levels.of(np.zeros((0, 3)), np.zeros((0, 3)), np.zeros(0))
    assert levels.share.tolist() == pytest.approx(GRID.tolist())
    weight = np.array([[0.2, 0.5, 0.3]])
    assert levels.corrected(np.array([[3.0, 1.0, 2.0]]), weight)[0] == pytest.approx(weight[0])


@given(seed=st.integers(0, 10**6))
@settings(max_examples=50, deadline=None)
def test_corrected_weights_are_weights_and_levels_only_rise(seed):
    rng = np.random.default_rng(seed)
    values, weight = rng.integers(0, 5, (30, 8)).astype(float), rng.uniform(0, 1, (30, 8)) + 1e-3
    levels = Levels.of(values, weight, rng.integers(-1, 6, 30).astype(float))
    corrected = levels.corrected(values, weight)
    assert np.all(np.diff(levels.share) >= -1e-12)
    assert np.all(corrected >= -1e-12)
    assert corrected.sum(axis=1) == pytest.approx(np.ones(30))
