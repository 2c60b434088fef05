"""Stays from quantile regression forests: needs the optional extra `aggregator[forests]` (scikit-learn).

Two forests: one for chargers or cards with a history, which sees what they did before, and one for newcomers, which
sees time, kind of day and power alone. Sessions that share leaves with a car are its samples, stay and energy together.

Forests are fitted once a week, on sessions that began before the last `HELD_OUT_DAYS` of that moment: what came after
them calibrates. Until there are `FEWEST_SESSIONS` of those, the nearest sessions answer instead.

Source: Meinshausen, "Quantile regression forests", JMLR 7 (2006); one model for known cards and one for new ones: arXiv
2508.17772.
"""

from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestRegressor

from bidding.forecast.local_time import DAY_S, SATURDAY, WEEK_S, day_number, hour_of_day, local_seconds, weekday
from bidding.forecast.near_stays import NearStays
from bidding.forecast.own_sessions import OwnSessions
from bidding.forecast.sessions import SessionTable
from bidding.forecast.stays import Cars, StayModel, StaySamples

Floats = NDArray[np.float64]

TREES = 64
LEAF_SESSIONS = 10
MEMBERS = 3
"""Samples each tree gives: with 64 trees as many as the nearest sessions are."""

GOLDEN_RATIO = (1 + 5**0.5) / 2
"""Its multiples spread evenly over [0, 1) (Weyl 1916), so that the trees together take every part of a leaf alike."""

FEATURES_TRIED = 0.4
TAUGHT_SESSIONS = 4000
FEWEST_SESSIONS = 200
HELD_OUT_DAYS = 14
WEEKS_KEPT = 16
OWN_SESSIONS = 16
HALF_LIFE_SESSIONS = 8
HOURS_ALIKE = 1.5
DAY_H = 24.0
HOUR_S = 3600.0
LONGEST_GAP_H = 200.0


class StayForests:
    """Fits the two forests of one group of chargers each week and keeps those of the last weeks."""

    def __init__(self) -> None:
        self._fitted: OrderedDict[int, _Forests | None] = OrderedDict()

    def __call__(self, history: SessionTable, *, timezone: str, now_s: int) -> StayModel:
        """Return the forests of the week of `now_s`, or the nearest sessions while there is too little to fit."""
        week = now_s // WEEK_S
        if week not in self._fitted:
            taught = history.completed_before(week * WEEK_S).started_before(week * WEEK_S - HELD_OUT_DAYS * DAY_S)
            enough = len(taught) >= FEWEST_SESSIONS
            self._fitted[week] = _Forests.fitted(taught, timezone=timezone, week=week) if enough else None
            while len(self._fitted) > WEEKS_KEPT:
                self._fitted.popitem(last=False)
        forests = self._fitted[week]
        if forests is None:
            return NearStays(history, timezone=timezone, now_s=now_s)
        return _ForestModel(forests, history, timezone=timezone)


@dataclass(frozen=True, slots=True, eq=False)
class _Forest:
    """One forest with the sessions in its leaves: (n, trees), rows ordered by leaf and within a leaf by stay."""

    regressor: RandomForestRegressor
    leaf: NDArray[np.int64]
    row: NDArray[np.intp]

    @classmethod
    def fitted(cls, features: Floats, stay_s: Floats, energy_kwh: Floats) -> "_Forest":
        target = np.log1p(np.column_stack([stay_s, energy_kwh]))
        target = (target - target.mean(axis=0)) / np.maximum(target.std(axis=0), np.finfo(np.float64).tiny)
        regressor = RandomForestRegressor(
            TREES, min_samples_leaf=LEAF_SESSIONS, max_features=FEATURES_TRIED, random_state=0
        ).fit(features, target)
        leaf = np.asarray(regressor.apply(features), dtype=np.int64)
        row = np.lexsort((np.broadcast_to(stay_s[:, None], leaf.shape), leaf), axis=0)
        return cls(regressor=regressor, leaf=np.take_along_axis(leaf, row, axis=0), row=row)

    def members(self, features: Floats) -> NDArray[np.intp]:
        """Return rows that share leaves with cars, (m, TREES * MEMBERS): over all trees evenly from short to long."""
        leaf = self.regressor.apply(features)
        chosen = np.empty((len(features), TREES, MEMBERS), dtype=np.intp)
        for tree in range(TREES):
            part = (np.arange(MEMBERS) + tree * GOLDEN_RATIO % 1.0) / MEMBERS
            first = np.searchsorted(self.leaf[:, tree], leaf[:, tree], side="left")
            size = np.searchsorted(self.leaf[:, tree], leaf[:, tree], side="right") - first
            chosen[:, tree] = self.row[first[:, None] + (part * size[:, None]).astype(np.intp), tree]
        return chosen.reshape(len(features), TREES * MEMBERS)


@dataclass(frozen=True, slots=True, eq=False)
class _Forests:
    """Both forests and what the sessions that taught them were."""

    known: _Forest
    newcomers: _Forest
    stay_s: Floats
    energy_kwh: Floats
    held_out_from_s: int

    @classmethod
    def fitted(cls, history: SessionTable, *, timezone: str, week: int) -> "_Forests":
        cars = Cars.of(history)
        taught = slice(max(len(history) - TAUGHT_SESSIONS, 0), len(history))
        when = _when(cars, timezone=timezone)[taught]
        habits, _ = _habits(cars, history, timezone=timezone)
        stay_s = (history.plug_out_s - history.plug_in_s).astype(np.float64)[taught]
        energy_kwh = history.energy_kwh[taught]
        return cls(
            known=_Forest.fitted(np.concatenate([when, habits[taught]], axis=1), stay_s, energy_kwh),
            newcomers=_Forest.fitted(when, stay_s, energy_kwh),
            stay_s=stay_s,
            energy_kwh=energy_kwh,
            held_out_from_s=week * WEEK_S - HELD_OUT_DAYS * DAY_S,
        )


class _ForestModel:
    """The forests of a week, asked with the habits known now."""

    def __init__(self, forests: _Forests, history: SessionTable, *, timezone: str) -> None:
        self._forests = forests
        self._history = history
        self._timezone = timezone
        self.calibrated_from_s = forests.held_out_from_s

    def samples(self, cars: Cars, *, as_newcomers: bool = False) -> StaySamples:
        """Return sessions that share leaves with each car, equally weighted."""
        when = _when(cars, timezone=self._timezone)
        habits, count = _habits(cars, self._history, timezone=self._timezone)
        is_known = (count > 0) & (not as_newcomers)
        rows = np.empty((len(cars), TREES * MEMBERS), dtype=np.intp)
        for forest, asked, features in (
            (self._forests.known, is_known, np.concatenate([when, habits], axis=1)),
            (self._forests.newcomers, ~is_known, when),
        ):
            if asked.any():
                rows[asked] = forest.members(features[asked])
        return StaySamples(
            stay_s=self._forests.stay_s[rows],
            energy_kwh=self._forests.energy_kwh[rows],
            weight=np.ones(rows.shape),
            is_known=is_known,
        )


def _when(cars: Cars, *, timezone: str) -> Floats:
    """Return what is known of any car, (m, 5): time of day on a circle, weekday, day off, power."""
    local_s = local_seconds(cars.plug_in_s, timezone=timezone)
    angle = hour_of_day(local_s) * (2 * np.pi / DAY_H)
    day = weekday(day_number(local_s), timezone=timezone)
    return np.column_stack([np.sin(angle), np.cos(angle), day, day >= SATURDAY, cars.power_kw]).astype(np.float64)


def _habits(cars: Cars, history: SessionTable, *, timezone: str) -> tuple[Floats, NDArray[np.int64]]:
    """Return what the charger's or card's last sessions say of a car, (m, 9), and how many there are.

    Mean stay and energy at about this time of day with the spread of the stays, last stay and energy, longest stay and
    largest energy, number, and hours since the last plug-out.
    """
    rows, is_own = OwnSessions(history).before(cars, OWN_SESSIONS)
    stay_h = np.where(is_own, history.stay_h[rows], 0.0)
    energy_kwh = np.where(is_own, history.energy_kwh[rows], 0.0)
    hour = hour_of_day(local_seconds(cars.plug_in_s, timezone=timezone))
    apart_h = np.abs(hour_of_day(local_seconds(history.plug_in_s[rows], timezone=timezone)) - hour[:, None])
    apart_h = np.minimum(apart_h, DAY_H - apart_h)
    weight = np.exp(-0.5 * (apart_h / HOURS_ALIKE) ** 2) * 0.5 ** (np.arange(OWN_SESSIONS) / HALF_LIFE_SESSIONS)
    weight = np.where(is_own, weight + np.finfo(np.float64).tiny, 0.0)
    total = np.maximum(weight.sum(axis=1), np.finfo(np.float64).tiny)
    mean_h = (weight * stay_h).sum(axis=1) / total
    spread_h = np.sqrt((weight * (stay_h - mean_h[:, None]) ** 2).sum(axis=1) / total)
    count = is_own.sum(axis=1)
    gap_h = (cars.plug_in_s - history.plug_out_s[rows[:, 0]]) / HOUR_S
    features = [
        *(mean_h, (weight * energy_kwh).sum(axis=1) / total, spread_h),
        *(stay_h[:, 0], energy_kwh[:, 0], stay_h.max(axis=1), energy_kwh.max(axis=1)),
        *(count, np.where(is_own[:, 0], np.minimum(gap_h, LONGEST_GAP_H), LONGEST_GAP_H)),
    ]
    return np.column_stack(features).astype(np.float64), count
