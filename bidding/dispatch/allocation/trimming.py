"""Taking back what a plan gives too much, where the loop has seen that the group gives far more than is ordered.

A plan keeps room for drivers who leave and for baselines that are off. When the minutes before show that little of
that room was needed, cars feed in less: that is what costs their drivers most. Cars that wait go on waiting. To let
them go on the strength of an expected baseline made the demo's evening fall short.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SURPLUS_SHARE = 1.5
"""Of the order that stays on top of it: the baseline that delivery is seen against can be off by as much."""


def surplus_kw(*, ordered_kw: float, delivered_kw: float, asked_kw: float, planned_kw: float) -> float:
    """Return how much a plan gives beyond the order and its margin, if it brings what the plan before it brought.

    Args:
        ordered_kw: power ordered.
        delivered_kw: delivered of late.
        asked_kw: what the plan of then was to bring.
        planned_kw: what the new plan is to bring.
    """
    return max(delivered_kw + planned_kw - asked_kw - (1.0 + SURPLUS_SHARE) * ordered_kw, 0.0)


def trimmed_kw(*, asked_kw: Floats, surplus_kw: float) -> Floats:
    """Return what is asked of cars, negative to feed in, with up to `surplus_kw` of feeding in taken back, shape (m,).

    All feed in less by the same share, so that nobody's turn is decided here.
    """
    feed_in_kw = np.maximum(-asked_kw, 0.0)
    total_kw = float(feed_in_kw.sum())
    return asked_kw + feed_in_kw * (min(surplus_kw / total_kw, 1.0) if total_kw > 0 else 0.0)
