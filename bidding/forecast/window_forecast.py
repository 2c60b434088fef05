"""Scenarios of what groups of chargers can deliver in every PTU of one window, seen from bidding time.

Each scenario takes one past day for all groups (arrivals, with their common shocks) and draws for every car plugged
in now when it will leave and what it will take. The power a scenario offers is the sum of what each car can hold.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from bidding.forecast.arrivals import PastArrivals, past_arrivals
from bidding.forecast.baselines import PriceCurve
from bidding.forecast.capacity import COMPONENTS, Sessions, window_capacity
from bidding.forecast.like_days import LikeDays, like_days
from bidding.forecast.near_stays import NearStays
from bidding.forecast.sessions import PluggedIn, SessionTable
from bidding.forecast.stays import StayForecast, StayModels, forecast_stays

Floats = NDArray[np.float64]

PAIRS_AT_ONCE = 2**13
"""Car and sample pairs handled at once: temporaries of half a megabyte stay in the processor's cache."""

FEWEST_DAYS = 10
"""With fewer like days there is no forecast, hence no bid."""


class Traits(Protocol):
    """What the cars at each charger can do; arrays of shape (chargers,)."""

    @property
    def floor_kw(self) -> Floats:
        """Power below which a car that cannot pause never goes."""
        ...

    @property
    def v2g(self) -> NDArray[np.bool_]:
        """Whether the car may discharge."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class ChargerGroup:
    """Chargers that are forecast together: one category of one partner, or a whole file.

    Attributes:
        name: category, for the explanation.
        history: sessions completed at bidding time.
        plugged_in: cars plugged in at bidding time, chargers numbered as in `history`.
        traits: per charger number, covering both.
        stays: what forecasts departure and energy of the cars plugged in.
    """

    name: str
    history: SessionTable
    plugged_in: PluggedIn
    traits: Traits
    stays: StayModels = NearStays


@dataclass(frozen=True, slots=True)
class ForecastWindow:
    """The block asked for and the moment of asking, UTC epoch seconds."""

    now_s: int
    starts_s: int
    ends_s: int
    direction: Literal["reduce", "increase"]
    timezone: str
    ptu_s: int = 900
    prices: PriceCurve | None = None

    @property
    def edges_s(self) -> NDArray[np.int64]:
        """PTU boundaries, shape (T + 1,)."""
        return np.arange(self.starts_s, self.ends_s + 1, self.ptu_s, dtype=np.int64)

    @property
    def steps(self) -> int:
        """Number of PTUs, T."""
        return (self.ends_s - self.starts_s) // self.ptu_s


@dataclass(frozen=True, slots=True, eq=False)
class GroupScenarios:
    """Power of one group per scenario and PTU; arrays of shape (S, 4, T), second axis as `capacity.COMPONENTS`."""

    name: str
    plugged_in_kw: Floats
    arrivals_kw: Floats

    @property
    def total_kw(self) -> Floats:
        """Both parts together."""
        return self.plugged_in_kw + self.arrivals_kw


@dataclass(frozen=True, slots=True, eq=False)
class WindowForecast:
    """S scenarios of a window; `days` tells which past days they were drawn from."""

    groups: tuple[GroupScenarios, ...]
    days: LikeDays

    @property
    def capacity_kw(self) -> Floats:
        """Power of all groups per scenario and PTU, (S, T)."""
        return np.asarray(np.sum([group.total_kw[:, 0, :] for group in self.groups], axis=0))


def forecast_window(
    groups: Sequence[ChargerGroup],
    window: ForecastWindow,
    *,
    scenarios: int,
    rng: np.random.Generator,
    outdoor_c: dict[int, float] | None = None,
) -> WindowForecast | None:
    """Draw scenarios for a window; None while there are fewer than `FEWEST_DAYS` like days to draw from.

    Args:
        groups: chargers that share the days' common shocks.
        window: what is asked, and when.
        scenarios: S.
        rng: the only source of chance.
        outdoor_c: mean outdoor temperature by local day number (see `like_days`).
    """
    plug_ins_s = [group.history.plug_in_s for group in groups]
    known_s = plug_ins_s[0] if len(plug_ins_s) == 1 else np.sort(np.concatenate(plug_ins_s))
    days = like_days(
        known_s,
        now_s=window.now_s,
        starts_s=window.starts_s,
        ends_s=window.ends_s,
        timezone=window.timezone,
        outdoor_c=outdoor_c,
    )
    if len(days) < FEWEST_DAYS:
        return None
    drawn_day = _systematic(days.weight, scenarios, rng)
    return WindowForecast(
        groups=tuple(_group_scenarios(group, window, days, drawn_day, rng) for group in groups), days=days
    )


def _systematic(weight: Floats, draws: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Draw indices with these weights, evenly spread (systematic resampling), in random order."""
    levels = (np.arange(draws) + rng.random()) / draws
    drawn = np.searchsorted(np.cumsum(weight) / weight.sum(), levels, side="right")
    return np.asarray(rng.permutation(np.minimum(drawn, len(weight) - 1)))


def _group_scenarios(
    group: ChargerGroup,
    window: ForecastWindow,
    days: LikeDays,
    drawn_day: NDArray[np.intp],
    rng: np.random.Generator,
) -> GroupScenarios:
    stays = forecast_stays(
        group.history, group.plugged_in, models=group.stays, timezone=window.timezone, now_s=window.now_s
    )
    drawn_stays = _DrawnStays(stays=stays, chosen=stays.draw(_even_uniforms(len(stays), len(drawn_day), rng)))
    return GroupScenarios(
        name=group.name,
        plugged_in_kw=_plugged_in_kw(group, window, drawn_stays),
        arrivals_kw=_arrivals_kw(group, window, days, drawn_day, drawn_stays),
    )


def _even_uniforms(rows: int, columns: int, rng: np.random.Generator) -> Floats:
    """Uniforms that cover [0, 1) evenly within each row, in an order of their own per row."""
    order = np.argsort(rng.random((rows, columns)), axis=1)
    return np.asarray((order + rng.random((rows, columns))) / columns)


@dataclass(frozen=True, slots=True, eq=False)
class _DrawnStays:
    """Samples of the cars plugged in now, and which of them each scenario drew, (m, S)."""

    stays: StayForecast
    chosen: NDArray[np.intp]

    def plug_out_s(self, car: NDArray[np.int64], scenario: NDArray[np.intp]) -> Floats:
        """Departure of some cars in some scenarios, (cars, scenarios)."""
        return np.asarray(self.stays.plug_out_s[car[:, None], self.chosen[car][:, scenario]])


def _plugged_in_kw(group: ChargerGroup, window: ForecastWindow, drawn: _DrawnStays) -> Floats:
    stays, chosen = drawn.stays, drawn.chosen
    cars, draws = chosen.shape
    total = np.zeros((draws, len(COMPONENTS), window.steps))
    samples = stays.weight.shape[1]
    at_once = max(PAIRS_AT_ONCE // max(samples, draws), 1)
    for start in range(0, cars, at_once):
        some = slice(start, min(start + at_once, cars))
        used = stays.weight[some] > 0
        car, sample = np.nonzero(used)
        place = np.cumsum(used).reshape(used.shape) - 1
        car = car + start
        charger = group.plugged_in.charger[car]
        capacity = window_capacity(
            Sessions(
                plug_in_s=group.plugged_in.plug_in_s[car],
                plug_out_s=np.ceil(stays.plug_out_s[car, sample]).astype(np.int64),
                energy_kwh=stays.energy_kwh[car, sample],
                power_kw=group.plugged_in.power_kw[car],
                floor_kw=group.traits.floor_kw[charger],
                v2g=group.traits.v2g[charger],
            ),
            edges_s=window.edges_s,
            direction=window.direction,
            prices=window.prices,
        ).stacked()
        taken = np.take_along_axis(place, chosen[some], axis=1)
        for row in taken:
            total += capacity[row]
    return total


def _arrivals_kw(
    group: ChargerGroup,
    window: ForecastWindow,
    days: LikeDays,
    drawn_day: NDArray[np.intp],
    drawn_stays: _DrawnStays,
) -> Floats:
    past = past_arrivals(
        group.history,
        group.plugged_in,
        now_s=window.now_s,
        ends_s=window.ends_s,
        day_starts_s=days.starts_s,
        window_starts_s=window.starts_s,
    )
    history = group.history
    moved = Sessions(
        plug_in_s=history.plug_in_s[past.row] + past.shift_s,
        plug_out_s=history.plug_out_s[past.row] + past.shift_s,
        energy_kwh=history.energy_kwh[past.row],
        power_kw=history.power_kw[past.row],
        floor_kw=group.traits.floor_kw[past.charger],
        v2g=group.traits.v2g[past.charger],
    )
    capacity = window_capacity(
        moved, edges_s=window.edges_s, direction=window.direction, prices=window.prices
    ).stacked()
    car_at = np.full(past.donor_day.shape[1], -1)
    car_at[group.plugged_in.charger] = np.arange(len(group.plugged_in))
    is_free = car_at[past.charger] < 0
    by_day = _free_chargers_kw(past, capacity, is_free, days=len(days))
    total = by_day[drawn_day]
    for day in np.unique(drawn_day):
        rows = np.flatnonzero((past.day == day) & ~is_free)
        if len(rows):
            drawn = np.flatnonzero(drawn_day == day)
            car = car_at[past.charger[rows]]
            leaves_s = drawn_stays.plug_out_s(car, drawn)
            comes = (leaves_s <= moved.plug_in_s[rows][:, None]).astype(np.float64)
            total[drawn] += np.tensordot(comes.T, capacity[rows], axes=1)
    return np.asarray(total)


def _free_chargers_kw(past: PastArrivals, capacity: Floats, is_free: NDArray[np.bool_], *, days: int) -> Floats:
    """Sum the arrivals at chargers that are free now, for each day a scenario may draw, (D, 4, T)."""
    rows = np.flatnonzero(is_free & (capacity[:, 1, :].max(axis=1, initial=0.0) > 0))
    total = np.zeros((days, *capacity.shape[1:]))
    charger, day = past.charger[rows], past.day[rows]
    for drawn in range(days):
        used = rows[past.donor_day[drawn, charger] == day]
        total[drawn] = capacity[used].sum(axis=0)
    return total
