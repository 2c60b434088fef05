"""Making good within a quarter hour what its first minutes fell short of: an order is judged on the PTU's mean."""

MOST_EXTRA_SHARE = 0.5
"""Of the order: more would only shift the trouble into a peak of its own."""
LEAST_LEFT_H = 1.0 / 60.0


def needed_kw(*, ordered_kw: float, delivered_kwh: float, elapsed_h: float, ptu_h: float) -> float:
    """Return the power to aim for in the rest of the PTU so that its mean meets the order.

    Never below the order (what was delivered too much is not taken back: the driver's car was held for it), and at
    most `MOST_EXTRA_SHARE` above.

    Args:
        ordered_kw: power ordered in this PTU; below zero what may be taken back in it, and making good stops at none.
        delivered_kwh: what was delivered of it so far, however measured.
        elapsed_h: how much of the PTU has passed.
        ptu_h: its length.
    """
    owed_kwh = ordered_kw * ptu_h - delivered_kwh
    rest_h = max(ptu_h - elapsed_h, LEAST_LEFT_H)
    return min(max(owed_kwh / rest_h, ordered_kw), max(ordered_kw, 0.0) * (1.0 + MOST_EXTRA_SHARE))
