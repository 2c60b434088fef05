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

from bidding.backtest.fleet import ROUND_TRIP_EFFICIENCY
from bidding.backtest.outlook import Outlook
from bidding.optimisation.interface import Direction

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class DispatchView:
    """What is known at the start of a PTU of the m cars plugged in then; arrays of shape (m,).

    Attributes:
        ptu_h: length of a PTU [h].
        elapsed_h: hours since plug-in.
        power_kw: rated power.
        floor_kw: least power while charging, 0 when the car can pause.
        v2g: whether it may discharge.
        energy_in_kwh: what the session holds now.
        is_full: whether it is known to need nothing more.
        planned_kwh: the baseline of this PTU where the baseline is a plan; None when it is charging on arrival.
        outlook: samples of stay and energy, shape (m, k).
    """

    ptu_h: float
    elapsed_h: Floats
    power_kw: Floats
    floor_kw: Floats
    v2g: NDArray[np.bool_]
    energy_in_kwh: Floats
    is_full: NDArray[np.bool_]
    planned_kwh: Floats | None
    outlook: Outlook


class DispatchPolicy(Protocol):
    """Chooses the power of every car for one PTU."""

    def powers_kw(self, view: DispatchView, *, direction: Direction, promise_kw: float) -> Floats:
        """Return the power asked of each car [kW], negative to feed in; the car takes it as far as it can."""
        ...


@dataclass(frozen=True, slots=True)
class UrgencyPolicy:
    """Charge in order of urgency within what the promise leaves.

    Urgency is the expected energy a driver loses per kWh withheld in this PTU, over the samples that still fit what
    is known: the car is still here and not yet full.

    Attributes:
        drivers_first_above: a car with more urgency than this charges even if the promise breaks.
        waits_below: a car with less urgency than this waits even if the promise leaves room.
        safety: standard deviations of the expected baseline kept as room for error.
    """

    drivers_first_above: float = 0.15
    waits_below: float = 0.002
    safety: float = 1.5

    def powers_kw(self, view: DispatchView, *, direction: Direction, promise_kw: float) -> Floats:
        """Return the power asked of each car for one PTU."""
        expected = _expect(view)
        if direction == "increase":
            return self._increase(view, expected, promise_kw)
        return self._reduce(view, expected, promise_kw)

    def _reduce(self, view: DispatchView, expected: "_Expected", promise_kw: float) -> Floats:
        """Hold cars back, and discharge where that does not suffice."""
        power = np.where(view.is_full, 0.0, view.floor_kw)
        held_kwh = np.minimum(power * view.ptu_h, expected.draw_kwh)
        must = expected.urgency > self.drivers_first_above
        room_kwh = (
            expected.baseline_kwh.sum()
            - self.safety * np.sqrt(expected.baseline_variance.sum())
            - promise_kw * view.ptu_h
            - held_kwh.sum()
        )
        extra_kwh = expected.draw_kwh - held_kwh
        order = np.argsort(-expected.urgency, kind="stable")
        fits = np.cumsum(extra_kwh[order]) <= room_kwh
        charges = np.zeros(len(power), dtype=np.bool_)
        charges[order] = fits
        charges = must | (charges & (expected.urgency > self.waits_below))
        power = np.where(charges, view.power_kw, power)
        missing_kwh = extra_kwh[charges].sum() - room_kwh
        if missing_kwh > 0 and view.v2g.any():
            power = np.where(charges, power, power - self._discharge_kw(view, missing_kwh))
        return power

    def _discharge_kw(self, view: DispatchView, missing_kwh: float) -> Floats:
        """Spread what is missing over the V2G cars that can spare it, the longest-lasting first.

        The order keeps most power available for the rest of the window: Evans, Tindemans and Angeli, "Robustly
        maximal utilisation of energy-constrained distributed resources" (2018).
        """
        most_kwh = np.where(
            view.v2g, np.minimum(view.power_kw * view.ptu_h, view.energy_in_kwh * ROUND_TRIP_EFFICIENCY), 0.0
        )
        risk = _loss_per_kwh_discharged(view, most_kwh)
        most_kwh = np.where(risk > self.drivers_first_above, 0.0, most_kwh)
        order = np.argsort(-view.energy_in_kwh / view.power_kw, kind="stable")
        offered = most_kwh[order]
        taken = np.clip(missing_kwh - (np.cumsum(offered) - offered), 0.0, offered)
        discharge_kwh = np.empty_like(taken)
        discharge_kwh[order] = taken
        return np.asarray(discharge_kwh / view.ptu_h)

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


@dataclass(frozen=True, slots=True, eq=False)
class _Expected:
    """Expectations per car for one PTU, shape (m,)."""

    baseline_kwh: Floats
    baseline_variance: Floats
    draw_kwh: Floats
    draw_variance: Floats
    left_kwh: Floats
    urgency: Floats


@dataclass(frozen=True, slots=True, eq=False)
class _Samples:
    """Samples that still fit what is known, shape (m, k + 1); the last column is a cautious guess."""

    share: Floats
    left_h: Floats
    left_kwh: Floats
    energy_kwh: Floats


GUESS_WEIGHT = 0.2
GUESS_LEFT_H = 1.0
GUESS_CHARGE_H = 1.0


def _fitting_samples(view: DispatchView) -> _Samples:
    left_h = view.outlook.stay_h - view.elapsed_h[:, None]
    left_kwh = view.outlook.energy_kwh - view.energy_in_kwh[:, None]
    fits = (left_h > 0) & ((left_kwh > 0) | view.is_full[:, None])
    weight = np.where(fits, view.outlook.weight, 0.0)
    guess = np.ones((len(left_h), 1))
    weight = np.concatenate([weight, GUESS_WEIGHT * guess], axis=1)
    left_kwh = np.concatenate([left_kwh, GUESS_CHARGE_H * view.power_kw[:, None]], axis=1)
    left_kwh = np.where(view.is_full[:, None], 0.0, left_kwh)
    return _Samples(
        share=weight / weight.sum(axis=1, keepdims=True),
        left_h=np.concatenate([left_h, GUESS_LEFT_H * guess], axis=1),
        left_kwh=np.maximum(left_kwh, 0.0),
        energy_kwh=np.maximum(left_kwh, 0.0) + view.energy_in_kwh[:, None],
    )


def _expect(view: DispatchView) -> _Expected:
    samples = _fitting_samples(view)
    power = view.power_kw[:, None]
    most = power * np.minimum(view.ptu_h, samples.left_h)
    draw = np.minimum(samples.left_kwh, most)
    if view.planned_kwh is None:
        baseline = np.clip(samples.energy_kwh - power * view.elapsed_h[:, None], 0.0, most)
        baseline_mean = (samples.share * baseline).sum(axis=1)
        variance = (samples.share * baseline**2).sum(axis=1) - baseline_mean**2
    else:
        baseline_mean, variance = view.planned_kwh, np.zeros(len(view.power_kw))
    lost = np.maximum(samples.left_kwh - power * np.maximum(samples.left_h - view.ptu_h, 0.0), 0.0)
    lost_anyway = np.maximum(samples.left_kwh - power * samples.left_h, 0.0)
    draw_mean = (samples.share * draw).sum(axis=1)
    at_risk = (samples.share * (lost - lost_anyway)).sum(axis=1)
    return _Expected(
        baseline_kwh=baseline_mean,
        baseline_variance=np.maximum(variance, 0.0),
        draw_kwh=draw_mean,
        draw_variance=np.maximum((samples.share * draw**2).sum(axis=1) - draw_mean**2, 0.0),
        left_kwh=(samples.share * samples.left_kwh).sum(axis=1),
        urgency=np.divide(at_risk, draw_mean, out=np.zeros_like(at_risk), where=draw_mean > 0),
    )


def _loss_per_kwh_discharged(view: DispatchView, discharged_kwh: Floats) -> Floats:
    """Return the expected energy a driver loses per kWh the session gives up by discharging this much now."""
    samples = _fitting_samples(view)
    spent_kwh = (discharged_kwh / ROUND_TRIP_EFFICIENCY)[:, None]
    chance_kwh = view.power_kw[:, None] * np.maximum(samples.left_h - view.ptu_h, 0.0)
    lost = np.maximum(samples.left_kwh + spent_kwh - chance_kwh, 0.0) - np.maximum(samples.left_kwh - chance_kwh, 0.0)
    return np.divide(
        (samples.share * lost).sum(axis=1), spent_kwh[:, 0], out=np.ones(len(spent_kwh)), where=spent_kwh[:, 0] > 0
    )
