"""Scenarios are whole days of the past, chosen by kind, age and temperature, and fitted to what is plugged in."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bidding.forecast.like_days import HALF_LIFE_DAYS
from bidding.forecast.local_time import day_number
from bidding.forecast.sessions import SessionTable
from bidding.forecast.window_forecast import ForecastWindow, forecast_window
from tests.unit.bidding.forecast.fleets import DAY_S, MONDAY_S, evening_fleet, group_at, instant_s

CHARGERS = 20
POWER_KW = 7.4
FULL_KW = CHARGERS * POWER_KW


def fleet(cars_on, *, days=60):
    """Cars that need the whole night: the first `cars_on(day)` chargers are taken from 16:00 to 7:00 on each day."""
    rows = [(charger, day) for day in range(days) for charger in range(cars_on(day))]
    charger, day = np.array(rows).T
    return SessionTable.from_columns(
        charger_ids=[f"C{number:02d}" for number in charger],
        plug_in_s=MONDAY_S + day * DAY_S + 16 * 3600,
        plug_out_s=MONDAY_S + (day + 1) * DAY_S + 7 * 3600,
        energy_kwh=np.full(len(rows), 40.0),
        power_kw=np.full(len(rows), POWER_KW),
    )


def power_kw(sessions, day, *, lead_h=24.0, outdoor_c=None):
    """Block-minimum per scenario of 18:00-19:00."""
    starts_s = instant_s(day, 18)
    asked = ForecastWindow(starts_s - int(lead_h * 3600), starts_s, starts_s + 3600, "reduce", "UTC")
    rng = np.random.default_rng(0)
    group = group_at(sessions, asked.now_s)
    return forecast_window([group], asked, scenarios=200, rng=rng, outdoor_c=outdoor_c).room().least_kw


def test_a_scenario_is_one_whole_day_so_that_common_shocks_do_not_average_out():
    """On every third day nobody comes: each scenario has all cars or none, never two thirds of them."""
    scenarios = power_kw(fleet(lambda day: 0 if day % 3 == 2 else CHARGERS), 52)
    assert set(np.round(scenarios, 6)) == {0.0, FULL_KW}
    assert np.mean(scenarios == 0) == pytest.approx(1 / 3, abs=0.12)


@pytest.mark.parametrize(("day", "cars"), [(54, 4), (52, CHARGERS)])
def test_days_are_drawn_by_kind(day, cars):
    """Four cars at weekends, all on weekdays; day 54 is a Saturday."""
    scenarios = power_kw(fleet(lambda day: 4 if day % 7 >= 5 else CHARGERS), day)
    assert scenarios == pytest.approx(np.full(200, cars * POWER_KW))


def test_a_season_is_followed():
    """Half as many cars come as two weeks before, at the same chargers: the last weeks count most."""
    sessions = fleet(lambda day: CHARGERS if day < 38 else 8)
    share_of_last_weeks = 1 - 0.5 ** (14 / HALF_LIFE_DAYS)
    expected = (8 * share_of_last_weeks + CHARGERS * (1 - share_of_last_weeks)) * POWER_KW
    assert power_kw(sessions, 52, lead_h=6.0).mean() == pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize("lead_h", [6.0, 24.0])
def test_a_fleet_that_grows_is_forecast_with_all_its_chargers(lead_h):
    """One charger more every three days, each taken every night from then on."""
    scenarios = power_kw(fleet(lambda day: min(1 + day // 3, CHARGERS)), 52, lead_h=lead_h)
    assert scenarios == pytest.approx(np.full(200, 17 * POWER_KW), rel=0.06)


@pytest.mark.parametrize(("outdoor", "cars"), [(-5.0, CHARGERS), (15.0, 5)])
def test_days_of_a_like_temperature_are_drawn_where_it_is_given(outdoor, cars):
    """Cold and mild days take turns; the fleet comes when it is cold."""
    sessions = fleet(lambda day: CHARGERS if day % 2 else 5)
    temperature = {int(day_number(instant_s(day, 0))): -5.0 if day % 2 else 15.0 for day in range(60)}
    temperature[int(day_number(instant_s(52, 0)))] = outdoor
    scenarios = power_kw(sessions, 52, outdoor_c=temperature)
    assert scenarios.mean() == pytest.approx(cars * POWER_KW, rel=0.01)
    assert power_kw(sessions, 52).mean() == pytest.approx(12.5 * POWER_KW, rel=0.15)


@pytest.mark.parametrize("day", [50, 51])
def test_at_short_lead_what_is_plugged_in_decides(day):
    """On odd days all chargers are taken, on even ones five: seen from 17:00 no scenario mixes that up."""
    sessions = fleet(lambda day: CHARGERS if day % 2 else 5)
    cars = CHARGERS if day % 2 else 5
    assert power_kw(sessions, day, lead_h=1.0) == pytest.approx(np.full(200, cars * POWER_KW))
    assert len(set(np.round(power_kw(sessions, day, lead_h=6.0), 6))) == 2


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10**6), lead_h=st.sampled_from([1.0, 6.0, 24.0]), v2g=st.booleans())
def test_another_group_never_takes_from_a_scenario(seed, lead_h, v2g):
    """More chargers never mean less: each scenario of the first group stays as it was, and the other one adds to it."""
    starts_s = instant_s(35, 18)
    asked = ForecastWindow(starts_s - int(lead_h * 3600), starts_s, starts_s + 7200, "reduce", "UTC")
    one, other = (
        group_at(evening_fleet(chargers=6, days=40, seed=seed + number), asked.now_s, v2g=v2g) for number in (0, 1)
    )
    alone, both = (
        forecast_window(groups, asked, scenarios=50, rng=np.random.default_rng(seed))
        for groups in ([one], [one, other])
    )
    own, still = ((part := forecast.groups[0]).plugged_in + part.arrivals for forecast in (alone, both))
    assert still.bound_kwh("reduce").tolist() == own.bound_kwh("reduce").tolist()
    assert np.all(both.room().least_kw >= alone.room().least_kw - 1e-9)
