import gzip

import numpy as np
import pytest

from bidding.forecast.session_files import read_sessions
from bidding.forecast.sessions import PluggedIn, SessionTable
from bidding.forecast.stays import StayModel
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


def regular(charger_id, hours, *, days=30):
    """One session a day from 16:00 for some hours."""
    starts = [instant_s(day, 16) for day in range(days)]
    return [(charger_id, start, start + int(hours * 3600), 10.0, TEN_KW) for start in starts]


def table(rows):
    names, starts, ends, energy, power = zip(*rows, strict=True)
    return SessionTable.from_columns(
        charger_ids=names, plug_in_s=starts, plug_out_s=ends, energy_kwh=energy, power_kw=power
    )


def test_a_known_charger_is_forecast_from_its_own_sessions_and_a_newcomer_from_all():
    history = table(regular("long", 14) + regular("short", 2))
    now_s = instant_s(31, 16) + 60
    model = StayModel(history, timezone="UTC")
    known = model.forecast(plugged_in(plug_in_s=instant_s(31, 16), charger=0), now_s=now_s)
    newcomer = model.forecast(plugged_in(plug_in_s=instant_s(31, 16), charger=7), now_s=now_s)
    stays_long = known.weight[0][known.plug_out_s[0] > now_s + 3 * 3600].sum()
    assert (bool(known.is_known[0]), bool(newcomer.is_known[0])) == (True, False)
    assert stays_long > 0.8
    assert newcomer.weight[0][newcomer.plug_out_s[0] > now_s + 3 * 3600].sum() == pytest.approx(0.5, abs=0.05)


def test_only_sessions_longer_than_the_time_elapsed_take_part():
    history = table(regular("long", 14) + regular("short", 2))
    start_s = instant_s(31, 16)
    stays = StayModel(history, timezone="UTC").forecast(
        plugged_in(plug_in_s=start_s, charger=7), now_s=start_s + 3 * 3600
    )
    assert stays.departure_quantiles_s(LEVELS)[0].tolist() == [start_s + 14 * 3600] * 5


def test_what_the_driver_declares_wins():
    history = table(regular("long", 14))
    start_s = instant_s(31, 16)
    stays = StayModel(history, timezone="UTC").forecast(
        plugged_in(plug_in_s=start_s, leaves_s=start_s + 5 * 3600, energy_kwh=22.0), now_s=start_s + 3600
    )
    assert stays.departure_quantiles_s(LEVELS)[0].tolist() == [start_s + 5 * 3600] * 5
    assert stays.energy_quantiles_kwh(LEVELS)[0].tolist() == [22.0] * 5


@pytest.mark.parametrize("history", [table(regular("a", 2, days=3)), table(regular("a", 2, days=3)).take(slice(0, 0))])
def test_a_car_like_no_other_is_taken_to_leave_at_once(history):
    start_s = instant_s(31, 16)
    stays = StayModel(history, timezone="UTC").forecast(plugged_in(plug_in_s=start_s), now_s=start_s + 5 * DAY_S)
    assert stays.departure_quantiles_s(LEVELS)[0].tolist() == [start_s + 5 * DAY_S + 1] * 5


def test_quantiles_are_calibrated_on_a_regular_fleet():
    sessions = evening_fleet(chargers=40, days=60)
    below, total = np.zeros(len(LEVELS)), 0
    for day in range(30, 58):
        now_s = instant_s(day, 17)
        now = sessions.plugged_in_at(now_s)
        stays = StayModel(sessions.completed_before(now_s), timezone="UTC").forecast(now, now_s=now_s)
        rows = sessions.rows_present(now_s, now_s + 1)
        below += (sessions.plug_out_s[rows][:, None] <= stays.departure_quantiles_s(LEVELS)).sum(axis=0)
        total += len(rows)
    assert (below / total).tolist() == pytest.approx(LEVELS.tolist(), abs=0.06)


def test_quantiles_of_real_departures_are_not_far_off():
    path = shared_path("data/ev_no_residential/sessions.csv.gz")
    with gzip.open(path, "rt") as lines:
        sessions = read_sessions(lines, default_power_kw=7.4, skip_invalid=True).table
    first_s = int(sessions.plug_in_s[0])
    below, total = np.zeros(len(LEVELS)), 0
    for day in range(200, 600, 9):
        now_s = first_s + day * DAY_S
        now = sessions.plugged_in_at(now_s)
        stays = StayModel(sessions.completed_before(now_s), timezone="Europe/Oslo").forecast(now, now_s=now_s)
        rows = sessions.rows_present(now_s, now_s + 1)
        below += (sessions.plug_out_s[rows][:, None] <= stays.departure_quantiles_s(LEVELS)).sum(axis=0)
        total += len(rows)
    assert (below / total).tolist() == pytest.approx(LEVELS.tolist(), abs=0.1)
