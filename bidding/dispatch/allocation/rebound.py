"""Holding the peak down that comes after a window: cars return so that they never all charge at once.

Each car takes what it is owed in one go, at full power, from the quarter hour in which it may start. When each starts
decides how high the sum rises. The least peak is found by trying limits: under a limit the cars start as soon as there
is room, those who can wait least first, and whoever cannot wait any longer starts whatever the limit. The connections
that they are behind have limits of their own, which hold in the same way.
"""

import numpy as np
from numpy.typing import NDArray

from bidding.dispatch.allocation.caps import Scope, within_room

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

HALVINGS = 12


def least_peak_delays_ptus(
    *, power_kw: Floats, run_ptus: Integers, latest_ptus: Integers, connections: Scope | None = None
) -> Integers:
    """Return the PTU after the window in which each car starts, shape (n,), so that together they peak least.

    Those behind one connection keep within its room, or peak least where it has too little. No car starts after its
    `latest_ptus`: drivers come first.

    Args:
        power_kw: what each takes while it charges, shape (n,).
        run_ptus: for how many PTUs.
        latest_ptus: the last PTU in which each may start without a loss to its driver, 0 for at once.
        connections: what each connection leaves them, None for no limit.
    """
    if connections is None:
        connections = Scope(part=np.zeros(len(power_kw), dtype=np.int64), room_kw=np.array([np.inf]))
    else:
        connections = _passable(connections, power_kw, run_ptus, latest_ptus)
    best = _under_limit(power_kw, run_ptus, latest_ptus, np.inf, connections)
    beyond_kw = _beyond_kw(best, power_kw, run_ptus, connections).sum()
    low_kw, high_kw = 0.0, _peak_kw(best, power_kw, run_ptus)
    for _ in range(HALVINGS):
        limit_kw = (low_kw + high_kw) / 2
        delays = _under_limit(power_kw, run_ptus, latest_ptus, limit_kw, connections)
        peak_kw = _peak_kw(delays, power_kw, run_ptus)
        is_carried = _beyond_kw(delays, power_kw, run_ptus, connections).sum() <= beyond_kw
        if is_carried and peak_kw < high_kw:
            best, high_kw = delays, peak_kw
        if peak_kw > limit_kw or not is_carried:
            low_kw = limit_kw
        if high_kw <= low_kw:
            break
    return best


def _passable(connections: Scope, power_kw: Floats, run_ptus: Integers, latest_ptus: Integers) -> Scope:
    """Return the connections with as much room as their cars need in any case.

    Under a limit that they cannot keep they would all wait, and then start together.
    """
    room_kw = connections.room_kw.copy()
    delays = _under_limit(power_kw, run_ptus, latest_ptus, np.inf, connections)
    for part in np.flatnonzero(_beyond_kw(delays, power_kw, run_ptus, connections) > 0).tolist():
        inside = connections.part == part
        own = power_kw[inside], run_ptus[inside]
        delays = least_peak_delays_ptus(power_kw=own[0], run_ptus=own[1], latest_ptus=latest_ptus[inside])
        room_kw[part] = max(room_kw[part], _peak_kw(delays, *own))
    return Scope(part=connections.part, room_kw=room_kw)


def _under_limit(
    power_kw: Floats, run_ptus: Integers, latest_ptus: Integers, limit_kw: float, connections: Scope
) -> Integers:
    everywhere = np.zeros(len(power_kw), dtype=np.int64)
    delays = np.zeros(len(power_kw), dtype=np.int64)
    waiting = np.argsort(latest_ptus, kind="stable")
    for ptu in range(int(latest_ptus.max(initial=0)) + 1):
        started = np.ones(len(power_kw), dtype=np.bool_)
        started[waiting] = False
        running_kw = np.where(started & (delays + run_ptus > ptu), power_kw, 0.0)
        there_kw = np.bincount(connections.part, weights=running_kw, minlength=len(connections.room_kw))
        fits = within_room(
            load_kw=power_kw,
            scopes=[
                Scope(part=connections.part, room_kw=connections.room_kw - there_kw),
                Scope(part=everywhere, room_kw=np.array([limit_kw - running_kw.sum()])),
            ],
            order=waiting,
        )
        starts = fits[waiting] | (latest_ptus[waiting] <= ptu)
        delays[waiting[starts]] = ptu
        waiting = waiting[~starts]
    return delays


def _beyond_kw(delays: Integers, power_kw: Floats, run_ptus: Integers, connections: Scope) -> Floats:
    """Return what each connection carries beyond its room at its peak."""
    change_kw = np.zeros((len(connections.room_kw), int((delays + run_ptus).max(initial=0)) + 1))
    np.add.at(change_kw, (connections.part, delays), power_kw)
    np.add.at(change_kw, (connections.part, delays + run_ptus), -power_kw)
    return np.asarray(np.maximum(np.cumsum(change_kw, axis=1).max(axis=1) - connections.room_kw, 0.0))


def _peak_kw(delays: Integers, power_kw: Floats, run_ptus: Integers) -> float:
    """Return the most that is taken at once."""
    everywhere = Scope(part=np.zeros(len(delays), dtype=np.int64), room_kw=np.zeros(1))
    return float(_beyond_kw(delays, power_kw, run_ptus, everywhere)[0])
