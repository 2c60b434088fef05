"""What a dispatcher may expect of a car it has just seen plugged in: a weighted handful of earlier sessions.

Two sources: the last sessions at the same charger, and recent sessions anywhere that began at about the same time of
day. Joint samples keep what belongs together (who stays long also takes more). A k-nearest-neighbour estimate.

The handful is picked from many, because few fit: only sessions that lasted longer than the car has been here. How much
that tells is measured by `python -m scripts.departure_surprise`.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bidding.forecast.local_time import day_number, hour_of_day, is_day_off, local_seconds
from bidding.forecast.sessions import SessionTable

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]

OWN_SESSIONS = 80
POOL_SESSIONS = 400
"""The nearest in time of day of the last `POOL_RECENT` on the same kind of day."""

POOL_RECENT = 2000

SAMPLES = 128
"""Of each car: the nearest of these that fit, a quarter from its own charger."""

SAMPLES_AT_ONCE = 500_000
"""Of all cars together, for memory and time: in larger fleets each car has fewer."""

FEWEST_SAMPLES = 24
CARS_AT_ONCE = 2_000
NONE = -1

KERNEL_H = 1.5
DAY_H = 24.0


@dataclass(frozen=True, slots=True, eq=False)
class Outlook:
    """Samples of the whole stay and energy of n cars; arrays of shape (n, k).

    The first `own` columns are sessions of the car's own charger, the others come from the pool. Weights say how alike
    a sample is to the car within its source; how the two sources weigh against each other is for the reader to say.
    """

    stay_h: Floats
    energy_kwh: Floats
    weight: Floats
    own: int

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_] | slice) -> "Outlook":
        """Return the samples of some cars."""
        return Outlook(
            stay_h=self.stay_h[rows], energy_kwh=self.energy_kwh[rows], weight=self.weight[rows], own=self.own
        )

    def told(self, *, stay_h: Floats, energy_kwh: Floats) -> "Outlook":
        """Return the samples where what drivers declared replaces each of theirs; (n,) each, NaN where not said."""
        return replace(
            self,
            stay_h=np.where(np.isnan(stay_h)[:, None], self.stay_h, stay_h[:, None]),
            energy_kwh=np.where(np.isnan(energy_kwh)[:, None], self.energy_kwh, energy_kwh[:, None]),
        )


class OutlookModel:
    """Looks up comparable sessions; built once on a table, it only ever uses rows completed at the asked instant."""

    def __init__(self, sessions: SessionTable, *, timezone: str) -> None:
        self._sessions = sessions
        local_s = local_seconds(sessions.plug_in_s, timezone=timezone)
        self._local_h = hour_of_day(local_s)
        self._is_day_off = is_day_off(day_number(local_s), timezone=timezone)
        self._by_charger = np.lexsort((sessions.plug_in_s, sessions.charger))
        self._place = np.empty(len(sessions), dtype=np.intp)
        self._place[self._by_charger] = np.arange(len(sessions))
        self._stay_h = sessions.stay_h

    def of(self, rows: Rows, *, now_s: int, samples_at_once: int = SAMPLES_AT_ONCE) -> Outlook:
        """Return the outlook of the sessions in some rows, from their charger and plug-in and the past at `now_s`.

        Args:
            rows: the cars, m sessions of the table.
            now_s: UTC epoch seconds; the pool holds sessions completed by then.
            samples_at_once: of all cars together, from which follows how many each has.
        """
        each = min(max(samples_at_once // max(len(rows), 1), FEWEST_SAMPLES), SAMPLES)
        own = each // 4
        pools = [self._recent(now_s, day_off=day_off) for day_off in (False, True)]
        chosen, weight = np.empty((len(rows), each), dtype=np.intp), np.empty((len(rows), each))
        for first in range(0, len(rows), CARS_AT_ONCE):
            part = slice(first, first + CARS_AT_ONCE)
            cars = rows[part]
            chosen[part, :own], weight[part, :own] = self._nearest(cars, self._own_charger(cars), own, now_s)
            near = self._near(cars, pools)
            chosen[part, own:], weight[part, own:] = self._nearest(cars, near, each - own, now_s)
        return Outlook(
            stay_h=self._stay_h[chosen], energy_kwh=self._sessions.energy_kwh[chosen], weight=weight, own=own
        )

    def _own_charger(self, rows: Rows) -> Rows:
        """Return the previous sessions at the same charger, `NONE` in excess; all ended before the car came."""
        places = self._place[rows][:, None] - np.arange(1, OWN_SESSIONS + 1)
        earlier = self._by_charger[np.maximum(places, 0)]
        is_own = (places >= 0) & (self._sessions.charger[earlier] == self._sessions.charger[rows][:, None])
        return np.where(is_own, earlier, NONE)

    def _recent(self, now_s: int, *, day_off: bool) -> Rows:
        """Return the last completed sessions of a kind of day, by time of day."""
        started = int(np.searchsorted(self._sessions.plug_in_s, now_s, side="left"))
        done = (self._sessions.plug_out_s[:started] <= now_s) & (self._is_day_off[:started] == day_off)
        pool = np.flatnonzero(done)[-POOL_RECENT:]
        return pool[np.argsort(self._local_h[pool], kind="stable")]

    def _near(self, rows: Rows, pools: list[Rows]) -> Rows:
        """Return the sessions of each car's kind of day nearest in time of day; `NONE` without any."""
        near = np.full((len(rows), POOL_SESSIONS), NONE)
        for day_off, pool in enumerate(pools):
            asked = self._is_day_off[rows] == bool(day_off)
            count = min(POOL_SESSIONS, len(pool))
            if asked.any() and count:
                place = np.searchsorted(self._local_h[pool], self._local_h[rows[asked]])
                near[asked, :count] = pool[(place[:, None] + np.arange(count) - count // 2) % len(pool)]
        return near

    def _nearest(self, rows: Rows, others: Rows, count: int, now_s: int) -> tuple[Rows, Floats]:
        """Return so many of the sessions, the nearest in time of day of those that lasted longer than the car is here.

        Many begin at the same minute, and which of them are taken must not depend on the processor: of equals the first
        in order. Sessions that weigh nothing fill up what is missing.
        """
        elapsed_h = (now_s - self._sessions.plug_in_s[rows]) / 3600
        apart_h = np.abs(self._local_h[others] - self._local_h[rows][:, None])
        np.minimum(apart_h, DAY_H - apart_h, out=apart_h)
        apart_h[(self._stay_h[others] <= elapsed_h[:, None]) | (others == NONE)] = np.inf
        nearest = np.argsort(apart_h, axis=1, kind="stable")[:, :count]
        weight = np.exp(-0.5 * (np.take_along_axis(apart_h, nearest, axis=1) / KERNEL_H) ** 2)
        return np.take_along_axis(others, nearest, axis=1), weight
