"""Deciding, PTU by PTU, which cars wait: the dispatcher's view of a window in which departures come unannounced.

The dispatcher knows the cars plugged in now, what each has taken and whether it is full, and samples of comparable
sessions (`Outlook`). It never sees a departure or an energy need before it shows. Its rule is a budget read the other
way round: what the promise leaves of the expected baseline may be charged, and the most urgent cars charge first.
A car whose energy would be in danger charges whatever was promised: drivers come before the promise.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bidding.flexibility.storage import ROUND_TRIP_EFFICIENCY
from bidding.forecast.outlook import Outlook
from bidding.optimisation.interface import Direction

Floats = NDArray[np.float64]

FULL_KWH = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class DispatchView:
    """What is known at the start of a PTU of the m cars plugged in then; arrays of shape (m,).

    Attributes:
        ptu_h: length of a PTU [h].
        left_in_window_h: hours to the end of the window.
        elapsed_h: hours since plug-in.
        power_kw: rated power.
        floor_kw: least power while charging, 0 when the car can pause.
        v2g: whether it may discharge.
        energy_in_kwh: what the session holds now.
        left_kwh: what the session still wants, as the car or its driver tells the charge point; NaN when untold.
        planned_kwh: the baseline of this PTU where the baseline is a plan; None when it is charging on arrival.
        outlook: samples of stay and energy, shape (m, k).
    """

    ptu_h: float
    left_in_window_h: float
    elapsed_h: Floats
    power_kw: Floats
    floor_kw: Floats
    v2g: NDArray[np.bool_]
    energy_in_kwh: Floats
    left_kwh: Floats
    planned_kwh: Floats | None
    outlook: Outlook

    @property
    def is_full(self) -> NDArray[np.bool_]:
        """Whether a car is known to want nothing more."""
        return np.asarray(self.left_kwh <= FULL_KWH)


class DispatchPolicy(Protocol):
    """Chooses the power of every car for one PTU."""

    def powers_kw(self, view: DispatchView, *, direction: Direction, promise_kw: float) -> Floats:
        """Return the power asked of each car [kW], negative to feed in; the car takes it as far as it can."""
        ...


@dataclass(frozen=True, slots=True)
class UrgencyPolicy:
    """Take the least risky measures until the promise is safe, and none that endangers a driver.

    A measure is holding a car back, or discharging it as well. Its risk is the energy its driver is expected to lose
    per kWh it brings, when it is kept up until the end of the window and the car then charges at full power.

    Attributes:
        most_risk: a measure with more risk is not taken, whatever was promised: drivers come first.
        safety: standard deviations of the expected reduction kept as room for error.
    """

    most_risk: float = 0.8
    safety: float = 2.0

    def powers_kw(self, view: DispatchView, *, direction: Direction, promise_kw: float) -> Floats:
        """Return the power asked of each car for one PTU."""
        if direction == "increase":
            return self._increase(view, _expect(view, _fitting_samples(view)), promise_kw)
        return self._reduce(view, promise_kw)

    def _reduce(self, view: DispatchView, promise_kw: float) -> Floats:
        samples = _fitting_samples(view)
        expected = _expect(view, samples)
        cars = len(view.power_kw)
        feed_kw = np.where(
            view.v2g,
            np.minimum(view.power_kw, view.energy_in_kwh * ROUND_TRIP_EFFICIENCY / view.left_in_window_h),
            0.0,
        )
        feed_risk = np.maximum(_feed_in_risk(view, samples, feed_kw), expected.hold_risk)
        risk = np.concatenate([expected.hold_risk, np.where(feed_kw > 0, feed_risk, np.inf)])
        fed_kwh = feed_kw[:, None] * np.minimum(view.ptu_h, samples.left_h)  # a car that leaves feeds in no longer
        gain = np.concatenate([expected.held_kwh - expected.charging_kwh, samples.mean(fed_kwh)])
        variance = np.concatenate([expected.held_variance - expected.charging_variance, samples.variance(fed_kwh)])
        order = np.argsort(risk, kind="stable")
        order = order[: int(np.searchsorted(risk[order], self.most_risk, side="right"))]
        mean_kwh = expected.charging_kwh.sum() + np.concatenate([[0.0], np.cumsum(gain[order])])
        spread = expected.charging_variance.sum() + np.concatenate([[0.0], np.cumsum(variance[order])])
        # The car that feeds in most may leave at any moment (the N-1 rule of grids); a held car that leaves takes its
        # baseline with it, so it breaks nothing.
        largest_kwh = np.maximum.accumulate(np.concatenate([[0.0], np.where(order < cars, 0.0, gain[order])]))
        room_kwh = np.maximum(self.safety * np.sqrt(np.maximum(spread, 0.0)), largest_kwh)
        sure_kwh = mean_kwh - room_kwh
        enough = np.flatnonzero(sure_kwh >= promise_kw * view.ptu_h)
        taken = order[: int(enough[0]) if len(enough) else len(order)]
        power = view.power_kw.copy()
        held = taken[taken < cars]
        power[held] = np.where(view.is_full[held], 0.0, view.floor_kw[held])
        fed = taken[taken >= cars] - cars
        power[fed] = -feed_kw[fed]
        return power

    def _increase(self, view: DispatchView, expected: "_Expected", promise_kw: float) -> Floats:
        """Follow the plan, and charge cars ahead of it, those with most left to take first."""
        planned_kw = np.minimum(expected.baseline_kwh / view.ptu_h, view.power_kw)
        following_kwh = np.minimum(expected.baseline_kwh, expected.draw_kwh)
        extra_kwh = np.maximum(expected.draw_kwh - following_kwh, 0.0)
        wanted_kwh = promise_kw * view.ptu_h + (expected.baseline_kwh - following_kwh).sum()
        wanted_kwh += self.safety * np.sqrt(expected.draw_variance.sum())
        order = np.argsort(-expected.left_kwh / view.power_kw, kind="stable")
        before = np.cumsum(extra_kwh[order]) - extra_kwh[order]
        ahead = np.zeros(len(extra_kwh), dtype=np.bool_)
        ahead[order] = before < wanted_kwh
        return np.where(ahead & ~view.is_full, view.power_kw, np.maximum(planned_kw, view.floor_kw))


def expected_baseline_kw(view: DispatchView) -> Floats:
    """Return what each car is expected to take in this PTU when nothing is asked of it, shape (m,)."""
    return np.asarray(_expect(view, _fitting_samples(view)).baseline_kwh / view.ptu_h)


@dataclass(frozen=True, slots=True, eq=False)
class _Expected:
    """Expectations per car for one PTU, shape (m,)."""

    held_kwh: Floats
    held_variance: Floats
    charging_kwh: Floats
    charging_variance: Floats
    hold_risk: Floats
    baseline_kwh: Floats
    draw_kwh: Floats
    draw_variance: Floats
    left_kwh: Floats


@dataclass(frozen=True, slots=True, eq=False)
class _Samples:
    """Samples that still fit what is known, shape (m, k + 1); the last column is a cautious guess."""

    share: Floats
    left_h: Floats
    left_kwh: Floats
    energy_kwh: Floats

    def mean(self, values: Floats) -> Floats:
        """Return the mean over each car's samples, shape (m,)."""
        return np.asarray((self.share * values).sum(axis=1))

    def variance(self, values: Floats) -> Floats:
        """Return the variance over each car's samples, shape (m,)."""
        return np.maximum(self.mean(values**2) - self.mean(values) ** 2, 0.0)


LEAST_DRAW_KWH = 1e-6
GUESS_WEIGHT = 0.02
GUESS_LEFT_H = 1.0
GUESS_CHARGE_H = 1.0


def _fitting_samples(view: DispatchView) -> _Samples:
    told = ~np.isnan(view.left_kwh)[:, None]
    left_h = view.outlook.stay_h - view.elapsed_h[:, None]
    left_kwh = np.where(told, view.left_kwh[:, None], view.outlook.energy_kwh - view.energy_in_kwh[:, None])
    weight = np.where((left_h > 0) & (told | (left_kwh > 0)), view.outlook.weight, 0.0)
    guess = np.ones((len(left_h), 1))
    guess_kwh = np.where(told, view.left_kwh[:, None], GUESS_CHARGE_H * view.power_kw[:, None])
    weight = np.concatenate([weight, GUESS_WEIGHT * guess], axis=1)
    left_kwh = np.maximum(np.concatenate([left_kwh, guess_kwh], axis=1), 0.0)
    return _Samples(
        share=weight / weight.sum(axis=1, keepdims=True),
        left_h=np.concatenate([left_h, GUESS_LEFT_H * guess], axis=1),
        left_kwh=left_kwh,
        energy_kwh=left_kwh + view.energy_in_kwh[:, None],
    )


def _expect(view: DispatchView, samples: _Samples) -> _Expected:
    power = view.power_kw[:, None]
    mean, variance = samples.mean, samples.variance
    most = power * np.minimum(view.ptu_h, samples.left_h)
    draw = np.minimum(samples.left_kwh, most)
    until_end = power * np.minimum(view.left_in_window_h, samples.left_h)
    if view.planned_kwh is None:
        baseline = np.clip(samples.energy_kwh - power * view.elapsed_h[:, None], 0.0, most)
    else:
        baseline = np.broadcast_to(view.planned_kwh[:, None], most.shape)
    slowed = np.minimum(view.floor_kw[:, None] * view.ptu_h, draw)
    lost_anyway = np.maximum(samples.left_kwh - power * samples.left_h, 0.0)
    lost_window = np.maximum(samples.left_kwh - power * np.maximum(samples.left_h - view.left_in_window_h, 0.0), 0.0)
    window_draw = mean(np.minimum(samples.left_kwh, until_end))
    return _Expected(
        held_kwh=mean(baseline - slowed),
        held_variance=variance(baseline - slowed),
        charging_kwh=mean(baseline - draw),
        charging_variance=variance(baseline - draw),
        hold_risk=mean(lost_window - lost_anyway) / np.maximum(window_draw, LEAST_DRAW_KWH),
        baseline_kwh=mean(baseline),
        draw_kwh=mean(draw),
        draw_variance=variance(draw),
        left_kwh=mean(samples.left_kwh),
    )


def _feed_in_risk(view: DispatchView, samples: _Samples, feed_kw: Floats) -> Floats:
    """Return the energy a driver is expected to lose per kWh brought by holding and feeding in until the window ends.

    The car gives up `feed_kw` over the rest of the window, with its losses, and has the time after it to come back.
    """
    hours = np.minimum(samples.left_h, view.left_in_window_h)
    fed_kwh = feed_kw[:, None] * hours
    chance_kwh = view.power_kw[:, None] * np.maximum(samples.left_h - view.left_in_window_h, 0.0)
    unavoidable = np.maximum(samples.left_kwh - view.power_kw[:, None] * samples.left_h, 0.0)
    lost = np.maximum(samples.left_kwh + fed_kwh / ROUND_TRIP_EFFICIENCY - chance_kwh, 0.0) - unavoidable
    brought = fed_kwh + np.minimum(samples.left_kwh, view.power_kw[:, None] * hours)
    return np.asarray(
        (samples.share * lost).sum(axis=1) / np.maximum((samples.share * brought).sum(axis=1), LEAST_DRAW_KWH)
    )
