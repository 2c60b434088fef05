"""What to ask on top of an order, from each asset's own record of doing what it was told.

An asset's record is a Beta distribution: it starts as one that follows nine times in ten and learns from every verdict.
The reserve covers what the chosen assets are expected not to bring, and the chance that it turns out worse.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

PRIOR_FOLLOWED = 9.0
PRIOR_MISSED = 1.0
LEAST_TRUSTED = 0.5
"""Below it an asset is more likely to ignore than to follow; it is not counted on until its record recovers."""
SAFETY = 1.64
"""Standard deviations: one in twenty."""
MOST_SHARE = 1.0


def follow_probability(*, followed: Floats, missed: Floats) -> Floats:
    """Return the posterior mean that each asset follows its next setpoint, shape (n,)."""
    return np.asarray((followed + PRIOR_FOLLOWED) / (followed + missed + PRIOR_FOLLOWED + PRIOR_MISSED))


def reserve_share(*, gain_kw: Floats, follows: Floats, safety: float = SAFETY) -> float:
    """Return what to ask beyond an order, as a share of it, when it is met by assets such as these.

    Args:
        gain_kw: what each asset that can be chosen would bring, shape (n,).
        follows: the probability that it does.
        safety: standard deviations to be on the safe side by; without any, the order is met on average.
    """
    gain_kw = np.maximum(gain_kw, 0.0)
    total_kw = float(gain_kw.sum())
    if total_kw <= 0:
        return 0.0
    sure_kw = float(gain_kw @ follows)
    spread_kw = safety * float(np.sqrt((gain_kw**2) @ (follows * (1.0 - follows))))
    counted_kw = sure_kw - spread_kw
    return total_kw / counted_kw - 1.0 if counted_kw > total_kw / (1.0 + MOST_SHARE) else MOST_SHARE
