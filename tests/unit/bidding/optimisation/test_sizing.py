import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bidding.forecast.sessions import SessionTable
from bidding.forecast.window_forecast import ForecastWindow, forecast_window
from bidding.optimisation.interface import SizingContext, WindowOutcome, WindowSpec
from bidding.optimisation.rehearsal import window_rng
from bidding.optimisation.replayed_capacity import ReplayedCapacity
from bidding.optimisation.sizing import CalibratedSizer, Contribution, ContributionShapeError, size_window
from bidding.optimisation.track_record import PlacedBid
from tests.unit.bidding.forecast.fleets import evening_fleet, group_at, instant_s

SESSIONS = evening_fleet(chargers=30, days=60)
SCENARIOS = 120


def spec(day=50, *, reliability=0.9, step_kw=1.0, min_bid_kw=1.0):
    return WindowSpec(
        starts_s=instant_s(day, 17),
        ends_s=instant_s(day, 19),
        direction="reduce",
        baseline="arrival",
        reliability=reliability,
        min_bid_kw=min_bid_kw,
        step_kw=step_kw,
    )


def size(window, *, sessions=SESSIONS, lead_h=4, seed=0, **more):
    now_s = window.starts_s - int(lead_h * 3600)
    return size_window(
        window=window,
        now_s=now_s,
        timezone="UTC",
        groups=[group_at(sessions, now_s)],
        scenarios=SCENARIOS,
        seed=seed,
        **more,
    )


def test_a_fleet_with_a_rhythm_is_sold():
    assert size(spec(), lead_h=1).bid_kw >= 5


def test_more_is_sold_by_who_knows_more():
    """An hour ahead most cars are there, a day ahead none is; on average over the weekdays of four weeks."""
    days = [day for day in range(29, 57) if day % 7 < 5]
    day_ahead, soon = (np.mean([size(spec(day), lead_h=lead_h).bid_kw for day in days]) for lead_h in (24, 1))
    assert soon > 1.03 * day_ahead > 0


@settings(max_examples=12, deadline=None)
@given(
    reliabilities=st.lists(st.floats(0.6, 0.995), min_size=2, max_size=3),
    step_kw=st.sampled_from([0.5, 1.0, 5.0]),
    day=st.integers(30, 57),
    seed=st.integers(0, 3),
)
def test_bids_are_whole_steps_that_never_rise_with_the_promise(reliabilities, step_kw, day, seed):
    bids = [size(spec(day, reliability=each, step_kw=step_kw), seed=seed).bid_kw for each in sorted(reliabilities)]
    assert all(bid >= 0 and bid % step_kw == 0 for bid in bids)
    assert bids == sorted(bids, reverse=True)


def test_a_bid_in_tenths_reads_as_a_person_writes_it():
    window = spec(step_kw=0.1, min_bid_kw=0.1)
    bids_kw = window.product_bids_kw(np.array([0.05, 0.1, 0.35, 0.7000001, 1234.567]))
    assert json.dumps(bids_kw.tolist()) == "[0.0, 0.1, 0.3, 0.7, 1234.5]"


@pytest.mark.parametrize("step_kw", [1 / 3, 0.1, 0.7, 100.0])
def test_no_bid_moves_by_more_than_a_billionth_of_a_kilowatt(step_kw):
    steps = np.arange(1, 2_000)
    bids_kw = spec(step_kw=step_kw, min_bid_kw=0.0).product_bids_kw(steps * step_kw)
    assert np.abs(bids_kw - steps * step_kw).max() < 1e-9


@pytest.mark.parametrize("lead_h", [1, 24])
def test_a_bid_is_never_above_the_best_scenario(lead_h):
    window = spec(reliability=0.5)
    now_s = window.starts_s - lead_h * 3600
    asked = ForecastWindow(now_s, window.starts_s, window.ends_s, "reduce", "UTC")
    forecast = forecast_window([group_at(SESSIONS, now_s)], asked, scenarios=SCENARIOS, rng=window_rng(0, asked))
    assert size(window, lead_h=lead_h).bid_kw <= forecast.room().least_kw.max()


def test_a_bid_is_never_above_what_is_allowed_and_says_so():
    free, capped = size(spec()), size(replace(spec(), max_bid_kw=4.5))
    assert free.bid_kw > capped.bid_kw == 4.0
    assert (capped.explanation["limited_by"], free.explanation["limited_by"] != "maximum_bid") == ("maximum_bid", True)
    assert "4 kW in every PTU" in capped.explanation["reason"]
    assert capped.explanation["power_kw"] >= free.explanation["power_kw"]  # a smaller bid is kept at a higher level


def test_where_less_than_the_product_is_allowed_there_is_no_bid_and_says_so():
    bid = size(replace(spec(), max_bid_kw=0.5))
    assert (bid.bid_kw, bid.explanation["limited_by"]) == (0.0, "maximum_bid")
    assert "no more than 0.5 kW may be offered" in bid.explanation["reason"]


def test_same_knowledge_and_seed_same_bid_and_reasons():
    assert size(spec()) == size(spec())


def test_nothing_after_bidding_time_matters():
    window = spec()
    now_s = window.starts_s - 4 * 3600
    cut = SESSIONS.started_before(now_s + 1)
    assert size(window, sessions=cut).bid_kw == size(window).bid_kw


def test_certain_power_of_other_assets_is_added_in_full():
    window = spec()
    without, with_battery = size(window), size(window, contributions=[Contribution("battery", np.full(8, 50.0))])
    assert with_battery.bid_kw >= without.bid_kw + 49
    shares = {share["name"]: share["plugged_in_kw"] for share in with_battery.explanation["categories"]}
    assert shares["battery"] == 50.0


def test_uncertain_power_of_other_assets_counts_as_far_as_it_is_sure():
    cases = np.repeat([[0.0], [50.0]], 8, axis=1)
    assert size(spec(), contributions=[Contribution("buses", cases)]).bid_kw < size(spec()).bid_kw + 25


def test_a_contribution_of_another_length_is_refused():
    with pytest.raises(ContributionShapeError, match="8 PTUs"):
        size(spec(), contributions=[Contribution("battery", np.full(7, 50.0))])


def test_groups_are_named_and_add_up():
    window = spec()
    now_s = window.starts_s - 3600
    groups = [group_at(SESSIONS, now_s, name="home"), group_at(SESSIONS, now_s, name="street")]
    bid = size_window(window=window, now_s=now_s, timezone="UTC", groups=groups, scenarios=SCENARIOS)
    assert {category["name"] for category in bid.explanation["categories"]} == {"home", "street"}
    assert bid.bid_kw > size(window, lead_h=1).bid_kw


def test_little_history_means_no_bid_and_says_so():
    few = evening_fleet(chargers=10, days=12)
    window = spec(day=9)
    bid = size(window, sessions=few)
    assert bid.bid_kw == 0
    assert bid.explanation["limited_by"] == "history"


def test_no_chargers_no_bid():
    empty = SessionTable.from_columns(charger_ids=[], plug_in_s=[], plug_out_s=[], energy_kwh=[], power_kw=[])
    assert size(spec(), sessions=empty).bid_kw == 0


def test_a_group_without_chargers_has_a_reason_not_to_bid():
    window = spec()
    bid = size_window(window=window, now_s=window.starts_s - 3600, timezone="UTC", groups=[], scenarios=SCENARIOS)
    assert (bid.bid_kw, bid.explanation["limited_by"]) == (0, "history")


def test_under_the_minimum_there_is_no_bid_and_says_so():
    bid = size(spec(min_bid_kw=1000.0))
    assert (bid.bid_kw, bid.explanation["limited_by"]) == (0.0, "minimum_bid")
    assert "1000 kW would have been sure enough in only 0 of" in bid.explanation["reason"]


def test_the_explanation_survives_json():
    explanation = size(spec()).explanation
    assert json.loads(json.dumps(explanation))["scenarios"] == SCENARIOS
    assert explanation["power"]["deliverable_kw"] <= explanation["power"]["rated_kw"]
    probabilities, powers = zip(*explanation["curve"], strict=True)
    assert list(probabilities) == sorted(probabilities)
    assert list(powers) == sorted(powers, reverse=True)


@pytest.mark.parametrize("reliability", [0.8, 0.9, 0.95])
def test_the_bid_lies_on_its_curve_of_reliability(reliability):
    bid = size(spec(reliability=reliability), lead_h=1)
    assert bid.explanation["power_kw"] == dict(bid.explanation["curve"])[reliability] >= bid.bid_kw > 0


def outcome(window, *, capacity_kw, bid_kw=0.0, is_delivered=None):
    """Return what became of a window; `capacity_kw` is one for every limit on risk, or several limits' own."""
    capacity = capacity_kw if isinstance(capacity_kw, ReplayedCapacity) else ReplayedCapacity.constant(capacity_kw)
    return WindowOutcome(
        starts_s=window.starts_s,
        known_at_s=window.ends_s,
        bid_kw=bid_kw,
        is_delivered=is_delivered,
        capacity=capacity,
        most_risk=0.3,
        perfect_information_kw=max(capacity.capacity_kw),
    )


def context(window, *, lead_h=4, most_risk=0.3):
    now_s = window.starts_s - lead_h * 3600
    known = group_at(SESSIONS, now_s)
    return SizingContext(
        now_s=now_s,
        window=window,
        history=known.history,
        plugged_in=known.plugged_in,
        traits=known.traits,
        timezone="UTC",
        most_risk=most_risk,
    )


def shown(days, *, capacity_kw):
    """Return a sizer that sized these days and saw what became of them."""
    sizer = CalibratedSizer(seed=0, scenarios=SCENARIOS)
    for day in days:
        sizer.size(context(spec(day)))
        sizer.observe(outcome(spec(day), capacity_kw=capacity_kw))
    return sizer


@pytest.mark.parametrize(("capacity_kw", "is_sold"), [(40.0, True), (0.0, False)])
def test_the_sizer_learns_from_windows_shown_before_its_first_bid(capacity_kw, is_sold):
    sizer = shown(range(20, 45), capacity_kw=capacity_kw)
    assert (sizer.size(context(spec())).bid_kw > 0) is is_sold


def test_the_past_is_read_off_at_the_limit_on_risk_the_window_will_be_dispatched_with():
    """One record, two limits: what a cautious dispatch could not have kept is not promised under it."""
    sizer = shown(range(20, 45), capacity_kw=ReplayedCapacity((0.1, 0.6), (5.0, 40.0)))
    cautious, middle, bold = (
        sizer.size(context(spec(), most_risk=limit)).explanation["power_kw"] for limit in (0.1, 0.25, 0.6)
    )
    assert cautious < middle < bold


def test_a_broken_promise_lowers_the_next_one():
    def next_power_kw(*, is_delivered):
        sizer = shown(range(15, 40), capacity_kw=20.0)
        first = replace(spec(43), reliability=0.9)
        bid_kw = sizer.size(context(first)).bid_kw
        sizer.observe(outcome(first, capacity_kw=20.0, bid_kw=bid_kw, is_delivered=is_delivered))
        return sizer.size(context(spec())).explanation["power_kw"]

    assert next_power_kw(is_delivered=False) < next_power_kw(is_delivered=True)


def test_a_bid_beyond_the_capacity_of_its_day_is_not_held_against_another_limit_on_risk():
    before = range(9, 21)
    sizer = shown(before, capacity_kw=ReplayedCapacity((0.1, 0.6), (8.0, 100.0)))
    sizer.size(context(spec(21)))
    limits = ReplayedCapacity((0.1, 0.3, 0.6), (8.0, 8.0, 100.0))
    sizer.observe(outcome(spec(21), capacity_kw=limits, bid_kw=20.0, is_delivered=False))
    other = shown(before, capacity_kw=ReplayedCapacity((0.1, 0.6), (8.0, 100.0)))
    other.size(context(spec(21)))
    other.observe(outcome(spec(21), capacity_kw=limits))
    margins = [item.size(context(spec(22), most_risk=0.6)).explanation["margin"] for item in (sizer, other)]
    assert margins[0]["recent_mean_kw"] == margins[1]["recent_mean_kw"]


def test_broken_promises_of_the_past_lower_the_next_one():
    window = spec()
    day_s = 86_400
    before = [
        PlacedBid(window.starts_s - day * day_s, bid_kw=5.0, reliability=0.9, is_kept=True) for day in range(20, 0, -1)
    ]
    broken = [replace(bid, is_kept=False) for bid in before]

    kept, failed = (size(window, placed=record, margin_history=(0.05,)).explanation for record in (before, broken))

    assert failed["power_kw"] < kept["power_kw"] == size(window).explanation["power_kw"]
    assert kept["margin_history"] == (0.05,)
