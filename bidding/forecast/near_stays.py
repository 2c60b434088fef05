"""Stays from comparable sessions, nearest first: what the base install forecasts with.

Two parts meet in one set of weights. A *known* charger (or card) is forecast from its own sessions; a *newcomer* from
sessions anywhere that began at about the same time on the same kind of day. Own sessions weigh what they count, all
pool sessions together weigh as much as `POOL_WEIGHT` of them, so a charger moves from newcomer to known by itself.
Samples keep stay and energy together.

Source: nearest-neighbour conditional distributions, Stone, "Consistent nonparametric regression" (1977).
"""

import numpy as np
from numpy.typing import NDArray

from bidding.forecast.local_time import day_number, hour_of_day, is_day_off, local_seconds
from bidding.forecast.own_sessions import OwnSessions
from bidding.forecast.sessions import SessionTable
from bidding.forecast.stays import Cars, StaySamples

Floats = NDArray[np.float64]

OWN_SESSIONS = 32
POOL_SESSIONS = 160
POOL_RECENT = 4000
"""Older sessions leave the pool: what stays are weeks of a large fleet, months of a small one."""

POOL_WEIGHT = 4.0
HOURS_ALIKE = 1.5
OTHER_KIND_OF_DAY = 0.2
HALF_LIFE_SESSIONS = 16
"""Of a charger's own sessions, the 16th before counts half: habits change with the car and the resident."""

DAY_H = 24.0


class NearStays:
    """Looks up comparable sessions in a history of completed ones; nothing is fitted, so any past car may calibrate."""

    calibrated_from_s = 0

    def __init__(self, history: SessionTable, *, timezone: str, now_s: int) -> None:
        del now_s  # the history ends there
        local_s = local_seconds(history.plug_in_s, timezone=timezone)
        self._history = history
        self._timezone = timezone
        self._hour = hour_of_day(local_s)
        self._is_day_off = is_day_off(day_number(local_s), timezone=timezone)
        self._earlier = OwnSessions(history)
        recent = np.arange(max(len(history) - POOL_RECENT, 0), len(history))
        self._pool = recent[np.argsort(self._hour[recent], kind="stable")]

    def samples(self, cars: Cars, *, as_newcomers: bool = False) -> StaySamples:
        """Return own and pool sessions of each car, (m, 192), with weights."""
        own, own_weight = self._own(cars)
        if as_newcomers:
            own_weight = np.zeros_like(own_weight)
        pool, pool_weight = self._near(cars)
        rows = np.concatenate([own, pool], axis=1)
        return StaySamples(
            stay_s=(self._history.plug_out_s - self._history.plug_in_s)[rows].astype(np.float64),
            energy_kwh=self._history.energy_kwh[rows],
            weight=np.concatenate([own_weight, pool_weight], axis=1),
            is_known=own_weight.sum(axis=1) > 0,
        )

    def _own(self, cars: Cars) -> tuple[NDArray[np.intp], Floats]:
        """Return the last sessions at each car's charger before it came, (m, OWN_SESSIONS), and their weights."""
        rows, is_own = self._earlier.before(cars, OWN_SESSIONS)
        weight = self._alike(cars, rows) * 0.5 ** (np.arange(OWN_SESSIONS) / HALF_LIFE_SESSIONS)
        return rows, np.where(is_own, weight, 0.0)

    def _near(self, cars: Cars) -> tuple[NDArray[np.intp], Floats]:
        """Return pool sessions that began nearest in time of day, (m, k), weights adding up to POOL_WEIGHT."""
        count = min(POOL_SESSIONS, len(self._pool))
        hour = hour_of_day(local_seconds(cars.plug_in_s, timezone=self._timezone))
        place = np.searchsorted(self._hour[self._pool], hour)
        rows = self._pool[(place[:, None] + np.arange(count) - count // 2) % len(self._pool)]
        itself = (self._history.plug_in_s[rows] == cars.plug_in_s[:, None]) & (
            self._history.charger[rows] == cars.charger[:, None]
        )
        weight = self._alike(cars, rows) * ~itself
        total = weight.sum(axis=1, keepdims=True)
        return rows, np.divide(POOL_WEIGHT * weight, total, out=np.zeros_like(weight), where=total > 0)

    def _alike(self, cars: Cars, rows: NDArray[np.intp]) -> Floats:
        """Return how alike sessions are to the cars' in time of day and kind of day, in (0, 1]."""
        local_s = local_seconds(cars.plug_in_s, timezone=self._timezone)
        apart_h = np.abs(hour_of_day(local_s)[:, None] - self._hour[rows])
        apart_h = np.minimum(apart_h, DAY_H - apart_h)
        day_off = is_day_off(day_number(local_s), timezone=self._timezone)
        same_kind = np.where(day_off[:, None] == self._is_day_off[rows], 1.0, OTHER_KIND_OF_DAY)
        return np.asarray(np.exp(-0.5 * (apart_h / HOURS_ALIKE) ** 2) * same_kind)
