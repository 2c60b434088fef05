"""Holding the peak down that comes after a window: cars may return no faster than the group can bear."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def limited_delays_ptus(
    *, delays_ptus: Integers, latest_ptus: Integers, power_kw: Floats, most_kw_per_ptu: float
) -> Integers:
    """Return the delays with at most `most_kw_per_ptu` starting again in each PTU, as far as drivers can wait.

    Cars that cannot wait longer start when they must, whatever the limit: drivers come first. Those who can give way
    move on to the next PTU, the ones with most time to spare first. No car starts earlier than it would have.

    Args:
        delays_ptus: PTUs after the window at which each car would start again, shape (n,).
        latest_ptus: the last PTU at which each may start without a loss to its driver.
        power_kw: what each will take.
        most_kw_per_ptu: rebound limit.
    """
    delays = delays_ptus.copy()
    for ptu in range(int(latest_ptus.max(initial=0))):
        here = np.flatnonzero(delays == ptu)
        must = latest_ptus[here] <= ptu
        order = here[np.lexsort((here, latest_ptus[here], ~must))]
        is_over = np.cumsum(power_kw[order]) > most_kw_per_ptu
        moves = order[is_over & (latest_ptus[order] > ptu)]
        delays[moves] = ptu + 1
    return delays
