"""What assets bring towards an order if every one does its part, and keeping that within what an operator allows.

Counted on everybody, also on who is left alone: one that was held before charges beyond its baseline, which is how an
increase is met, and what takes back a part of a reduction.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bidding.optimisation.interface import Direction

Booleans = NDArray[np.bool_]
Floats = NDArray[np.float64]

A_WATT_KW = 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class Outlooks:
    """What is expected of n assets in one PTU, arrays of shape (n,).

    Attributes:
        direction: which way they are to move.
        usual_kw: what each would take without any order: its baseline.
        most_kw: what each takes when it may.
        alone_kw: the setpoint that leaves it to its own ways.
        least_kw: what it takes at least while it takes anything.
    """

    direction: Direction
    usual_kw: Floats
    most_kw: Floats
    alone_kw: Floats
    least_kw: Floats


def brings_kw(asked_kw: Floats, outlooks: Outlooks) -> Floats:
    """Return what each asset brings towards the order when it is asked for `asked_kw`, shape (n,)."""
    moved_kw = outlooks.usual_kw - np.minimum(asked_kw, outlooks.most_kw)
    return moved_kw if outlooks.direction == "reduce" else -moved_kw


def own_ways_kw(outlooks: Outlooks) -> Floats:
    """Return what each asset is asked so that it gives nothing, shape (n,).

    Who is to charge ahead is left alone; to give nothing it keeps to its baseline.
    """
    return outlooks.alone_kw if outlooks.direction == "reduce" else outlooks.usual_kw


def without_surplus_kw(
    *, asked_kw: Floats, wished_kw: Floats, outlooks: Outlooks, order: NDArray[np.intp], may_go: Booleans
) -> Floats:
    """Return what is asked so that others go in place of those that a limit keeps, and no more comes than was wished.

    Args:
        asked_kw: what is asked under all limits, shape (n,).
        wished_kw: what would be asked without them.
        outlooks: what is expected of each asset.
        order: whom to keep first.
        may_go: who may be left to its own ways now.
    """
    kept_first = np.concatenate([order[~may_go[order]], order[may_go[order]]])
    cap_kw = float(brings_kw(wished_kw, outlooks).sum()) + A_WATT_KW  # a rounding error is no surplus
    fewer_kw = within_cap_kw(asked_kw=asked_kw, outlooks=outlooks, order=kept_first, cap_kw=cap_kw)
    return np.where(may_go, fewer_kw, asked_kw)


def within_cap_kw(*, asked_kw: Floats, outlooks: Outlooks, order: NDArray[np.intp], cap_kw: float) -> Floats:
    """Return what is asked so that all together bring no more than `cap_kw`, even if everybody follows.

    Taken in `order`: the last that fits gives a part of what it was asked, those after it give nothing.
    """
    is_reduced = outlooks.direction == "reduce"
    own_kw = own_ways_kw(outlooks)
    idle_kw = brings_kw(own_kw, outlooks)
    part_kw = np.maximum(brings_kw(asked_kw, outlooks) - idle_kw, 0.0)
    room_kw = cap_kw - float((brings_kw(asked_kw, outlooks) - part_kw).sum())
    kept_kw = np.empty_like(part_kw)
    kept_kw[order] = np.clip(room_kw - (np.cumsum(part_kw[order]) - part_kw[order]), 0.0, part_kw[order])
    takes_kw = np.minimum(own_kw, outlooks.most_kw) + (-kept_kw if is_reduced else kept_kw)
    is_between = (takes_kw > 0) & (takes_kw < outlooks.least_kw)  # which no car holds: it takes its least or nothing
    takes_kw = np.where(is_between, outlooks.least_kw if is_reduced else own_kw, takes_kw)
    return np.where(kept_kw < part_kw, np.where(kept_kw > 0, takes_kw, own_kw), asked_kw)
