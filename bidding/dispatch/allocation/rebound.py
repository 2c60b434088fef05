"""Holding the peak down that comes after a window: cars return so that they never all charge at once.

Each car takes what it is owed in one go, at full power, from the quarter hour in which it may start. When each starts
decides how high the sum rises. The least peak is found by trying limits: under a limit the cars start as soon as there
is room, those who can wait least first, and whoever cannot wait any longer starts whatever the limit.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

HALVINGS = 12


def least_peak_delays_ptus(*, power_kw: Floats, run_ptus: Integers, latest_ptus: Integers) -> Integers:
    """Return the PTU after the window in which each car starts, shape (n,), so that together they peak least.

    No car starts after its `latest_ptus`: drivers come first.

    Args:
        power_kw: what each takes while it charges, shape (n,).
        run_ptus: for how many PTUs.
        latest_ptus: the last PTU in which each may start without a loss to its driver, 0 for at once.
    """
    best = np.zeros(len(power_kw), dtype=np.int64)
    low_kw, high_kw = 0.0, _peak_kw(best, power_kw, run_ptus)
    for _ in range(HALVINGS):
        limit_kw = (low_kw + high_kw) / 2
        delays = _under_limit(power_kw, run_ptus, latest_ptus, limit_kw)
        peak_kw = _peak_kw(delays, power_kw, run_ptus)
        if peak_kw < high_kw:
            best, high_kw = delays, peak_kw
        if peak_kw > limit_kw:
            low_kw = limit_kw
        if high_kw <= low_kw:
            break
    return best


def _under_limit(power_kw: Floats, run_ptus: Integers, latest_ptus: Integers, limit_kw: float) -> Integers:
    delays = np.zeros(len(power_kw), dtype=np.int64)
    waiting = np.argsort(latest_ptus, kind="stable")
    for ptu in range(int(latest_ptus.max(initial=0)) + 1):
        started = np.ones(len(power_kw), dtype=np.bool_)
        started[waiting] = False
        running_kw = float(power_kw[started & (delays + run_ptus > ptu)].sum())
        fits = running_kw + np.cumsum(power_kw[waiting]) <= limit_kw
        starts = fits | (latest_ptus[waiting] <= ptu)
        delays[waiting[starts]] = ptu
        waiting = waiting[~starts]
    return delays


def _peak_kw(delays: Integers, power_kw: Floats, run_ptus: Integers) -> float:
    """Return the most that is taken at once."""
    change_kw = np.zeros(int((delays + run_ptus).max(initial=0)) + 1)
    np.add.at(change_kw, delays, power_kw)
    np.add.at(change_kw, delays + run_ptus, -power_kw)
    return float(np.cumsum(change_kw).max(initial=0.0))
