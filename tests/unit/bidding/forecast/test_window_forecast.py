from dataclasses import replace

import numpy as np
import pytest

from bidding.forecast.drawn_sessions import Sessions
from bidding.forecast.offers import Room
from bidding.forecast.window_forecast import ForecastWindow, forecast_window
from tests.unit.bidding.forecast.fleets import evening_fleet, group_at, instant_s

SESSIONS = evening_fleet(chargers=30, days=60)


def window(day=50, *, lead_h=1.0, hour=18):
    starts_s = instant_s(day, hour)
    return ForecastWindow(
        now_s=starts_s - int(lead_h * 3600),
        starts_s=starts_s,
        ends_s=starts_s + 7200,
        direction="reduce",
        timezone="UTC",
    )


def block_minimum_kw(asked, *, seed=1, **known):
    group = group_at(SESSIONS, asked.now_s, **known)
    forecast = forecast_window([group], asked, scenarios=300, rng=np.random.default_rng(seed))
    return forecast.room().least_kw


def test_same_seed_same_scenarios():
    assert block_minimum_kw(window()).tolist() == block_minimum_kw(window()).tolist()
    assert block_minimum_kw(window()).tolist() != block_minimum_kw(window(), seed=2).tolist()


def outcome_kw(asked):
    """What the sessions that came could have held, had everything been known."""
    known = group_at(SESSIONS, asked.ends_s + 2 * 86_400)
    rows = known.history.rows_present(asked.starts_s, asked.ends_s)
    charger = known.history.charger[rows]
    sessions = Sessions(
        plug_in_s=known.history.plug_in_s[rows],
        plug_out_s=known.history.plug_out_s[rows],
        energy_kwh=known.history.energy_kwh[rows],
        power_kw=known.history.power_kw[rows],
        floor_kw=known.traits.floor_kw[charger],
        v2g=known.traits.v2g[charger],
    )
    totals = asked.totals(1)
    totals.add(sessions, np.zeros(len(sessions), dtype=np.int64))
    return Room.of(totals.offer(), asked.blocks, "reduce").least_kw[0]


def test_knowing_more_brings_the_forecast_closer():
    errors = {}
    for lead_h in (1, 24):
        asked = [window(day=day, lead_h=lead_h) for day in range(35, 58)]
        errors[lead_h] = np.mean([abs(block_minimum_kw(each).mean() - outcome_kw(each)) for each in asked])
    assert errors[1] < 0.9 * errors[24]


def test_chargers_known_to_be_free_bring_only_what_still_comes():
    asked = window(lead_h=0.25, hour=17)
    all_here = group_at(SESSIONS, asked.now_s)
    nobody = type(all_here)(
        name="home", history=all_here.history, plugged_in=SESSIONS.plugged_in_at(0), traits=all_here.traits
    )
    rng = np.random.default_rng
    full = forecast_window([all_here], asked, scenarios=200, rng=rng(1)).room().least_kw.mean()
    empty = forecast_window([nobody], asked, scenarios=200, rng=rng(1)).room().least_kw.mean()
    assert empty < 0.8 * full


def test_too_few_days_give_no_forecast():
    asked = window(day=9)
    assert forecast_window([group_at(SESSIONS, asked.now_s)], asked, scenarios=10, rng=np.random.default_rng(0)) is None


def test_groups_share_their_days():
    asked = window(lead_h=24)
    group = group_at(SESSIONS, asked.now_s)
    forecast = forecast_window([group, group], asked, scenarios=300, rng=np.random.default_rng(1))
    one, other = (Room.of(scenarios.arrivals, asked.blocks, "reduce").least_kw for scenarios in forecast.groups)
    assert np.corrcoef(one, other)[0, 1] == pytest.approx(1.0, abs=0.05)


def test_forecast_of_a_stationary_fleet_is_unbiased():
    realised, forecast = [], []
    for day in range(35, 58):
        asked = window(day=day, lead_h=24)
        forecast.append(block_minimum_kw(asked).mean())
        realised.append(outcome_kw(asked))
    assert np.mean(forecast) == pytest.approx(np.mean(realised), rel=0.1)


def test_after_a_week_without_a_word_nothing_is_forecast():
    """A feed that fell silent, or a fleet that went home: nobody can tell, so nothing is promised."""
    asked = window(day=50)

    def forecast(*, silent_days, reported_s=None):
        last = SESSIONS.plug_in_s < asked.now_s - silent_days * 86_400
        group = replace(
            group_at(SESSIONS, asked.now_s),
            history=SESSIONS.take(last).completed_before(asked.now_s),
            plugged_in=SESSIONS.plugged_in_at(instant_s(0, 0)),
            reported_s=reported_s,
        )
        return forecast_window([group], asked, scenarios=50, rng=np.random.default_rng(1))

    assert forecast(silent_days=6) is not None
    assert forecast(silent_days=8) is None
    others_s = np.array([asked.now_s - hours * 3600 for hours in range(24 * 50, 0, -1)])
    empty_of_late = forecast(silent_days=30, reported_s=others_s)
    assert empty_of_late.days.starts_s[-1] > asked.starts_s - 4 * 86_400  # a week of empty days, not a hole
    assert empty_of_late.room().least_kw.mean() < 0.3 * forecast(silent_days=6).room().least_kw.mean()
