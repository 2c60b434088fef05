from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from bidding.optimisation.small_samples import (
    binomial_upper_tail,
    clustered_interval,
    student_quantile,
    wilson_interval,
)


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


@given(kept=st.lists(st.booleans(), min_size=1, max_size=60).filter(lambda kept: 0 < sum(kept) < len(kept)))
def test_one_observation_per_cluster_is_the_wilson_interval(kept):
    clusters = [(int(one), 1) for one in kept]
    assert clustered_interval(clusters) == pytest.approx(wilson_interval(sum(kept), len(kept)))


CLUSTERS = st.lists(
    st.integers(1, 96).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total))), min_size=1, max_size=30
)


@given(clusters=CLUSTERS)
def test_clusters_count_between_once_and_as_often_as_they_have_members(clusters):
    total, share = (
        sum(count for _, count in clusters),
        sum(kept for kept, _ in clusters) / sum(count for _, count in clusters),
    )
    low, high = clustered_interval(clusters)
    narrowest, widest = (wilson_interval(share * count, count) for count in (total, len(clusters)))
    assert widest[0] - 1e-9 <= low <= narrowest[0] + 1e-9
    assert narrowest[1] - 1e-9 <= high <= widest[1] + 1e-9


def test_clusters_that_were_all_kept_count_once_each():
    assert clustered_interval([(96, 96)] * 10) == wilson_interval(10, 10)
    assert clustered_interval([]) == (0.0, 1.0)


@pytest.mark.parametrize("empty", [[], [(0, 0)]])
@pytest.mark.parametrize("days", [1, 2, 3])
def test_hardly_any_clusters_count_once_each_for_nothing_is_known_of_how_they_differ(days, empty):
    clusters = [(60, 96), (80, 96), (70, 96)][:days]
    share = sum(kept for kept, _ in clusters) / (96 * days)
    assert clustered_interval([*clusters, *empty]) == pytest.approx(wilson_interval(share * days, days))


@pytest.mark.parametrize("days", [2, 3, 4, 7, 14])
def test_few_days_of_a_promise_that_is_kept_are_seldom_called_below_it(days):
    rng = np.random.default_rng(2)
    share, windows, runs = 0.9, 24, 2_000
    kept = rng.binomial(windows, rng.beta(9, 1, size=(runs, days)))
    ends = np.array([clustered_interval([(int(one), windows) for one in run]) for run in kept])
    assert (ends[:, 1] < share).mean() < 0.035  # 2.5 % is meant
    assert ((ends[:, 0] <= share) & (share <= ends[:, 1])).mean() > 0.92


def test_days_with_a_shock_of_their_own_are_covered_as_often_as_said():
    rng = np.random.default_rng(1)
    share, days, windows, runs = 0.9, 60, 24, 400
    covered = covered_as_if_alone = 0
    for _ in range(runs):
        of_day = rng.beta(0.9, 0.1, size=days)  # most days are kept whole, some are broken whole
        kept = rng.binomial(windows, of_day)
        low, high = clustered_interval([(int(one), windows) for one in kept])
        covered += low <= share <= high
        low, high = wilson_interval(int(kept.sum()), days * windows)
        covered_as_if_alone += low <= share <= high
    assert covered / runs > 0.92
    assert covered_as_if_alone / runs < 0.6
