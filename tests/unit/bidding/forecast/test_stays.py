import gzip
from dataclasses import replace

import numpy as np
import pytest

from bidding.forecast.local_time import day_number
from bidding.forecast.near_stays import OWN_SESSIONS, NearStays
from bidding.forecast.session_files import read_sessions
from bidding.forecast.sessions import NO_CARD, PluggedIn, SessionTable
from bidding.forecast.stays import CALIBRATION_CARS, Cars, StayForecast, StayForecaster, _PastCars
from tests.shared_data import shared_path
from tests.unit.bidding.forecast.fleets import DAY_S, evening_fleet, instant_s

TEN_KW = 10.0
LEVELS = np.array([0.1, 0.25, 0.5, 0.75, 0.9])


def plugged_in(*, plug_in_s, charger=0, leaves_s=np.nan, energy_kwh=np.nan):
    return PluggedIn(
        charger=np.array([charger], dtype=np.int32),
        plug_in_s=np.array([plug_in_s]),
        power_kw=np.array([TEN_KW]),
        declared_plug_out_s=np.array([leaves_s], dtype=np.float64),
        declared_energy_kwh=np.array([energy_kwh], dtype=np.float64),
    )


def regular(charger_id, hours, *, days=30, first=0):
    """One session a day from 16:00 for some hours."""
    starts = [instant_s(day, 16) for day in range(first, days)]
    return [(charger_id, start, start + int(hours * 3600), 10.0, TEN_KW) for start in starts]


def table(rows):
    names, starts, ends, energy, power = zip(*rows, strict=True)
    return SessionTable.from_columns(
        charger_ids=names, plug_in_s=starts, plug_out_s=ends, energy_kwh=energy, power_kw=power
    )


def forecast(history: SessionTable, cars: PluggedIn, *, now_s: int, timezone: str = "UTC") -> StayForecast:
    return StayForecaster(history, models=NearStays, timezone=timezone, now_s=now_s).forecast(cars)


def test_a_known_charger_is_forecast_from_its_own_sessions_and_a_newcomer_from_all():
    history = table(regular("long", 14) + regular("short", 2))
    now_s = instant_s(31, 16) + 60
    known = forecast(history, plugged_in(plug_in_s=instant_s(31, 16), charger=0), now_s=now_s)
    newcomer = forecast(history, plugged_in(plug_in_s=instant_s(31, 16), charger=7), now_s=now_s)
    stays_long = known.weight[0][known.plug_out_s[0] > now_s + 3 * 3600].sum()
    assert (bool(known.is_known[0]), bool(newcomer.is_known[0])) == (True, False)
    assert stays_long > 0.8
    assert newcomer.weight[0][newcomer.plug_out_s[0] > now_s + 3 * 3600].sum() == pytest.approx(0.5, abs=0.05)


def test_only_sessions_longer_than_the_time_elapsed_take_part():
    history = table(regular("long", 14) + regular("short", 2))
    start_s = instant_s(31, 16)
    stays = forecast(history, plugged_in(plug_in_s=start_s, charger=7), now_s=start_s + 3 * 3600)
    assert stays.departure_quantiles_s(LEVELS)[0].tolist() == [start_s + 14 * 3600] * 5


def test_what_the_driver_declares_wins():
    history = table(regular("long", 14))
    start_s = instant_s(31, 16)
    car = plugged_in(plug_in_s=start_s, leaves_s=start_s + 5 * 3600, energy_kwh=22.0)
    stays = forecast(history, car, now_s=start_s + 3600)
    assert stays.departure_quantiles_s(LEVELS)[0].tolist() == [start_s + 5 * 3600] * 5
    assert stays.energy_quantiles_kwh(LEVELS)[0].tolist() == [22.0] * 5


@pytest.mark.parametrize("history", [table(regular("a", 2, days=3)), table(regular("a", 2, days=3)).take(slice(0, 0))])
def test_a_car_like_no_other_is_taken_to_leave_at_once(history):
    start_s = instant_s(31, 16)
    stays = forecast(history, plugged_in(plug_in_s=start_s), now_s=start_s + 5 * DAY_S)
    assert stays.departure_quantiles_s(LEVELS)[0].tolist() == [start_s + 5 * DAY_S + 1] * 5


def test_sessions_that_came_later_say_nothing_of_a_past_car():
    """Calibration forecasts cars of past days: from what their charger had done before, without their own outcome."""
    history = table(regular("a", 2, days=20) + regular("a", 4, first=20))
    day_20 = int(np.searchsorted(history.plug_in_s, instant_s(20, 16)))
    car = Cars(charger=history.charger[[day_20]], plug_in_s=history.plug_in_s[[day_20]], power_kw=np.array([TEN_KW]))
    samples = NearStays(history, timezone="UTC", now_s=instant_s(31, 0)).samples(car)
    own = samples.weight[0, :OWN_SESSIONS]
    assert samples.stay_s[0, :OWN_SESSIONS][own > 0].tolist() == [2 * 3600.0] * 20
    pool = samples.weight[0, OWN_SESSIONS:]
    assert np.count_nonzero(pool) == len(history) - 1


def shares_below(sessions: SessionTable, instants_s, *, timezone: str = "UTC") -> list[float]:
    """Share of departures before each quantile of their forecast."""
    below, total = np.zeros(len(LEVELS)), 0
    for now_s in instants_s:
        stays = forecast(
            sessions.completed_before(now_s), sessions.plugged_in_at(now_s), now_s=now_s, timezone=timezone
        )
        rows = sessions.rows_present(now_s, now_s + 1)
        below += (sessions.plug_out_s[rows][:, None] <= stays.departure_quantiles_s(LEVELS)).sum(axis=0)
        total += len(rows)
    return (below / total).tolist()


def test_quantiles_are_calibrated_on_a_regular_fleet():
    sessions = evening_fleet(chargers=40, days=60)
    instants_s = [instant_s(day, 17) for day in range(30, 58)]
    assert shares_below(sessions, instants_s) == pytest.approx(LEVELS.tolist(), abs=0.03)


@pytest.mark.parametrize("hour", [9, 17, 21])
def test_quantiles_of_real_departures_are_calibrated(hour):
    path = shared_path("data/ev_no_residential/sessions.csv.gz")
    with gzip.open(path, "rt") as lines:
        sessions = read_sessions(lines, default_power_kw=7.4, skip_invalid=True).table
    first_day = int(day_number(sessions.plug_in_s[0]))
    instants_s = [(first_day + day) * DAY_S + (hour - 1) * 3600 for day in range(200, 600, 5)]
    assert shares_below(sessions, instants_s, timezone="Europe/Oslo") == pytest.approx(LEVELS.tolist(), abs=0.035)


def test_a_known_card_brings_its_habits_to_any_charger():
    """Two cards take turns at two chargers; who comes, not where, tells how long the stay is."""
    rows = [
        (f"C{(day + card) % 2}", instant_s(day, 16), instant_s(day, 16) + hours * 3600, 10.0, TEN_KW)
        for day in range(30)
        for card, hours in enumerate((2, 14))
    ]
    names, starts, ends, energy, power = zip(*rows, strict=True)
    history = SessionTable.from_columns(
        charger_ids=names,
        plug_in_s=starts,
        plug_out_s=ends,
        energy_kwh=energy,
        power_kw=power,
        card=[0, 1] * 30,
    )
    start_s = instant_s(30, 16)

    def share_that_stays(card):
        car = replace(plugged_in(plug_in_s=start_s), card=np.array([card], dtype=np.int32))
        stays = forecast(history, car, now_s=start_s + 60)
        return stays.weight[0][stays.plug_out_s[0] > start_s + 3 * 3600].sum()

    assert share_that_stays(0) < 0.2
    assert share_that_stays(1) > 0.8
    assert share_that_stays(NO_CARD) == pytest.approx(0.5, abs=0.1)
    assert share_that_stays(7) == pytest.approx(0.5, abs=0.1)


def test_of_more_cars_than_calibrate_those_of_every_age_take_part():
    """A thousand cars that came evenly from eight to six; at seven they have been there for one hour to eleven."""
    came_s = instant_s(0, 8) + np.arange(1000) * 36
    history = SessionTable.from_columns(
        charger_ids=[f"C{number}" for number in range(1000)],
        plug_in_s=came_s,
        plug_out_s=np.full(1000, instant_s(1, 9)),
        energy_kwh=np.full(1000, 10.0),
        power_kw=np.full(1000, TEN_KW),
    )
    past = _PastCars.before(history, now_s=instant_s(1, 19), timezone="UTC", from_s=0)
    assert len(past) == CALIBRATION_CARS
    assert past.elapsed_s.min() / 3600 == pytest.approx(1.0, abs=0.05)
    assert past.elapsed_s.mean() / 3600 == pytest.approx(6.0, abs=0.05)


def test_a_declared_departure_that_is_over_is_one_right_now_also_without_a_history():
    start_s = instant_s(31, 16)
    car = plugged_in(plug_in_s=start_s, leaves_s=start_s - 500, energy_kwh=20.0)
    for history in (table(regular("a", 2, days=3)), table(regular("a", 2, days=3)).take(slice(0, 0))):
        stays = forecast(history, car, now_s=start_s + 900)
        assert stays.departure_quantiles_s(LEVELS)[0].tolist() == [start_s + 901] * 5
        assert stays.energy_quantiles_kwh(LEVELS)[0].min() > 0
