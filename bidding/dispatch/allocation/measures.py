"""Measures that lower a group's power in one quarter hour, each with what it brings and what it may cost a driver.

Two kinds: holding a car back, and feeding in. What a driver may lose grows faster than what the car gives (a little is
soon made up for, a lot is not), so feeding in is cut into slices of the car's depth, and each slice has a risk of its
own: the probability that the car leaves before it could have taken that slice back,

    risk(slice) = P(stay after the window < energy the car then wants / its power),

per kWh at the grid, hence divided by the round-trip efficiency for energy fed in. Taking slices in order of this
marginal risk gives a power at the least expected loss (a separable convex programme, solved greedily).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bidding.dispatch.allocation.expectations import Expected, Samples
from bidding.dispatch.allocation.view import DispatchView
from bidding.flexibility.storage import ROUND_TRIP_EFFICIENCY

Floats = NDArray[np.float64]

SLICES = 6

HOLD = 0
"""Level of the measure that holds a car back; levels 1 to `SLICES` feed in."""


@dataclass(frozen=True, slots=True, eq=False)
class Measures:
    """n measures in ascending order of risk; arrays of shape (n,).

    Attributes:
        car: which car it is for.
        level: 0 to hold it back; j to feed in its j-th slice, which needs the slices below.
        brings_kwh: energy it brings in this PTU, if the car stays.
        risk: kWh a driver is expected to lose per kWh it brings.
    """

    car: NDArray[np.intp]
    level: NDArray[np.intp]
    brings_kwh: Floats
    risk: Floats

    def __len__(self) -> int:
        return len(self.car)

    @property
    def feeds_in(self) -> NDArray[np.bool_]:
        """Which of them feed in."""
        return np.asarray(self.level > HOLD)

    def where(self, chosen: NDArray[np.bool_] | NDArray[np.intp] | slice) -> "Measures":
        """Return some of them, or all in another order."""
        return Measures(self.car[chosen], self.level[chosen], self.brings_kwh[chosen], self.risk[chosen])


def deepest_feed_in_kwh(view: DispatchView) -> Floats:
    """Return what each V2G car can feed in per PTU when it goes on to the end of the window, shape (m,)."""
    sustained_kw = view.energy_in_kwh * ROUND_TRIP_EFFICIENCY / view.left_in_window_h
    return np.asarray(np.where(view.v2g, np.minimum(view.power_kw, sustained_kw) * view.ptu_h, 0.0))


def measures(view: DispatchView, samples: Samples, usual: Expected, *, feed_in_kwh: Floats) -> Measures:
    """Return every measure there is, the least risky first.

    Args:
        view: the cars.
        samples: what fits them.
        usual: their expectations.
        feed_in_kwh: what each can feed in per PTU at its deepest, from `deepest_feed_in_kwh`.
    """
    cars = len(view.power_kw)
    floor_kwh = np.minimum(view.floor_kw * view.ptu_h, usual.draw_kwh)
    held_risk = _risk(view, samples, -usual.draw_kwh / 2, waits_h=view.held_h)
    to_its_end_h = np.full(cars, view.left_in_window_h)
    brings = [usual.draw_kwh - floor_kwh]
    risk = [np.where(view.is_full, 0.0, held_risk)]
    ptus = view.left_in_window_h / view.ptu_h
    for level in range(1, SLICES + 1):
        given_kwh = feed_in_kwh * ptus * (level - 0.5) / SLICES / ROUND_TRIP_EFFICIENCY
        brings.append(feed_in_kwh / SLICES)
        given_risk = _risk(view, samples, given_kwh, waits_h=to_its_end_h)
        risk.append(np.maximum(given_risk / ROUND_TRIP_EFFICIENCY, held_risk))
    every = Measures(
        car=np.tile(np.arange(cars), SLICES + 1),
        level=np.repeat(np.arange(SLICES + 1), cars),
        brings_kwh=np.concatenate(brings),
        risk=np.concatenate(risk),
    )
    # A car that is full is held back all the same before it feeds in: it is asked for nothing, and it costs nothing.
    useful = (every.brings_kwh > 0) | (every.level == HOLD)
    every = every.where(useful)
    order = np.argsort(every.risk, kind="stable")
    return Measures(every.car[order], every.level[order], every.brings_kwh[order], every.risk[order])


def _risk(view: DispatchView, samples: Samples, more_kwh: Floats, *, waits_h: Floats) -> Floats:
    """Return the probability of leaving before `waits_h` plus the time to charge what is then wanted."""
    wanted_kwh = np.maximum(samples.left_kwh + more_kwh[:, None], 0.0)
    return samples.chance(samples.left_h < waits_h[:, None] + wanted_kwh / view.takes_kw[:, None])
