"""Scenarios of what groups of chargers can deliver in every PTU of one window, seen from bidding time.

Each scenario takes one past day for all groups (arrivals, with their common shocks) and draws for every car plugged
in now when it will leave and what it will take. The power a scenario offers is the sum of what each car can hold.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from bidding.forecast.arrivals import PastArrivals, past_arrivals
from bidding.forecast.baselines import PriceCurve
from bidding.forecast.capacity import COMPONENTS, Sessions, window_capacity
from bidding.forecast.declarations import Declarations
from bidding.forecast.like_days import LikeDays, like_days
from bidding.forecast.near_stays import NearStays
from bidding.forecast.sessions import PluggedIn, SessionTable
from bidding.forecast.stays import StayForecast, StayForecaster, StayModels

Floats = NDArray[np.float64]

PAIRS_AT_ONCE = 2**13
"""Car and sample pairs handled at once: temporaries of half a megabyte stay in the processor's cache."""

CARS_AT_ONCE = 2048
"""Cars forecast at once: their samples take some 50 MB however large the fleet."""

FAR_OFF_S = 2**31 - 1

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
        energy_in_kwh: what the cars plugged in have taken so far, (m,); None where not told. A car that is still there
            since a past window is seen by it as one that came for that much.
        declared: what drivers said in all these sessions and when, to see past windows as they were known then. None:
            drivers say nothing, and every car tells by itself what it wants while it is plugged in.
    """

    name: str
    history: SessionTable
    plugged_in: PluggedIn
    traits: Traits
    stays: StayModels = NearStays
    energy_in_kwh: Floats | None = None
    declared: Declarations | None = None


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
    outdoor_c: Mapping[int, float] | None = None,
) -> WindowForecast | None:
    """Draw scenarios for a window; None without chargers, or with fewer than `FEWEST_DAYS` like days to draw from.

    Args:
        groups: chargers that share the days' common shocks.
        window: what is asked, and when.
        scenarios: S.
        rng: the only source of chance.
        outdoor_c: mean outdoor temperature by local day number (see `like_days`).
    """
    if not groups:
        return None
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
    """Forecast the cars plugged in a portion at a time, so that memory holds no more than their drawn departures."""
    stays = StayForecaster(group.history, models=group.stays, timezone=window.timezone, now_s=window.now_s)
    cars, draws = len(group.plugged_in), len(drawn_day)
    plugged_in_kw = np.zeros((draws, len(COMPONENTS), window.steps))
    left_s = np.empty((cars, draws), dtype=np.int32)
    for start in range(0, cars, CARS_AT_ONCE):
        some = slice(start, start + CARS_AT_ONCE)
        part = group.plugged_in.take(some)
        forecast = stays.forecast(part)
        chosen = forecast.draw(draws, rng)
        _add_plugged_in_kw(plugged_in_kw, part, forecast, chosen, group=group, window=window)
        leaves_s = np.ceil(np.take_along_axis(forecast.plug_out_s, chosen, axis=1))
        left_s[some] = np.minimum(leaves_s - window.now_s, FAR_OFF_S)
    return GroupScenarios(
        name=group.name,
        plugged_in_kw=plugged_in_kw,
        arrivals_kw=_arrivals_kw(group, window, days, drawn_day, left_s),
    )


def _add_plugged_in_kw(
    total_kw: Floats,
    cars: PluggedIn,
    forecast: StayForecast,
    chosen: NDArray[np.intp],
    *,
    group: ChargerGroup,
    window: ForecastWindow,
) -> None:
    """Add what cars can hold, (S, 4, T), from the samples that were drawn (m, S); each is worked out once."""
    samples = forecast.weight.shape[1]
    at_once = max(PAIRS_AT_ONCE // max(samples, chosen.shape[1]), 1)
    for start in range(0, len(cars), at_once):
        taken = chosen[start : start + at_once]
        is_drawn = np.zeros((len(taken), samples), dtype=np.bool_)
        np.put_along_axis(is_drawn, taken, values=True, axis=1)
        car, sample = np.nonzero(is_drawn)
        place = np.cumsum(is_drawn).reshape(is_drawn.shape) - 1
        car += start
        charger = cars.charger[car]
        capacity_kw = window_capacity(
            Sessions(
                plug_in_s=cars.plug_in_s[car],
                plug_out_s=np.ceil(forecast.plug_out_s[car, sample]).astype(np.int64),
                energy_kwh=forecast.energy_kwh[car, sample],
                power_kw=cars.power_kw[car],
                floor_kw=group.traits.floor_kw[charger],
                v2g=group.traits.v2g[charger],
            ),
            edges_s=window.edges_s,
            direction=window.direction,
            prices=window.prices,
        ).stacked()
        for row in np.take_along_axis(place, taken, axis=1):
            total_kw += capacity_kw[row]


def _arrivals_kw(
    group: ChargerGroup,
    window: ForecastWindow,
    days: LikeDays,
    drawn_day: NDArray[np.intp],
    left_s: NDArray[np.int32],
) -> Floats:
    """Return what cars that still come can hold, (S, 4, T).

    A charger that is free now brings what it brought on the donor day of the day drawn; one that is taken, only what
    came on that day after the drawn departure of its car, `left_s` (m, S) after bidding time. The first day on which a
    charger was known stands for all days before it.
    """
    past = past_arrivals(
        group.history,
        group.plugged_in,
        now_s=window.now_s,
        ends_s=window.ends_s,
        day_starts_s=days.starts_s,
        window_starts_s=window.starts_s,
    )
    car_at = np.full(past.donor_day.shape[1], -1)
    car_at[group.plugged_in.charger] = np.arange(len(group.plugged_in))
    of_day = np.searchsorted(past.day, np.arange(len(days) + 1))
    free_kw = np.zeros((len(days), len(COMPONENTS), window.steps))
    total_kw = np.zeros((len(drawn_day), *free_kw.shape[1:]))
    for day in range(len(days)):
        rows = slice(of_day[day], of_day[day + 1])
        sessions = _moved(group, past, rows)
        capacity_kw = window_capacity(
            sessions, edges_s=window.edges_s, direction=window.direction, prices=window.prices
        ).stacked()
        car = car_at[past.charger[rows]]
        free, taken = np.flatnonzero(car < 0), np.flatnonzero(car >= 0)
        is_donor = past.donor_day[:, past.charger[rows][free]] == day
        free_kw += np.tensordot(is_donor.astype(np.float64), capacity_kw[free], axes=1)
        is_gone_by_s = sessions.plug_in_s - window.now_s
        is_first = (past.donor_day[0, past.charger[rows]] == day) & (day > 0)
        for arrival, drawn in (
            (taken, np.flatnonzero(drawn_day == day)),
            (taken[is_first[taken]], np.flatnonzero(drawn_day < day)),
        ):
            if len(arrival) and len(drawn):
                is_gone = left_s[car[arrival][:, None], drawn] <= is_gone_by_s[arrival][:, None]
                total_kw[drawn] += np.tensordot(is_gone.T.astype(np.float64), capacity_kw[arrival], axes=1)
    return np.asarray(total_kw + free_kw[drawn_day])


def _moved(group: ChargerGroup, past: PastArrivals, rows: slice) -> Sessions:
    """Return arrivals of a past day as they would be today."""
    history, row, charger = group.history, past.row[rows], past.charger[rows]
    return Sessions(
        plug_in_s=history.plug_in_s[row] + past.shift_s[rows],
        plug_out_s=history.plug_out_s[row] + past.shift_s[rows],
        energy_kwh=history.energy_kwh[row],
        power_kw=history.power_kw[row],
        floor_kw=group.traits.floor_kw[charger],
        v2g=group.traits.v2g[charger],
    )
