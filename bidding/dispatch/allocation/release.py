"""Letting cars go after a window without all starting at once, and inside a long one before it is too late for them.

Held cars all want their energy when the window ends: released together they would make a peak several times the one
that was avoided. So each restarts when there is room, those with least time to spare first.
"""

import numpy as np
from numpy.typing import NDArray

from bidding.dispatch.allocation.caps import Scope
from bidding.dispatch.allocation.expectations import fitting_samples
from bidding.dispatch.allocation.rebound import least_peak_delays_ptus
from bidding.dispatch.allocation.view import DispatchView

Floats = NDArray[np.float64]

LONGEST_PTUS = 12
CAUTIOUS_SHARE = 0.2  # one in five comparable cars left earlier than is counted on here
GIVEN_SHARE = 0.5
"""Of its spare time that a car gives to the return of the others: its departure is a guess, however cautious."""
UNKNOWN_NEED_H = 2.0
ROUNDING_PTUS = 1e-6  # a time that did not change must not come out a quarter hour earlier


def need_h(view: DispatchView) -> Floats:
    """Return the hours of charging that each car still wants, shape (m,)."""
    return np.where(np.isnan(view.left_kwh), UNKNOWN_NEED_H, view.left_kwh / view.takes_kw)


def laxity_h(view: DispatchView) -> Floats:
    """Return the time each car has to spare after the window, shape (m,): cautious departure minus what it needs."""
    if not len(view.power_kw):
        return np.zeros(0)
    return np.asarray(_cautious_left_h(view) - view.left_in_window_h - need_h(view))


def release_delays_ptus(
    *,
    spare_h: Floats,
    needs_h: Floats,
    power_kw: Floats,
    is_held: NDArray[np.bool_],
    ptu_h: float,
    earliest_ptus: int = 0,
    connections: Scope | None = None,
) -> NDArray[np.int64]:
    """Return how many PTUs after the window each held car may start again, shape (m,), at most `LONGEST_PTUS`.

    Below 0 before its end: when a car must start, but not before `earliest_ptus`. Cars that are not held have nothing
    to wait for: 0. `connections` tell what each connection leaves to the held cars behind it; None for no limit.
    """
    delays = np.zeros(len(is_held), dtype=np.int64)
    must_start = np.clip(np.floor(spare_h[is_held] / ptu_h + ROUNDING_PTUS), earliest_ptus, 0).astype(np.int64)
    latest = np.floor(GIVEN_SHARE * np.maximum(spare_h[is_held], 0.0) / ptu_h)
    delays[is_held] = must_start + least_peak_delays_ptus(
        power_kw=power_kw[is_held],
        run_ptus=np.ceil(np.maximum(needs_h[is_held], ptu_h) / ptu_h).astype(np.int64),
        latest_ptus=np.minimum(latest, LONGEST_PTUS).astype(np.int64),
        connections=connections and Scope(part=connections.part[is_held], room_kw=connections.room_kw),
    )
    return delays


def _cautious_left_h(view: DispatchView) -> Floats:
    """Return a low quantile of how long each car will still be here."""
    samples = fitting_samples(view)
    order = np.argsort(samples.left_h, axis=1, kind="stable")
    reached = np.cumsum(np.take_along_axis(samples.share, order, axis=1), axis=1)
    place = np.argmax(reached >= CAUTIOUS_SHARE, axis=1)
    left_h = np.take_along_axis(samples.left_h, order, axis=1)
    return np.asarray(left_h[np.arange(len(place)), place])
