"""What limits a bid is named by the largest loss on the way to what can be delivered."""

from dataclasses import replace

import numpy as np
import pytest

from bidding.forecast.window_forecast import ForecastWindow, forecast_window
from bidding.optimisation.explanation import LimitingPower, WorstScenarios, main_limit
from bidding.optimisation.rehearsal import window_rng
from tests.unit.bidding.forecast.fleets import evening_fleet, group_at, instant_s, traits

SESSIONS = evening_fleet(chargers=30, days=60)


@pytest.mark.parametrize(
    ("losses", "limit"),
    [
        ({"absent_kw": 40.0, "rated_kw": 100.0, "energy_kw": 30.0, "deliverable_kw": 70.0}, "arrivals"),
        ({"rated_kw": 100.0, "energy_kw": 60.0, "departures_kw": 10.0, "deliverable_kw": 30.0}, "energy"),
        ({"rated_kw": 100.0, "departures_kw": 60.0, "deliverable_kw": 40.0}, "departures"),
        ({"rated_kw": 100.0, "pause_floor_kw": 20.0, "deliverable_kw": 80.0}, "pause_floor"),
        ({"rated_kw": 100.0, "deliverable_kw": 100.0}, "power"),
        ({}, "arrivals"),
    ],
)
def test_the_largest_loss_limits(losses, limit):
    nothing = dict.fromkeys(LimitingPower.__slots__, 0.0)
    assert main_limit(LimitingPower(**(nothing | losses))) == limit


def limiting(group, now_s):
    """Seen an hour ahead of a window of an hour."""
    asked = ForecastWindow(now_s, now_s + 3600, now_s + 7200, "reduce", "UTC")
    forecast = forecast_window([group], asked, scenarios=120, rng=window_rng(0, asked))
    return WorstScenarios(forecast, forecast.room(), {}).limiting_power()


def test_in_the_night_all_are_full_and_before_the_evening_it_is_who_has_not_come():
    night_s, noon_s = instant_s(50, 3), instant_s(50, 14)
    assert main_limit(limiting(group_at(SESSIONS, night_s), night_s)) == "energy"
    assert main_limit(limiting(group_at(SESSIONS, noon_s), noon_s)) == "arrivals"


def test_cars_that_cannot_pause_and_cars_that_leave_soon_limit():
    now_s = instant_s(50, 15.75)
    group = group_at(SESSIONS, now_s)
    floored = replace(group, traits=traits(SESSIONS.n_chargers, floor_kw=6.0))
    here = group.plugged_in
    leave_s = np.full(len(here), now_s + 7200.0)
    want_kwh = np.full(len(here), 20.0)
    told = replace(here, declared_plug_out_s=leave_s, declared_energy_kwh=want_kwh)

    assert main_limit(limiting(floored, now_s)) == "pause_floor"
    assert main_limit(limiting(replace(group, plugged_in=told), now_s)) == "departures"
