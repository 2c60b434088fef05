"""Sessions of vehicles with an owner who plans: shared cars with reservations, buses with a timetable.

No open data exist for either; the numbers here are assumptions in the range of the Utrecht programmes' public reports.
"""

import numpy as np

from aggregator.core.interval import Interval
from aggregator.core.ptu import MARKET_ZONE
from assets.simulator.local_time import DAY, HOUR, instants, is_weekend, wall_clock
from assets.simulator.sessions import Floats, Integers, Seconds, Sessions, joined, whole_minutes

SHARED_CAR_TRIPS_PER_DAY = (1.1, 1.3)
"""Weekday, weekend."""
SHARED_CAR_TARGET = 0.8
KWH_PER_KM = 0.17
BUS_RUNS = (0.95, 0.75)
"""Share of buses on the road on a weekday and at the weekend."""
_WARM_UP_DAYS = 4
_LEAST_LEFT = 0.06
_BETWEEN_TRIPS = 10 * 60


def shared_car_sessions(
    *,
    assets: Integers,
    capacity_kwh: Floats,
    power_kw: Floats,
    efficiency: float,
    period: Interval,
    generator: np.random.Generator,
) -> Sessions:
    """Return the stays of shared cars between reservations; they leave with 80 % where time allows."""
    midnights = _midnights(period)
    parts = []
    for asset in assets.tolist():
        rate = np.array(SHARED_CAR_TRIPS_PER_DAY)[is_weekend(midnights).astype(np.int64)]
        midnight = np.repeat(midnights, generator.poisson(rate))
        n = len(midnight)
        hour = generator.choice([9.0, 14.0, 18.0], p=[0.35, 0.3, 0.35], size=n) + generator.normal(0, 1.4, n)
        leaves = np.sort(midnight + (np.clip(hour, 5, 23.5) * HOUR).astype(np.int64))
        back = leaves + (np.clip(generator.lognormal(np.log(2.5), 0.8, n), 0.5, 20) * HOUR).astype(np.int64)
        # A reservation that would start before the car is back is not made.
        kept = []
        free_from = -1
        for number in range(n):
            if leaves[number] >= free_from:
                kept.append(number)
                free_from = back[number] + _BETWEEN_TRIPS
        trip = KWH_PER_KM * np.clip(generator.lognormal(np.log(35), 0.8, n), 3, 200)[kept]
        parts.append(
            _stays_between(
                asset=asset,
                back=back[kept][:-1],
                leaves=leaves[kept][1:],
                trip_kwh=trip[:-1],
                target_kwh=SHARED_CAR_TARGET * capacity_kwh[asset],
                least_kwh=_LEAST_LEFT * capacity_kwh[asset],
                power_kw=float(power_kw[asset]),
                efficiency=efficiency,
            )
        )
    return _within(joined(parts), period)


def bus_sessions(
    *, assets: Integers, capacity_kwh: Floats, power_kw: Floats, period: Interval, generator: np.random.Generator
) -> Sessions:
    """Return the nights of buses at the depot: back between 19:00 and 24:00, out full between 5:00 and 7:30."""
    midnights = _midnights(period)
    parts = []
    for asset in assets.tolist():
        runs = generator.random(len(midnights)) < np.array(BUS_RUNS)[is_weekend(midnights).astype(np.int64)]
        days = midnights[runs]
        n = len(days)
        # Early lines come home early: each bus keeps its line, days differ by some minutes.
        line = generator.beta(1.6, 1.8)
        back = days + ((19 + 5 * line) * HOUR + generator.normal(0, 10 * 60, n)).astype(np.int64)
        out = days + ((5 + 2.5 * line) * HOUR + generator.normal(0, 5 * 60, n)).astype(np.int64)
        back = np.clip(back, days + 19 * HOUR, days + 24 * HOUR - 60)
        parts.append(
            _stays_between(
                asset=asset,
                back=back[:-1],
                leaves=out[1:],
                trip_kwh=capacity_kwh[asset] * generator.uniform(0.45, 0.75, n)[:-1],
                target_kwh=float(capacity_kwh[asset]),
                least_kwh=_LEAST_LEFT * capacity_kwh[asset],
                power_kw=float(power_kw[asset]),
                efficiency=1.0,
            )
        )
    return _within(joined(parts), period)


def _midnights(period: Interval) -> Seconds:
    edges = np.array([int(period.starts_at.timestamp()), int(period.ends_at.timestamp())])
    first, last = wall_clock(edges, MARKET_ZONE) // DAY
    midnights: Seconds = np.arange(first - _WARM_UP_DAYS, last + 4) * DAY
    return midnights


def _stays_between(
    *,
    asset: int,
    back: Seconds,
    leaves: Seconds,
    trip_kwh: Floats,
    target_kwh: float,
    least_kwh: float,
    power_kw: float,
    efficiency: float,
) -> Sessions:
    """Return one vehicle's stays, with the levels that trips and charging at full power give."""
    plug_in, plug_out = (whole_minutes(instants(times, MARKET_ZONE)) for times in (back, leaves))
    arrival = np.empty(len(back))
    level = target_kwh
    for number in range(len(back)):
        arrival[number] = max(least_kwh, level - trip_kwh[number])
        possible = efficiency * power_kw * (plug_out[number] - plug_in[number]) / HOUR
        level = min(max(target_kwh, arrival[number]), arrival[number] + possible)
    n = len(back)
    return Sessions(
        asset=np.full(n, asset),
        plug_in=plug_in,
        plug_out=plug_out,
        need_kwh=np.maximum(target_kwh - arrival, 0) / efficiency,
        power_kw=np.full(n, power_kw),
        arrival_kwh=arrival,
        target_kwh=np.full(n, target_kwh),
        trip_kwh=trip_kwh,
        declared_departure=plug_out,
        driver=np.full(n, asset),
    )


def _within(sessions: Sessions, period: Interval) -> Sessions:
    first, last = period.starts_at.timestamp(), period.ends_at.timestamp()
    chosen = (sessions.plug_out > first) & (sessions.plug_in < last) & (sessions.plug_out > sessions.plug_in)
    return sessions.take(chosen)
