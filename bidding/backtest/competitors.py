"""The rules a bid model has to beat, fed with the same past and judged by the same delivery.

Both look at the block-minimum with perfect information of like days (weekday or weekend) that are over at bidding
time. Written as plain as they are used; their bids obey the product's step and minimum.
"""

from collections.abc import Sequence
from math import ceil, floor

import numpy as np

FLAT_SHARE = 0.8
FLAT_DAYS = 20
QUANTILE_DAYS = 60

FLAT = "flat_0.8"
HISTORY_QUANTILE = "history_quantile"
COMPETITORS = (FLAT, HISTORY_QUANTILE)


def competitor_power_kw(past_kw: Sequence[float], *, reliability: float) -> dict[str, float]:
    """Return what each rule would promise after the block-minima of past like days, oldest first."""
    return {
        FLAT: FLAT_SHARE * float(np.mean(past_kw[-FLAT_DAYS:])) if past_kw else 0.0,
        HISTORY_QUANTILE: history_quantile_kw(past_kw[-QUANTILE_DAYS:], reliability=reliability),
    }


def history_quantile_kw(past_kw: Sequence[float], *, reliability: float) -> float:
    """Return the (1 - r) order statistic: the k-th smallest of n with k = max(1, floor((1 - r)(n + 1))); 0 of none.

    A new day exchangeable with them is at least that with probability r, when n is large enough for k >= 1.
    """
    if not past_kw:
        return 0.0
    rank = max(floor((1 - reliability) * (len(past_kw) + 1) + 1e-9), 1)
    return float(np.sort(past_kw)[rank - 1])


def mean_at_coverage(bids_kw: Sequence[float], capacity_kw: Sequence[float], *, coverage: float) -> float:
    """Return the mean over all windows after one factor on all bids, the largest that keeps this coverage.

    A scaled bid is kept when it is at most the window's capacity, so the factor is an order statistic of
    capacity / bid over the windows with a bid.
    """
    bids = np.asarray(bids_kw, dtype=np.float64)
    placed = bids > 0
    if not placed.any():
        return 0.0
    ratios = np.sort(np.asarray(capacity_kw, dtype=np.float64)[placed] / bids[placed])[::-1]
    needed = max(ceil(coverage * len(ratios) - 1e-9), 1)
    return float(bids.mean() * ratios[needed - 1])
