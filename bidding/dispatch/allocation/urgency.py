"""Deciding, PTU by PTU, which cars wait: the dispatcher's view of a window in which departures come unannounced.

The dispatcher knows the cars plugged in now, what each has taken and whether it is full, and samples of comparable
sessions (`Outlook`). It never sees a departure before it shows. It takes the measures that endanger drivers least until
the promise is safe, and none that endangers a driver too much: there drivers come before the promise. Under a limit,
where who waits is given its energy within the window, those with most time to spare wait first.
"""

from dataclasses import dataclass
from math import inf
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bidding.dispatch.allocation.expectations import Expected, Samples, expected, fitting_samples
from bidding.dispatch.allocation.measures import SLICES, Measures, deepest_feed_in_kwh, measures
from bidding.dispatch.allocation.release import laxity_h
from bidding.dispatch.allocation.view import DispatchView
from bidding.optimisation.interface import Direction

Floats = NDArray[np.float64]

SPREADS = (1.0, 0.5, 0.25, 0.12)
"""Shares of the largest feed-in that any one car may give, tried in turn: many small ones lose less when one leaves."""

ENOUGH_KWH = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Feeding:
    """What may be fed in per car, shape (m,): energy per PTU at its deepest, and the share of a PTU it is gone."""

    deepest_kwh: Floats
    absence: Floats
    absence_variance: Floats

    @classmethod
    def of(cls, view: DispatchView, samples: Samples) -> "Feeding":
        """Return it for the cars seen."""
        absent_h = np.clip(view.ptu_h - samples.left_h, 0.0, view.ptu_h) / view.ptu_h
        return cls(deepest_feed_in_kwh(view), samples.mean(absent_h), samples.variance(absent_h))


class DispatchPolicy(Protocol):
    """Chooses the power of every car for one PTU."""

    def powers_kw(self, view: DispatchView, *, direction: Direction, promise_kw: float) -> Floats:
        """Return the power asked of each car [kW], negative to feed in; the car takes it as far as it can.

        A `promise_kw` below zero is what the cars may bring less than nothing: room to catch up.
        """
        ...


@dataclass(frozen=True, slots=True)
class UrgencyPolicy:
    """Take the least risky measures until the promise is safe, and none that endangers a driver too much.

    Attributes:
        most_risk: a measure with more risk is not taken, whatever was promised: drivers come first.
        safety: standard deviations of what is fed in kept as room for cars that leave.
    """

    most_risk: float = 0.8
    safety: float = 2.0

    def powers_kw(self, view: DispatchView, *, direction: Direction, promise_kw: float) -> Floats:
        """Return the power asked of each car for one PTU."""
        samples = fitting_samples(view)
        usual = expected(view, samples)
        if direction == "increase":
            return self._increase(view, usual, promise_kw)
        return self._reduce(view, samples, usual, promise_kw)

    def _reduce(self, view: DispatchView, samples: Samples, usual: Expected, promise_kw: float) -> Floats:
        feeding = Feeding.of(view, samples)
        every = measures(view, samples, usual, feed_in_kwh=feeding.deepest_kwh)
        every = every.where(slice(0, int(np.searchsorted(every.risk, self.most_risk, side="right"))))
        if view.is_limit:  # The room is always used, and whoever charges first has done when the next must.
            every = every.where(np.lexsort((-laxity_h(view)[every.car], every.feeds_in)))
        needed_kwh = promise_kw * view.ptu_h - float((usual.baseline_kwh - usual.draw_kwh).sum())
        return _asked_kw(view, self._least_risky(every, feeding, usual, needed_kwh), feeding.deepest_kwh)

    def _least_risky(self, every: Measures, feeding: Feeding, usual: Expected, needed_kwh: float) -> Measures:
        """Return the measures that bring what is needed at the least expected loss; all of them if none surely do.

        How far feeding in is spread over cars is tried out: spread thin it is riskier per kWh, but one departure costs
        less of it, so less has to be held in reserve.
        """
        gap_variance = float(usual.gap_variance.sum())
        if needed_kwh + self.safety * np.sqrt(gap_variance) <= ENOUGH_KWH:
            return every.where(slice(0, 0))
        largest_kwh = float(feeding.deepest_kwh.max(initial=0.0))
        best, least_loss = every, inf
        for spread in SPREADS if largest_kwh > 0 else SPREADS[:1]:
            within = feeding.deepest_kwh[every.car] * every.level / SLICES <= spread * largest_kwh + ENOUGH_KWH
            some = every.where(within | ~every.feeds_in)
            sure_kwh = self._sure_kwh(some, feeding, usual.draw_variance, gap_variance)
            enough = np.flatnonzero(sure_kwh >= needed_kwh - ENOUGH_KWH)
            if not len(enough):
                continue
            some = some.where(slice(0, int(enough[0]) + 1))
            loss_kwh = float(some.risk @ some.brings_kwh)
            if loss_kwh < least_loss:
                best, least_loss = some, loss_kwh
        return best

    def _sure_kwh(self, taken: Measures, feeding: Feeding, draw_variance: Floats, gap_variance: float) -> Floats:
        """Return what the first 1, 2, … n measures bring for sure, shape (n,).

        A held car that leaves takes its baseline with it, so it breaks nothing; that it would have drawn less than
        expected may. One that feeds in may leave at any moment: there is room for the one that gives most (the N-1 rule
        of grids), and for the usual spread of all together.
        """
        deep_kwh = feeding.deepest_kwh[taken.car]
        now_kwh, before_kwh = deep_kwh * taken.level / SLICES, deep_kwh * np.maximum(taken.level - 1, 0) / SLICES
        brings_kwh = np.where(taken.feeds_in, taken.brings_kwh * (1 - feeding.absence[taken.car]), taken.brings_kwh)
        fed_variance = (now_kwh**2 - before_kwh**2) * feeding.absence_variance[taken.car]
        variance = gap_variance + np.cumsum(np.where(taken.feeds_in, fed_variance, draw_variance[taken.car]))
        room_kwh = np.maximum(self.safety * np.sqrt(np.maximum(variance, 0.0)), np.maximum.accumulate(now_kwh))
        return np.asarray(np.cumsum(brings_kwh) - room_kwh)

    def _increase(self, view: DispatchView, usual: Expected, promise_kw: float) -> Floats:
        """Charge cars ahead of their baseline, those with most left to take first; the others follow it.

        Without a plan a car that has nothing to bring is left alone: what it is expected to draw is no limit for it.
        All are left alone when that breaks no promise.
        """
        planned_kw = np.minimum(usual.baseline_kwh / view.ptu_h, view.power_kw)
        following_kwh = np.minimum(usual.baseline_kwh, usual.draw_kwh)
        extra_kwh = np.maximum(usual.draw_kwh - following_kwh, 0.0)
        wanted_kwh = promise_kw * view.ptu_h + (usual.baseline_kwh - following_kwh).sum()
        wanted_kwh += self.safety * np.sqrt(usual.draw_variance.sum())
        if wanted_kwh < -ENOUGH_KWH:
            return view.power_kw
        order = np.argsort(-usual.left_kwh / view.takes_kw, kind="stable")
        before = np.cumsum(extra_kwh[order]) - extra_kwh[order]
        ahead = np.zeros(len(extra_kwh), dtype=np.bool_)
        ahead[order] = before < wanted_kwh
        if view.planned_kwh is None:
            ahead |= extra_kwh <= ENOUGH_KWH
        return np.where(ahead & ~view.is_full, view.power_kw, np.maximum(planned_kw, view.floor_kw))


def _asked_kw(view: DispatchView, taken: Measures, feed_in_kwh: Floats) -> Floats:
    """Return the powers that carry out the measures; every other car may charge."""
    power_kw = view.power_kw.copy()
    held = taken.car[~taken.feeds_in]
    power_kw[held] = np.where(view.is_full[held], 0.0, view.floor_kw[held])
    deepest = np.zeros(len(power_kw), dtype=np.int64)
    np.maximum.at(deepest, taken.car, taken.level)
    return np.where(deepest > 0, -feed_in_kwh * deepest / SLICES / view.ptu_h, power_kw)
