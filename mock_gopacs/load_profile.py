"""What a congested area asks for over a day: from its load and generation, hour by hour, to problems per PTU.

Pure. Net load is load minus generation; what passes the capacity in either direction is a problem: off-take above it,
feed-in below. Values are given for the 24 full hours of the local clock and run straight from one to the next, so a day
on which the clock changes simply has fewer or more PTUs of the same curve.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import ROUND_CEILING, Decimal
from itertools import groupby
from typing import Any

from aggregator.core.interval import Interval
from aggregator.core.ptu import MARKET_ZONE, PTU, ptus_of_day
from mock_gopacs.scenario_values import InvalidScenario

HOURS = 24
STEP_MW = Decimal("0.1")
DEFAULT_SHORTEST_MINUTES = 30


@dataclass(frozen=True, slots=True)
class LoadProfile:
    """A day of an area. Powers in MW; `noise_mw` is the standard deviation of what the forecast has wrong per hour."""

    capacity_mw: float
    load_mw: tuple[float, ...]
    generation_mw: tuple[float, ...]
    noise_mw: float
    shortest: timedelta


@dataclass(frozen=True, slots=True)
class CongestionProblem:
    """A run of PTUs in which the area passes its capacity, and by how much in each, in steps of 0.1 MW."""

    congestion: str  # OFF_TAKE or FEED_IN
    period: Interval
    required_mw: tuple[Decimal, ...]


def read_profile(plan: Mapping[str, Any]) -> LoadProfile:
    """Return the profile in a scenario's `load_profiles`; raise `InvalidScenario` naming what is wrong."""
    capacity_mw, noise_mw = float(plan["capacity_mw"]), float(plan.get("noise_mw", 0))
    if capacity_mw <= 0 or noise_mw < 0:
        raise InvalidScenario("A load profile needs a capacity_mw above 0 and a noise_mw of at least 0.")
    return LoadProfile(
        capacity_mw=capacity_mw,
        load_mw=_hours(plan, "load_mw"),
        generation_mw=_hours(plan, "generation_mw") if "generation_mw" in plan else (0.0,) * HOURS,
        noise_mw=noise_mw,
        shortest=timedelta(minutes=float(plan.get("shortest_minutes", DEFAULT_SHORTEST_MINUTES))),
    )


def problems(profile: LoadProfile, *, day: date, generator: random.Random) -> list[CongestionProblem]:
    """Return the day's problems in order of time; one generator state always gives the same."""
    noise = [generator.gauss(0, profile.noise_mw) for _ in range(HOURS)]
    excess = [(ptu, _excess_mw(profile, noise, ptu)) for ptu in ptus_of_day(day)]
    found = []
    for side, run in groupby(excess, key=lambda item: (item[1] > 0) - (item[1] < 0)):
        ptus = list(run)
        period = Interval(ptus[0][0], ptus[-1][0] + PTU)
        if side and period.duration >= profile.shortest:
            required = tuple(Decimal(str(abs(mw))).quantize(STEP_MW, ROUND_CEILING).max(STEP_MW) for _, mw in ptus)
            found.append(CongestionProblem("OFF_TAKE" if side > 0 else "FEED_IN", period, required))
    return found


def _excess_mw(profile: LoadProfile, noise: Sequence[float], ptu: datetime) -> float:
    """Return by how much a PTU passes the capacity: above 0 for off-take, below 0 for feed-in, 0 within."""
    local = ptu.astimezone(MARKET_ZONE)
    at = local.hour + local.minute / 60
    net = _at(profile.load_mw, at) - _at(profile.generation_mw, at) + _at(noise, at)
    return round(max(net - profile.capacity_mw, 0.0) + min(net + profile.capacity_mw, 0.0), 6)


def _at(hourly: Sequence[float], hour: float) -> float:
    whole = int(hour)
    part = hour - whole
    return hourly[whole] * (1 - part) + hourly[(whole + 1) % HOURS] * part


def _hours(plan: Mapping[str, Any], name: str) -> tuple[float, ...]:
    values = plan[name]
    if not isinstance(values, list) or len(values) != HOURS:
        raise InvalidScenario(f"{name} needs {HOURS} numbers, one for each full hour from 00:00 to 23:00.")
    return tuple(float(value) for value in values)
