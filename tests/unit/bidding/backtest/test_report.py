import pytest

from bidding.backtest.competitors import competitor_power_kw, history_quantile_kw, mean_at_coverage
from bidding.backtest.harness import PlayedBid, WindowResult
from bidding.backtest.report import report
from bidding.optimisation.interface import SizedBid

NO_BID = PlayedBid(0.0, None, 0.0, 0.0, 0.0)


def _result(number, ours, *, flat=NO_BID, capacity_kw=10.0):
    return WindowResult(
        starts_s=86400 * number,
        ends_s=86400 * number + 7200,
        ours=ours,
        explanation=SizedBid(ours.bid_kw),
        perfect_information_kw=20.0,
        capacity_kw=capacity_kw,
        energy_kwh=100.0,
        competitors={"flat_0.8": flat, "history_quantile": NO_BID},
        sizing_seconds=0.0,
    )


def test_coverage_counts_bids_and_the_mean_counts_windows():
    results = [
        _result(0, PlayedBid(8.0, True, 9.0, 0.0, 0.2)),
        _result(1, PlayedBid(4.0, False, 3.0, 0.5, 0.4)),
        _result(2, NO_BID),
    ]
    summary = report(results, reliability=0.9, config={}, seconds=1.5)["summary"]
    assert summary["windows"] == 3
    assert summary["bids"] == 2
    assert summary["coverage"] == 0.5
    assert summary["mean_bid_kw"] == 4.0
    assert summary["volume_ratio"] == 0.2
    assert summary["unserved_energy_share"] == pytest.approx(0.6 / 300)
    assert summary["seconds"] == 1.5


def test_the_keys_are_the_published_ones():
    outcome = report([_result(0, NO_BID)], reliability=0.9, config={"seed": 1}, seconds=0.0)
    assert (outcome["summary"]["coverage"], outcome["summary"]["coverage_interval"]) == (None, None)
    assert list(outcome) == ["config", "windows", "summary", "competitors"]
    assert set(outcome["windows"][0]) == {
        "starts_at",
        "ends_at",
        "bid_kw",
        "delivered",
        "min_delivered_kw",
        "shortfall_kwh",
        "perfect_information_kw",
        "capacity_kw",
        "unserved_kwh",
        "competitor_bids_kw",
    }
    keys = {
        "windows",
        "bids",
        "nominal",
        "coverage",
        "coverage_interval",
        "mean_bid_kw",
        "mean_perfect_information_kw",
        "volume_ratio",
        "unserved_energy_share",
        "seconds",
    }
    assert set(outcome["summary"]) == keys
    assert set(outcome["competitors"]["flat_0.8"]) == keys | {"mean_bid_at_our_coverage_kw"}
    assert outcome["windows"][0]["starts_at"] == "1970-01-01T00:00:00Z"


def test_a_competitor_gets_the_one_factor_that_gives_it_our_coverage():
    """Capacity over bid is 2, 1 and 0.5: three of three kept needs a factor 0.5, two of three needs 1."""
    assert mean_at_coverage([5, 10, 20, 0], [10, 10, 10, 10], coverage=1.0) == pytest.approx(0.5 * 35 / 4)
    assert mean_at_coverage([5, 10, 20, 0], [10, 10, 10, 10], coverage=2 / 3) == pytest.approx(35 / 4)
    assert mean_at_coverage([0, 0], [10, 10], coverage=0.9) == 0.0


def test_a_competitor_s_factor_can_be_recomputed_from_the_windows():
    """Kept up to 12, 4 and 9 kW: two of three, as we keep, are kept with 8 kW times 9 / 8."""
    ours = [PlayedBid(1.0, kept, 1.0, 0.0, 0.0) for kept in (True, True, False)]
    flat = PlayedBid(8.0, True, 8.0, 0.0, 0.0)
    results = [
        _result(number, bid, flat=flat, capacity_kw=kw)
        for number, (bid, kw) in enumerate(zip(ours, (12, 4, 9), strict=True))
    ]
    outcome = report(results, reliability=0.9, config={}, seconds=0.0)
    most = sorted(window["capacity_kw"] / window["competitor_bids_kw"]["flat_0.8"] for window in outcome["windows"])
    assert outcome["competitors"]["flat_0.8"]["mean_bid_at_our_coverage_kw"] == pytest.approx(8 * most[1]) == 9.0


def test_the_rules_look_at_the_last_twenty_and_the_last_sixty():
    past = [1000.0, *range(1, 61)]
    powers = competitor_power_kw(past, reliability=0.9)
    assert powers["flat_0.8"] == pytest.approx(0.8 * 50.5)
    assert powers["history_quantile"] == 6.0


def test_the_order_statistic_never_runs_out_of_ranks():
    assert history_quantile_kw([3.0, 1.0, 2.0], reliability=0.99) == 1.0
    assert history_quantile_kw([], reliability=0.9) == 0.0
