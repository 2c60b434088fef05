"""Deciding for very many cars in pieces, so that the time grows with the fleet and not with its square.

The policy holds some forty arrays of cars by samples; beyond some thousand cars these leave the processor's cache and
every step waits for memory. So a large fleet is dealt out like cards into equal tranches, each carrying its part of the
promise. Each keeps its own room for error, which asks a little more in total than one decision would: the safe side.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bidding.dispatch.allocation.urgency import DispatchPolicy
from bidding.dispatch.allocation.view import DispatchView
from bidding.forecast.outlook import Outlook
from bidding.optimisation.interface import Direction

Floats = NDArray[np.float64]

CARS_PER_TRANCHE = 5_000


@dataclass(frozen=True, slots=True)
class Tranches:
    """Wraps a policy; fleets of up to `CARS_PER_TRANCHE` cars go to it untouched."""

    policy: DispatchPolicy

    def powers_kw(self, view: DispatchView, *, direction: Direction, promise_kw: float) -> Floats:
        """Return the power asked of each car for one PTU."""
        cars = len(view.power_kw)
        count = -(-cars // CARS_PER_TRANCHE)
        if count <= 1:
            return self.policy.powers_kw(view, direction=direction, promise_kw=promise_kw)
        powers_kw = np.empty(cars)
        for number in range(count):
            dealt = slice(number, None, count)
            part_kw = promise_kw * float(view.power_kw[dealt].sum()) / float(view.power_kw.sum())
            powers_kw[dealt] = self.policy.powers_kw(taken(view, dealt), direction=direction, promise_kw=part_kw)
        return powers_kw


def taken(view: DispatchView, which: slice | NDArray[np.intp] | NDArray[np.bool_]) -> DispatchView:
    """Return the view of some of the cars."""
    outlook = view.outlook
    return DispatchView(
        ptu_h=view.ptu_h,
        left_in_window_h=view.left_in_window_h,
        elapsed_h=view.elapsed_h[which],
        power_kw=view.power_kw[which],
        takes_kw=view.takes_kw[which],
        floor_kw=view.floor_kw[which],
        v2g=view.v2g[which],
        energy_in_kwh=view.energy_in_kwh[which],
        left_kwh=view.left_kwh[which],
        planned_kwh=None if view.planned_kwh is None else view.planned_kwh[which],
        outlook=Outlook(
            stay_h=np.ascontiguousarray(outlook.stay_h[which]),
            energy_kwh=np.ascontiguousarray(outlook.energy_kwh[which]),
            weight=np.ascontiguousarray(outlook.weight[which]),
            own=outlook.own,
        ),
        is_limit=view.is_limit,
    )
