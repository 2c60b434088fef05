"""When the cars plugged in now will leave and what they will take: weighted samples of comparable sessions.

Two models meet in one set of weights. A *known* charger (or card) is forecast from its own sessions; a *newcomer* from
sessions anywhere that began at about the same time on the same kind of day. Own sessions weigh what they count, all
pool sessions together weigh as much as `POOL_WEIGHT` of them, so a charger moves from newcomer to known by itself.
Samples keep stay and energy together, and only sessions longer than the time already elapsed take part (the survival
condition). What the driver declared replaces the samples.

Source: nearest-neighbour conditional distributions, Stone, "Consistent nonparametric regression" (1977).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bidding.forecast.local_time import day_number, hour_of_day, local_seconds, weekday
from bidding.forecast.sessions import PluggedIn, SessionTable

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
SATURDAY = 5
HOUR_S = 3600.0
SHORTEST_STAY_LEFT_S = 1


@dataclass(frozen=True, slots=True, eq=False)
class StayForecast:
    """Samples of departure and energy of m cars; arrays of shape (m, k), weights of a car add up to 1.

    `is_known` (m,) tells which cars are on a charger with a history of its own. A car for which nothing comparable
    is on file gets one sample: it leaves at once.
    """

    plug_out_s: Floats
    energy_kwh: Floats
    weight: Floats
    is_known: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.weight)

    def draw(self, uniforms: Floats) -> NDArray[np.intp]:
        """Return the sample index of each car for uniforms (m, S) in [0, 1): joint draws of departure and energy."""
        chosen = np.empty(uniforms.shape, dtype=np.intp)
        cumulative = np.cumsum(self.weight, axis=1)
        for car, (levels, row) in enumerate(zip(cumulative, uniforms, strict=True)):
            chosen[car] = np.searchsorted(levels, row * levels[-1], side="right")
        return np.asarray(np.minimum(chosen, self.weight.shape[1] - 1))

    def departure_quantiles_s(self, levels: Floats) -> Floats:
        """Return quantiles of the departure, shape (m, len(levels)), UTC epoch seconds."""
        return _weighted_quantiles(self.plug_out_s, self.weight, levels)

    def energy_quantiles_kwh(self, levels: Floats) -> Floats:
        """Return quantiles of the energy of the whole session, shape (m, len(levels))."""
        return _weighted_quantiles(self.energy_kwh, self.weight, levels)


class StayModel:
    """Looks up comparable sessions in a history of completed ones."""

    def __init__(self, history: SessionTable, *, timezone: str) -> None:
        local_s = local_seconds(history.plug_in_s, timezone=timezone)
        self._history = history
        self._timezone = timezone
        self._hour = hour_of_day(local_s)
        self._is_weekend = weekday(day_number(local_s)) >= SATURDAY
        self._by_charger = np.lexsort((history.plug_in_s, history.charger))
        self._charger_sorted = history.charger[self._by_charger]
        recent = np.arange(max(len(history) - POOL_RECENT, 0), len(history))
        self._pool = recent[np.argsort(self._hour[recent], kind="stable")]

    def forecast(self, plugged_in: PluggedIn, *, now_s: int) -> StayForecast:
        """Return samples for the cars plugged in at `now_s`, from sessions completed by then."""
        cars = len(plugged_in)
        if not len(self._history):
            return _leaves_now(plugged_in, now_s=now_s)
        own, own_weight = self._own(plugged_in)
        pool, pool_weight = self._near(plugged_in)
        rows = np.concatenate([own, pool], axis=1)
        stay_s = (self._history.plug_out_s - self._history.plug_in_s)[rows].astype(np.float64)
        elapsed_s = (now_s - plugged_in.plug_in_s).astype(np.float64)
        survives = stay_s > elapsed_s[:, None]
        weight = np.concatenate([own_weight, pool_weight], axis=1) * survives
        energy_kwh = self._history.energy_kwh[rows]
        plug_out_s = plugged_in.plug_in_s[:, None] + stay_s
        declared = ~np.isnan(plugged_in.declared_plug_out_s)
        if declared.any():
            weight[declared] = np.concatenate([own_weight, pool_weight], axis=1)[declared]
            declared_s = np.maximum(plugged_in.declared_plug_out_s[declared], now_s + SHORTEST_STAY_LEFT_S)
            plug_out_s[declared] = declared_s[:, None]
        stated = ~np.isnan(plugged_in.declared_energy_kwh)
        energy_kwh[stated] = plugged_in.declared_energy_kwh[stated, None]
        total = weight.sum(axis=1, keepdims=True)
        unheard = total[:, 0] <= 0
        weight[unheard, 0] = 1.0
        total[unheard] = 1.0
        plug_out_s[unheard & ~declared] = now_s + SHORTEST_STAY_LEFT_S
        most_kwh = plugged_in.power_kw[:, None] * (plug_out_s - plugged_in.plug_in_s[:, None]) / HOUR_S
        return StayForecast(
            plug_out_s=plug_out_s,
            energy_kwh=np.minimum(energy_kwh, most_kwh),
            weight=weight / total,
            is_known=own_weight.sum(axis=1) > 0 if cars else np.zeros(0, dtype=np.bool_),
        )

    def _own(self, plugged_in: PluggedIn) -> tuple[NDArray[np.intp], Floats]:
        """Return the last sessions at each car's charger, (m, OWN_SESSIONS), and their weights."""
        after = np.searchsorted(self._charger_sorted, plugged_in.charger, side="right")
        age = np.arange(OWN_SESSIONS)
        places = after[:, None] - 1 - age
        rows = self._by_charger[np.maximum(places, 0)]
        is_own = (places >= 0) & (self._history.charger[rows] == plugged_in.charger[:, None])
        weight = self._alike(plugged_in, rows) * 0.5 ** (age / HALF_LIFE_SESSIONS)
        return rows, np.where(is_own, weight, 0.0)

    def _near(self, plugged_in: PluggedIn) -> tuple[NDArray[np.intp], Floats]:
        """Return pool sessions that began nearest in time of day, (m, k), weights adding up to POOL_WEIGHT."""
        count = min(POOL_SESSIONS, len(self._pool))
        hour = hour_of_day(local_seconds(plugged_in.plug_in_s, timezone=self._timezone))
        place = np.searchsorted(self._hour[self._pool], hour)
        rows = self._pool[(place[:, None] + np.arange(count) - count // 2) % len(self._pool)]
        weight = self._alike(plugged_in, rows)
        total = weight.sum(axis=1, keepdims=True)
        return rows, np.divide(POOL_WEIGHT * weight, total, out=np.zeros_like(weight), where=total > 0)

    def _alike(self, plugged_in: PluggedIn, rows: NDArray[np.intp]) -> Floats:
        """Return how alike sessions are to the cars' in time of day and kind of day, in (0, 1]."""
        local_s = local_seconds(plugged_in.plug_in_s, timezone=self._timezone)
        apart_h = np.abs(hour_of_day(local_s)[:, None] - self._hour[rows])
        apart_h = np.minimum(apart_h, DAY_H - apart_h)
        is_weekend = weekday(day_number(local_s)) >= SATURDAY
        same_kind = np.where(is_weekend[:, None] == self._is_weekend[rows], 1.0, OTHER_KIND_OF_DAY)
        return np.asarray(np.exp(-0.5 * (apart_h / HOURS_ALIKE) ** 2) * same_kind)


def _leaves_now(plugged_in: PluggedIn, *, now_s: int) -> StayForecast:
    cars = len(plugged_in)
    plug_out_s = np.where(
        np.isnan(plugged_in.declared_plug_out_s), now_s + SHORTEST_STAY_LEFT_S, plugged_in.declared_plug_out_s
    )
    energy_kwh = np.nan_to_num(plugged_in.declared_energy_kwh, nan=0.0)
    most_kwh = plugged_in.power_kw * (plug_out_s - plugged_in.plug_in_s) / HOUR_S
    return StayForecast(
        plug_out_s=plug_out_s[:, None],
        energy_kwh=np.minimum(energy_kwh, most_kwh)[:, None],
        weight=np.ones((cars, 1)),
        is_known=np.zeros(cars, dtype=np.bool_),
    )


def _weighted_quantiles(values: Floats, weight: Floats, levels: Floats) -> Floats:
    order = np.argsort(values, axis=1, kind="stable")
    ordered = np.take_along_axis(values, order, axis=1)
    cumulative = np.cumsum(np.take_along_axis(weight, order, axis=1), axis=1)
    place = (cumulative[:, None, :] < np.asarray(levels)[None, :, None] * cumulative[:, -1:, None] - 1e-12).sum(axis=2)
    return np.take_along_axis(ordered, np.minimum(place, values.shape[1] - 1), axis=1)
