"""One quarter hour of an activation: who does what.

Storage and heat, which only need to last, give their steady part first; the cars cover the rest in order of urgency.
What is asked exceeds what is ordered by a reserve for assets that accept and do not follow.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bidding.dispatch.allocation.urgency import DispatchPolicy
from bidding.dispatch.allocation.view import DispatchView
from bidding.optimisation.interface import Direction

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class SteadyResources:
    """Batteries or heat pumps: shape (n,) each.

    Attributes:
        usual_kw: what each would take without an order.
        movable_kw: by how much each can move in the ordered direction, to the end of the window.
    """

    usual_kw: Floats
    movable_kw: Floats


@dataclass(frozen=True, slots=True, eq=False)
class PtuPlan:
    """Power asked of each asset in one PTU [kW]."""

    plug_kw: Floats
    steady_kw: Floats


def plan_ptu(
    *,
    direction: Direction,
    ordered_kw: float,
    reserve_share: float,
    plugs: DispatchView,
    steady: SteadyResources,
    steady_order: NDArray[np.intp],
    policy: DispatchPolicy,
) -> PtuPlan:
    """Return the powers for one PTU.

    Args:
        direction: which way to move.
        ordered_kw: power ordered in this PTU; below zero what may be taken back in it.
        reserve_share: extra part of the order asked for, because some assets will not follow.
        plugs: the steerable cars plugged in.
        steady: batteries and heat pumps.
        steady_order: their positions, whoever is to give first in front.
        policy: decides which cars wait.
    """
    wanted_kw = ordered_kw + reserve_share * max(ordered_kw, 0.0)
    movable_kw = steady.movable_kw[steady_order]
    before_kw = np.cumsum(movable_kw) - movable_kw
    moved_kw = np.empty_like(movable_kw)
    moved_kw[steady_order] = np.clip(wanted_kw - before_kw, 0.0, movable_kw)
    sign = -1.0 if direction == "reduce" else 1.0
    left_kw = wanted_kw - float(moved_kw.sum())
    plug_kw = policy.powers_kw(plugs, direction=direction, promise_kw=left_kw) if len(plugs.power_kw) else np.zeros(0)
    return PtuPlan(plug_kw=plug_kw, steady_kw=steady.usual_kw + sign * moved_kw)
