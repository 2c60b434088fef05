from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bidding.optimisation.calibration import FEWEST_WINDOWS, Calibrator
from bidding.optimisation.reliability_curve import ReliabilityCurve


def product_bids_kw(power_kw):
    return np.floor(power_kw)


def curve_around(mean_kw, *, spread=0.25, scenarios=200):
    levels = (np.arange(scenarios) + 0.5) / scenarios
    return ReliabilityCurve.of(mean_kw * (1 + spread * np.log(levels / (1 - levels)) / 1.8))


def walk(*, windows, reliability, truth, seed=0, mean_kw=60.0, spread=0.25):
    """Bid on windows in turn; return bids and outcomes."""
    rng = np.random.default_rng(seed)
    calibrator, bids, outcomes = Calibrator(), [], []
    for _ in range(windows):
        expected = mean_kw * rng.uniform(0.5, 1.5)
        curve = curve_around(expected, spread=spread)
        margin = calibrator.margin(curve, reliability=reliability, product_bids_kw=product_bids_kw)
        bid_kw = float(product_bids_kw(margin.power_kw(curve)))
        outcome_kw = truth(expected, rng)
        calibrator.learn(curve, realised_kw=outcome_kw)
        if bid_kw > 0:
            calibrator.record_bid(reliability=reliability, is_kept=outcome_kw >= bid_kw)
        bids.append(bid_kw)
        outcomes.append(outcome_kw)
    return np.array(bids), np.array(outcomes)


def kept_share(bids, outcomes, *, after=60):
    placed = bids[after:] > 0
    return float((outcomes[after:] >= bids[after:])[placed].mean())


def test_no_bid_before_enough_outcomes_are_known():
    bids, _ = walk(windows=FEWEST_WINDOWS + 5, reliability=0.9, truth=lambda expected, _: expected)
    assert bids[:FEWEST_WINDOWS].tolist() == [0.0] * FEWEST_WINDOWS
    assert (bids[FEWEST_WINDOWS:] > 0).all()


@pytest.mark.parametrize("reliability", [0.9, 0.95])
@pytest.mark.parametrize(
    "truth",
    [
        lambda expected, rng: expected * max(1 + 0.25 * rng.standard_normal(), 0),
        lambda expected, rng: 0.5 * expected * max(1 + 0.25 * rng.standard_normal(), 0),
        lambda expected, rng: expected * max(1 + 0.4 * rng.standard_normal(), 0),
    ],
    ids=["as forecast", "half of the forecast", "wider than the forecast"],
)
def test_promises_are_kept_whatever_is_wrong_with_the_forecast(truth, reliability):
    bids, outcomes = walk(windows=500, reliability=reliability, truth=truth)
    assert kept_share(bids, outcomes) >= reliability - 0.03
    assert bids[60:].mean() > 0


def test_large_windows_and_small_ones_keep_their_promises_alike():
    """Cars come and go by themselves: a window of many is surer, relative to its size, than one of few."""
    rng, calibrator = np.random.default_rng(5), Calibrator()
    bids, outcomes, is_large = [], [], []
    for window in range(600):
        expected_kw = 400.0 if window % 2 else 60.0
        curve = curve_around(expected_kw, spread=0.1)
        margin = calibrator.margin(curve, reliability=0.9, product_bids_kw=product_bids_kw)
        bids.append(float(product_bids_kw(margin.power_kw(curve))))
        outcomes.append(3.0 * rng.poisson(expected_kw / 3.0))
        is_large.append(window % 2 == 1)
        calibrator.learn(curve, realised_kw=outcomes[-1])
    bids, outcomes, is_large = (np.array(column)[100:] for column in (bids, outcomes, is_large))
    for some, surest_kw in ((is_large, 356.0), (~is_large, 43.0)):  # what nine of ten outcomes reach
        assert (outcomes >= bids)[some].mean() >= 0.88
        assert bids[some].mean() == pytest.approx(surest_kw, rel=0.05)


def test_a_level_is_kept_as_often_as_its_rank_guarantees():
    """Outcomes lie anywhere in a forecast that is wrong about them; the guarantee knows neither."""
    kept, guaranteed = [], []
    for seed in range(30):
        rng, calibrator = np.random.default_rng(seed), Calibrator()
        for window in range(60):
            curve = curve_around(60.0)
            outcome_kw = 40.0 * float(rng.beta(2.0, 0.7))
            margin = calibrator.margin(curve, reliability=0.8, product_bids_kw=product_bids_kw)
            if window >= 30:
                kept.append(outcome_kw >= product_bids_kw(margin.power_kw(curve)))
                guaranteed.append(margin.guaranteed)
            calibrator.learn(curve, realised_kw=outcome_kw)
    assert 0.7 < np.mean(guaranteed) <= np.mean(kept) + 0.01
    assert max(guaranteed) <= 1 - 1 / 60  # by rank among so few windows nothing is surer


def test_the_guarantee_is_that_of_the_bid_and_not_of_the_power_before_rounding():
    """Half of the outcomes lie below the power that is sure enough, none below the whole step that is bid."""

    def in_steps_of_40_kw(power_kw):
        return np.floor(power_kw / 40) * 40

    calibrator = Calibrator()
    for window in range(40):
        calibrator.learn(curve_around(60.0, spread=0.001), realised_kw=50.0 if window % 2 else 70.0)

    def guaranteed(mean_kw, product_bids_kw):
        curve = curve_around(mean_kw, spread=0.001)
        return calibrator.margin(curve, reliability=0.6, product_bids_kw=product_bids_kw).guaranteed

    assert guaranteed(60.0, product_bids_kw) == pytest.approx(1 - 21 / 41)
    assert guaranteed(60.0, in_steps_of_40_kw) == pytest.approx(1 - 1 / 41)
    assert guaranteed(1.0, in_steps_of_40_kw) == 0  # less than a step: nothing is bid


def test_where_order_statistics_guarantee_more_than_a_normal_law_they_count():
    """Twenty to one the cars of an office are there, or none is: no normal law, and a clear rank."""
    bids, outcomes = walk(
        windows=600, reliability=0.9, truth=lambda expected, rng: expected * (rng.random() > 1 / 21), spread=0.05
    )
    assert kept_share(bids, outcomes) >= 0.92
    assert bids[200:].mean() > 0.7 * outcomes[200:].mean()  # a normal law of the same spread allows 0.46


def test_when_the_record_forbids_every_level_nothing_is_promised():
    """One dead window among sixty-five is one too many for 99 %, however far the others stay above any level."""
    calibrator = Calibrator()
    for window in range(65):
        calibrator.learn(curve_around(400.0, spread=0.001), realised_kw=0.0 if window == 0 else 400.0)
    margin = calibrator.margin(curve_around(400.0, spread=0.001), reliability=0.99, product_bids_kw=product_bids_kw)
    assert (margin.root_shift, margin.miss_share) == (None, 0.0)


def test_a_level_is_judged_by_its_own_record_and_not_by_those_below_it():
    """Two large windows of 24 brought half. Lower levels would have bid in large ones only, and broken as many."""
    calibrator = Calibrator()
    for window in range(40):
        mean_kw = 40.0 if window % 5 < 3 else 4.0
        calibrator.learn(
            curve_around(mean_kw, spread=0.001), realised_kw=mean_kw / 2 if window in {10, 25} else mean_kw
        )
    curve = curve_around(40.0, spread=0.001)
    margin = calibrator.margin(curve, reliability=0.95, product_bids_kw=product_bids_kw)
    assert margin.power_kw(curve) > 25


def test_windows_without_a_bid_do_not_make_up_for_broken_promises():
    """Large windows fail one time in three; small ones never, but are under the minimum."""

    def truth(expected, rng):
        return 0.0 if rng.random() < 1 / 3 else expected

    bids, outcomes = walk(windows=400, reliability=0.9, truth=truth)
    broken = ((bids > 0) & (outcomes < bids))[100:].sum()
    assert broken <= 0.15 * max((bids[100:] > 0).sum(), 20)


def test_broken_promises_lower_the_level_and_kept_ones_raise_it_again():
    calibrator = Calibrator()
    for _ in range(20):
        calibrator.learn(curve_around(50.0), realised_kw=50.0)

    def level():
        return calibrator.margin(curve_around(50.0), reliability=0.9, product_bids_kw=product_bids_kw).root_shift

    before = level()
    calibrator.record_bid(reliability=0.9, is_kept=False)
    after_miss = level()
    for _ in range(9):
        calibrator.record_bid(reliability=0.9, is_kept=True)
    assert after_miss < before
    assert level() == pytest.approx(before)


def test_a_broken_promise_lowers_what_promises_more_as_well_and_what_promises_less_not():
    calibrator = Calibrator()
    for outcome_kw in (50.0, 60.0) * 20:
        calibrator.learn(curve_around(50.0), realised_kw=outcome_kw)

    def levels():
        asked = (0.7, 0.9, 0.91)
        margins = calibrator.margins(curve_around(50.0), reliabilities=asked, product_bids_kw=product_bids_kw)
        return [margin.root_shift for margin in margins]

    before = levels()
    for _ in range(3):
        calibrator.record_bid(reliability=0.9, is_kept=False)
    assert [after < earlier for after, earlier in zip(levels(), before, strict=True)] == [False, True, True]


def test_no_past_however_good_promises_more_than_the_best_scenario():
    calibrator = Calibrator()
    for _ in range(20):
        calibrator.learn(curve_around(50.0), realised_kw=400.0)
    curve = curve_around(50.0)
    margin = calibrator.margin(curve, reliability=0.9, product_bids_kw=product_bids_kw)
    assert margin.power_kw(curve) == curve.largest_kw


def test_a_forecast_that_explains_nothing_gives_way_to_the_recent_mean():
    rng = np.random.default_rng(1)
    blind, sighted = Calibrator(), Calibrator()
    for _ in range(100):
        truth_kw = 50 + 10 * rng.standard_normal()
        blind.learn(curve_around(50 + 10 * rng.standard_normal()), realised_kw=truth_kw)
        sighted.learn(curve_around(truth_kw), realised_kw=truth_kw)
    curve = curve_around(80.0)
    trusts = [
        calibrator.margin(curve, reliability=0.9, product_bids_kw=product_bids_kw).trust
        for calibrator in (blind, sighted)
    ]
    assert trusts[0] < 0.3
    assert trusts[1] > 0.9


@settings(max_examples=60, deadline=None)
@given(
    outcomes=st.lists(st.floats(0, 120), min_size=0, max_size=60),
    kept=st.lists(st.booleans(), max_size=10),
    asked=st.lists(st.floats(0.5, 0.999), min_size=2, max_size=5),
    mean_kw=st.floats(0, 100),
)
def test_bids_never_rise_with_the_promise_and_never_pass_the_best_scenario(outcomes, kept, asked, mean_kw):
    calibrator = Calibrator()
    for outcome_kw in outcomes:
        calibrator.learn(curve_around(60.0, scenarios=50), realised_kw=outcome_kw)
    for is_kept in kept:
        calibrator.record_bid(reliability=0.9, is_kept=is_kept)
    curve = curve_around(mean_kw, scenarios=50)
    powers = [
        calibrator.margin(curve, reliability=reliability, product_bids_kw=product_bids_kw).power_kw(curve)
        for reliability in sorted(asked)
    ]
    assert all(later <= earlier + 1e-9 for earlier, later in pairwise(powers))
    assert all(0 <= power_kw <= curve.largest_kw + 1e-9 for power_kw in powers)


@pytest.mark.parametrize(("days_with_cars", "is_sold"), [(1, False), (2, True)])
def test_what_led_to_a_bid_now_and_then_is_not_promised(days_with_cars, is_sold):
    """Cars on one day of three, or on two, forecast exactly: the rare bids are not yet trusted."""
    calibrator = Calibrator()
    for window in range(90):
        mean_kw = 60.0 if window % 3 < days_with_cars else 0.1
        calibrator.learn(curve_around(mean_kw), realised_kw=mean_kw)
    margin = calibrator.margin(curve_around(60.0), reliability=0.9, product_bids_kw=product_bids_kw)
    assert (margin.power_kw(curve_around(60.0)) >= 1) is is_sold


@pytest.mark.parametrize(("windows_with_cars", "is_sold"), [(FEWEST_WINDOWS - 1, False), (FEWEST_WINDOWS, True)])
def test_a_spread_is_read_off_enough_windows_that_would_have_had_a_bid(windows_with_cars, is_sold):
    """The others were forecast to hold next to nothing in one case of ten, and held what nobody was promised."""
    calibrator = Calibrator()
    unsure = ReliabilityCurve.of(np.where(np.arange(200) < 40, 0.0, 60.0))
    for window in range(2 * FEWEST_WINDOWS):
        curve = unsure if window >= windows_with_cars else curve_around(48.0)
        calibrator.learn(curve, realised_kw=48.0 if window % 8 else 30.0)
    margin = calibrator.margin(curve_around(48.0), reliability=0.95, product_bids_kw=product_bids_kw)
    assert margin.windows_with_bid == windows_with_cars
    assert (margin.power_kw(curve_around(48.0)) > 0) is is_sold
