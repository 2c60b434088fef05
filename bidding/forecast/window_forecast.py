"""Scenarios of what groups of chargers can deliver in every PTU of one window, seen from bidding time.

Each scenario takes one past day for all groups (arrivals, with their common shocks) and draws for every car plugged
in now when it will leave and what it will take. The power a scenario offers is what its cars can hold together.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bidding.forecast.arrivals import PastArrivals, past_arrivals
from bidding.forecast.baselines import PriceCurve
from bidding.forecast.declarations import Declarations
from bidding.forecast.drawn_sessions import Sessions
from bidding.forecast.like_days import DATA_GAP_S, LikeDays, like_days
from bidding.forecast.near_stays import NearStays
from bidding.forecast.offer_totals import OfferTotals
from bidding.forecast.offers import Blocks, Direction, Offer, Room
from bidding.forecast.sessions import PluggedIn, SessionTable
from bidding.forecast.stays import StayForecaster, StayModels

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

HOUR_S = 3600

PAIRS_AT_ONCE = 2**14
"""Cars of scenarios handled at once: temporaries of 128 kB stay in the processor's cache."""

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
        reported_s: when the source of the sessions reported anything, of other chargers too, ascending; None where only
            the group's own plug-ins tell that there was data.
    """

    name: str
    history: SessionTable
    plugged_in: PluggedIn
    traits: Traits
    stays: StayModels = NearStays
    energy_in_kwh: Floats | None = None
    declared: Declarations | None = None
    reported_s: Integers | None = None


@dataclass(frozen=True, slots=True)
class ForecastWindow:
    """The block asked for and the moment of asking, UTC epoch seconds."""

    now_s: int
    starts_s: int
    ends_s: int
    direction: Direction
    timezone: str
    ptu_s: int = 900
    prices: PriceCurve | None = None

    @property
    def edges_s(self) -> NDArray[np.int64]:
        """PTU boundaries, shape (T + 1,)."""
        return np.arange(self.starts_s, self.ends_s + 1, self.ptu_s, dtype=np.int64)

    @property
    def blocks(self) -> Blocks:
        """The window cut in blocks for the sets of its PTUs."""
        return Blocks(ptus=(self.ends_s - self.starts_s) // self.ptu_s, ptu_h=self.ptu_s / HOUR_S)

    @property
    def steps(self) -> int:
        """Number of PTUs, T."""
        return self.blocks.ptus

    def totals(self, scenarios: int) -> OfferTotals:
        """Return S scenarios without sessions, to be filled."""
        known = None if self.prices is None else self.prices.published_by(self.now_s, timezone=self.timezone)
        return OfferTotals(self.edges_s, direction=self.direction, scenarios=scenarios, prices=known)


@dataclass(frozen=True, slots=True, eq=False)
class GroupScenarios:
    """What one group offers per scenario: the cars plugged in at bidding time, and those that still come."""

    name: str
    plugged_in: Offer
    arrivals: Offer


@dataclass(frozen=True, slots=True, eq=False)
class WindowForecast:
    """S scenarios of a window; `days` tells which past days they were drawn from."""

    window: ForecastWindow
    groups: tuple[GroupScenarios, ...]
    days: LikeDays

    @property
    def offer(self) -> Offer:
        """All groups together."""
        return reduce(add, (part for group in self.groups for part in (group.plugged_in, group.arrivals)))

    def room(self, added_kw: Floats | float = 0.0) -> Room:
        """Return what can be held, with what assets without sessions add in each PTU, (S, T)."""
        return Room.of(self.offer, self.window.blocks, self.window.direction, added_kw=added_kw)


def forecast_window(
    groups: Sequence[ChargerGroup],
    window: ForecastWindow,
    *,
    scenarios: int,
    rng: np.random.Generator,
    outdoor_c: Mapping[int, float] | None = None,
) -> WindowForecast | None:
    """Draw scenarios for a window; None without data of late, or with fewer than `FEWEST_DAYS` like days to draw from.

    Args:
        groups: chargers that share the days' common shocks.
        window: what is asked, and when.
        scenarios: S.
        rng: the only source of chance.
        outdoor_c: mean outdoor temperature by local day number (see `like_days`).
    """
    known_s = known_plug_ins_s(groups)
    if not len(known_s) or window.now_s - known_s[-1] > DATA_GAP_S:
        return None
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
        window=window,
        groups=tuple(_group_scenarios(group, window, days, drawn_day, rng) for group in groups),
        days=days,
    )


def known_plug_ins_s(groups: Sequence[ChargerGroup]) -> Integers:
    """Return the instants by which data is told from a hole in it, ascending."""
    parts = [(group.history.plug_in_s, group.plugged_in.plug_in_s, group.reported_s) for group in groups]
    known = [part for some in parts for part in some if part is not None]
    return np.sort(np.concatenate(known), kind="stable") if known else np.zeros(0, dtype=np.int64)


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
    plugged_in = window.totals(draws)
    left_s = np.empty((cars, draws), dtype=np.int32)
    for start in range(0, cars, CARS_AT_ONCE):
        some = slice(start, start + CARS_AT_ONCE)
        part = group.plugged_in.take(some)
        forecast = stays.forecast(part)
        chosen = forecast.draw(draws, rng)
        leaves_s = np.ceil(np.take_along_axis(forecast.plug_out_s, chosen, axis=1)).astype(np.int64)
        energy_kwh = np.take_along_axis(forecast.energy_kwh, chosen, axis=1)
        _add_plugged_in(plugged_in, group, part, leaves_s=leaves_s, energy_kwh=energy_kwh)
        left_s[some] = np.minimum(leaves_s - window.now_s, FAR_OFF_S)
    return GroupScenarios(
        name=group.name,
        plugged_in=plugged_in.offer(),
        arrivals=_arrivals(group, window, days, drawn_day, left_s),
    )


def _add_plugged_in(
    totals: OfferTotals, group: ChargerGroup, cars: PluggedIn, *, leaves_s: Integers, energy_kwh: Floats
) -> None:
    """Add cars with what was drawn for them in each scenario, (m, S), some scenarios at a time."""
    draws = leaves_s.shape[1]
    at_once = max(PAIRS_AT_ONCE // max(len(cars), 1), 1)
    for first in range(0, draws, at_once):
        some = slice(first, first + at_once)
        scenarios = np.arange(draws)[some]
        each = np.tile(np.arange(len(cars)), len(scenarios))
        charger = cars.charger[each]
        totals.add(
            Sessions(
                plug_in_s=cars.plug_in_s[each],
                plug_out_s=leaves_s[:, some].ravel(order="F"),
                energy_kwh=energy_kwh[:, some].ravel(order="F"),
                power_kw=cars.power_kw[each],
                floor_kw=group.traits.floor_kw[charger],
                v2g=group.traits.v2g[charger],
            ),
            np.repeat(scenarios, len(cars)),
        )


def _arrivals(
    group: ChargerGroup,
    window: ForecastWindow,
    days: LikeDays,
    drawn_day: NDArray[np.intp],
    left_s: NDArray[np.int32],
) -> Offer:
    """Return what cars that still come offer.

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
    at_free, at_taken = window.totals(len(days)), window.totals(len(drawn_day))
    for day in range(len(days)):
        rows = slice(of_day[day], of_day[day + 1])
        sessions = _moved(group, past, rows)
        charger = past.charger[rows]
        car = car_at[charger]
        free, taken = np.flatnonzero(car < 0), np.flatnonzero(car >= 0)
        for_day, arrival = np.nonzero(past.donor_day[:, charger[free]] == day)
        at_free.add(sessions.take(free[arrival]), for_day)
        is_gone_by_s = sessions.plug_in_s - window.now_s
        is_first = (past.donor_day[0, charger] == day) & (day > 0)
        for come, drawn in (
            (taken, np.flatnonzero(drawn_day == day)),
            (taken[is_first[taken]], np.flatnonzero(drawn_day < day)),
        ):
            scenario, arrival = np.nonzero(is_gone_by_s[come] >= left_s[car[come][:, None], drawn].T)
            at_taken.add(sessions.take(come[arrival]), drawn[scenario])
    return at_taken.offer() + at_free.offer().take(drawn_day)


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
