"""Draws sessions from fitted tables: when cars come, how long they stay, what they need.

The tables are facts fitted by `scripts/fit_session_profiles.py`; each file names its sources and licences.
"""

import json
from dataclasses import dataclass
from importlib import resources
from typing import Any

import numpy as np
import numpy.typing as npt

from aggregator.core.interval import Interval
from aggregator.core.ptu import MARKET_ZONE, PTU_SECONDS
from assets.simulator.local_time import DAY, HOUR, instants, is_weekend, wall_clock
from assets.simulator.sessions import SHORTEST_STAY, Floats, Integers, Seconds, Sessions, plain_sessions, whole_minutes

DAY_TYPES = ("weekday", "weekend")
BLOCK_HOURS = 4
STAY_CLASSES = 4
QUANTILES = 21
CARDS_PER_CHARGER = 3
"""Assumed number of regulars at a charger."""
_BETWEEN_CARS = 5 * 60
_QUARTERS_PER_BLOCK = BLOCK_HOURS * HOUR // PTU_SECONDS


@dataclass(frozen=True, slots=True)
class Profile:
    """The tables of one category.

    `arrivals_per_day` (2,): plug-ins tried per charger and day by day type; some find the charger taken.
    `arrival_share` (2, 96): by day type and local quarter hour. `stay_hours` (2, 6, 21): quantiles by day type and
    arrival block of 4 h. `energy_kwh` (6, 4, 21): quantiles by arrival block and quarter of the stay distribution.
    `power_kw`, `power_share` (c,): power classes of the cars.
    """

    arrivals_per_day: Floats
    arrival_share: Floats
    stay_hours: Floats
    energy_kwh: Floats
    power_kw: Floats
    power_share: Floats


def load_profile(category: str) -> Profile:
    """Return the fitted tables of a category."""
    source = resources.files("assets.simulator").joinpath("profiles", f"{category}.json")
    return profile_from_document(json.loads(source.read_text(encoding="utf-8")))


def profile_from_document(document: dict[str, Any]) -> Profile:
    """Return the tables of a profile document."""
    return Profile(**{name: np.array(document[name], dtype=np.float64) for name in Profile.__annotations__})


def draw_sessions(
    *, profile: Profile, assets: Integers, max_power_kw: Floats, period: Interval, generator: np.random.Generator
) -> Sessions:
    """Return drawn sessions of `period` for the `assets`; `max_power_kw` is per position in the portfolio."""
    edges = np.array([int(period.starts_at.timestamp()), int(period.ends_at.timestamp())])
    first_day, last_day = wall_clock(edges, MARKET_ZONE) // DAY
    # Three days earlier too, for stays that reach into the period.
    midnights = np.arange(first_day - 3, last_day + 1) * DAY
    rate = profile.arrivals_per_day[is_weekend(midnights).astype(np.int64)]
    counts = generator.poisson(np.broadcast_to(rate, (len(assets), len(midnights))))
    asset = np.repeat(assets, counts.sum(axis=1))
    midnight = np.repeat(np.broadcast_to(midnights, counts.shape).ravel(), counts.ravel())
    day_type = is_weekend(midnight).astype(np.int64)
    quarter = _arrival_quarters(profile, day_type, generator)
    block = quarter // _QUARTERS_PER_BLOCK

    n = len(asset)
    rank = generator.random(n)
    stay_hours = _quantile(profile.stay_hours[day_type, block], rank)
    energy = _quantile(
        profile.energy_kwh[block, np.minimum((rank * STAY_CLASSES).astype(np.int64), STAY_CLASSES - 1)],
        generator.random(n),
    )
    plug_in = instants(midnight + quarter * PTU_SECONDS + generator.integers(0, PTU_SECONDS, n), MARKET_ZONE)
    plug_in = whole_minutes(plug_in)
    plug_out = np.maximum(whole_minutes(plug_in + (stay_hours * HOUR).astype(np.int64)), plug_in + SHORTEST_STAY)
    # A charger has its regulars: the same few cards, each with its own car.
    card = asset * CARDS_PER_CHARGER + generator.integers(0, CARDS_PER_CHARGER, n)
    # Energies were measured at the end of stays, so the car must have been able to take them.
    needed = energy / ((plug_out - plug_in) / HOUR)
    power = np.minimum(np.maximum(_car_power(profile, card), needed), max_power_kw[asset])
    energy = np.minimum(energy, power * (plug_out - plug_in) / HOUR)
    free = _charger_was_free(asset, plug_in, plug_out)
    within = (plug_out > edges[0]) & (plug_in < edges[1])
    chosen = free & within
    return plain_sessions(
        asset=asset[chosen],
        plug_in=plug_in[chosen],
        plug_out=plug_out[chosen],
        need_kwh=energy[chosen],
        power_kw=power[chosen],
        driver=card[chosen],
    )


def _arrival_quarters(profile: Profile, day_type: Integers, generator: np.random.Generator) -> Integers:
    cumulative = np.cumsum(profile.arrival_share / profile.arrival_share.sum(axis=1, keepdims=True), axis=1)
    draw = generator.random(len(day_type))
    quarter = np.empty(len(day_type), dtype=np.int64)
    for number in range(len(DAY_TYPES)):
        chosen = day_type == number
        quarter[chosen] = np.searchsorted(cumulative[number], draw[chosen], side="right")
    bounded: Integers = np.minimum(quarter, cumulative.shape[1] - 1)
    return bounded


def _quantile(tables: Floats, rank: Floats) -> Floats:
    """Return from each row's table of evenly spaced quantiles the value at its rank (0-1)."""
    place = rank * (QUANTILES - 1)
    below = np.minimum(place.astype(np.int64), QUANTILES - 2)
    row = np.arange(len(rank))
    low, high = tables[row, below], tables[row, below + 1]
    value: Floats = low + (high - low) * (place - below)
    return value


def _car_power(profile: Profile, card: Integers) -> Floats:
    """Return the car's power by its card, so that the same card brings the same car."""
    cumulative = np.cumsum(profile.power_share / profile.power_share.sum())
    # The fractional part of multiples of the golden ratio spreads cards evenly over 0-1.
    draw = card * 0.6180339887498949 % 1
    power: Floats = profile.power_kw[np.minimum(np.searchsorted(cumulative, draw, side="right"), len(cumulative) - 1)]
    return power


def _charger_was_free(asset: Integers, plug_in: Seconds, plug_out: Seconds) -> npt.NDArray[np.bool_]:
    """Tell which cars found their charger free, first come first served."""
    free = np.zeros(len(asset), dtype=bool)
    taken_until: dict[int, int] = {}
    order = np.lexsort((plug_in, asset))
    for index, where, start, end in zip(
        order.tolist(), asset[order].tolist(), plug_in[order].tolist(), plug_out[order].tolist(), strict=True
    ):
        if start >= taken_until.get(where, 0):
            free[index] = True
            taken_until[where] = end + _BETWEEN_CARS
    return free
