"""What a dispatcher may expect of a car it has just seen plugged in: a weighted handful of earlier sessions.

Two sources: the last sessions at the same charger, and recent sessions anywhere that began at about the same time of
day. Joint samples keep what belongs together (who stays long also takes more). A k-nearest-neighbour estimate.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from bidding.forecast.sessions import SessionTable

Floats = NDArray[np.float64]

OWN_SESSIONS = 80
POOL_SESSIONS = 400
POOL_RECENT = 2000

SAMPLES_AT_ONCE = 1_000_000
"""Of all cars together: up to some 2,000 cars have all their samples, more have fewer each, for memory and time."""

FEWEST_SAMPLES = 24
"""Of each car, however many there are."""

KERNEL_H = 1.5
DAY_H = 24.0
WEEKEND_FROM = 5


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
        self._local_h, self._is_weekend = _local_plug_in(sessions.plug_in_s, timezone)
        self._by_charger = np.lexsort((sessions.plug_in_s, sessions.charger))
        self._place = np.empty(len(sessions), dtype=np.intp)
        self._place[self._by_charger] = np.arange(len(sessions))

    def of(self, rows: NDArray[np.intp], *, now_s: int, samples_at_once: int = SAMPLES_AT_ONCE) -> Outlook:
        """Return the outlook of the sessions in some rows, from their charger and plug-in and the past at `now_s`.

        Args:
            rows: the cars, m sessions of the table.
            now_s: UTC epoch seconds; the pool holds sessions completed by then.
            samples_at_once: of all cars together, from which follows how many each has.
        """
        own_sessions, pool_sessions = _samples_of_each(len(rows), samples_at_once)
        own = self._own_charger(rows, own_sessions)
        stay_h, energy_kwh = self._sessions.stay_h, self._sessions.energy_kwh
        parts = [(np.maximum(own, 0), np.where(own >= 0, self._nearness(rows, own), 0.0))]
        parts.append(self._pool(rows, now_s, pool_sessions))
        chosen = np.concatenate([part[0] for part in parts], axis=1)
        return Outlook(
            stay_h=stay_h[chosen],
            energy_kwh=energy_kwh[chosen],
            weight=np.concatenate([part[1] for part in parts], axis=1),
            own=own_sessions,
        )

    def _own_charger(self, rows: NDArray[np.intp], count: int) -> NDArray[np.intp]:
        """Return the previous sessions at the same charger, -1 where there are none; all ended before the car came."""
        places = self._place[rows][:, None] - np.arange(1, count + 1)
        earlier = self._by_charger[np.maximum(places, 0)]
        is_own = (places >= 0) & (self._sessions.charger[earlier] == self._sessions.charger[rows][:, None])
        return np.where(is_own, earlier, -1)

    def _pool(self, rows: NDArray[np.intp], now_s: int, count: int) -> tuple[NDArray[np.intp], Floats]:
        """Return recent sessions of the same kind of day, nearest in time of day."""
        started = int(np.searchsorted(self._sessions.plug_in_s, now_s, side="left"))
        done = np.flatnonzero(self._sessions.plug_out_s[:started] <= now_s)
        chosen = np.zeros((len(rows), count), dtype=np.intp)
        weight = np.zeros((len(rows), count))
        for is_weekend in (False, True):
            asked = self._is_weekend[rows] == is_weekend
            pool = done[self._is_weekend[done] == is_weekend][-POOL_RECENT:]
            if not asked.any() or not len(pool):
                continue
            pool = pool[np.argsort(self._local_h[pool], kind="stable")]
            place = np.searchsorted(self._local_h[pool], self._local_h[rows[asked]])
            near = pool[(place[:, None] + np.arange(count) - count // 2) % len(pool)]
            chosen[asked] = near
            weight[asked] = self._nearness(rows[asked], near)
        return chosen, weight

    def _nearness(self, rows: NDArray[np.intp], others: NDArray[np.intp]) -> Floats:
        apart_h = np.abs(self._local_h[rows][:, None] - self._local_h[others])
        apart_h = np.minimum(apart_h, DAY_H - apart_h)
        return np.asarray(np.exp(-0.5 * (apart_h / KERNEL_H) ** 2))


def _samples_of_each(cars: int, at_once: int) -> tuple[int, int]:
    """Return how many own sessions and pool sessions each of so many cars has."""
    each = min(max(at_once // max(cars, 1), FEWEST_SAMPLES), OWN_SESSIONS + POOL_SESSIONS)
    own = min(OWN_SESSIONS, each // 3)
    return own, each - own


def _local_plug_in(plug_in_s: NDArray[np.int64], timezone: str) -> tuple[Floats, NDArray[np.bool_]]:
    """Return the local hour of day and whether it is a weekend, per instant."""
    quarter_s, where = np.unique(plug_in_s // 900 * 900, return_inverse=True)
    zone = ZoneInfo(timezone)
    local = [datetime.fromtimestamp(int(instant), UTC).astimezone(zone) for instant in quarter_s]
    hour = np.array([instant.hour + instant.minute / 60 for instant in local], dtype=np.float64)[where]
    is_weekend = np.array([instant.weekday() >= WEEKEND_FROM for instant in local], dtype=np.bool_)[where]
    return hour + (plug_in_s % 900) / 3600, is_weekend
