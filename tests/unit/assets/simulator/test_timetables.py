from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from aggregator.core.interval import Interval
from aggregator.core.ptu import MARKET_ZONE
from assets.simulator.local_time import wall_clock
from assets.simulator.timetables import bus_sessions, shared_car_sessions

START = datetime(2026, 1, 5, 11, tzinfo=UTC)
PERIOD = Interval(START, START + timedelta(weeks=3))


def buses():
    return bus_sessions(
        assets=np.arange(68),
        capacity_kwh=np.full(68, 288.0),
        power_kw=np.full(68, 60.0),
        period=PERIOD,
        generator=np.random.default_rng(1),
    )


def shared_cars():
    return shared_car_sessions(
        assets=np.arange(40),
        capacity_kwh=np.full(40, 52.0),
        power_kw=np.full(40, 11.0),
        efficiency=0.87**0.5,
        period=PERIOD,
        generator=np.random.default_rng(1),
    )


def test_buses_come_home_between_seven_and_midnight_and_leave_in_the_morning():
    sessions = buses()
    back, out = (wall_clock(times, MARKET_ZONE) % 86_400 / 3600 for times in (sessions.plug_in, sessions.plug_out))
    assert back.min() >= 19
    assert back.max() < 24
    assert out.min() > 4
    assert out.max() < 8.5
    assert (sessions.declared_departure == sessions.plug_out).all()
    assert (sessions.target_kwh == 288.0).all()


def test_every_bus_can_be_full_when_it_leaves():
    sessions = buses()
    assert sessions.possible_kwh == pytest.approx(sessions.need_kwh)


def test_levels_of_shared_cars_follow_from_trips_and_charging():
    sessions = shared_cars()
    one = sessions.take(np.flatnonzero(sessions.asset == 7))
    left = np.minimum(one.target_kwh, one.arrival_kwh + 0.87**0.5 * one.possible_kwh)
    expected = np.maximum(left[:-1] - one.trip_kwh[1:], 0.06 * 52)
    assert one.arrival_kwh[1:] == pytest.approx(expected)
    assert (one.plug_in[1:] > one.plug_out[:-1]).all()


def test_most_shared_cars_are_at_their_plug_in_the_evening():
    sessions = shared_cars()
    shares = []
    for day in range(1, 15):
        at = (START + timedelta(days=day, hours=7)).timestamp()
        shares.append(((sessions.plug_in <= at) & (sessions.plug_out > at)).sum() / 40)
    assert 0.55 < np.mean(shares) < 0.9
