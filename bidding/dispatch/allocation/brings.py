"""What assets bring towards an order if every one does its part.

Counted on everybody, also on who is left alone: one that was held before charges beyond its baseline, which is how an
increase is met, and what takes back a part of a reduction.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bidding.optimisation.interface import Direction

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Outlooks:
    """What is expected of n assets in one PTU, arrays of shape (n,).

    Attributes:
        direction: which way they are to move.
        usual_kw: what each would take without any order: its baseline.
        most_kw: what each takes when it may.
    """

    direction: Direction
    usual_kw: Floats
    most_kw: Floats


def brings_kw(asked_kw: Floats, outlooks: Outlooks) -> Floats:
    """Return what each asset brings towards the order when it is asked for `asked_kw`, shape (n,)."""
    moved_kw = outlooks.usual_kw - np.minimum(asked_kw, outlooks.most_kw)
    return moved_kw if outlooks.direction == "reduce" else -moved_kw
