"""Letting cars go after a window without all starting at once.

Held cars all want their energy when the window ends: released together they would make a peak several times the one
that was avoided. So they restart spread over the next hour, the ones with least time to spare first.
"""

import numpy as np
from numpy.typing import NDArray

from bidding.dispatch.allocation.expectations import fitting_samples
from bidding.dispatch.allocation.view import DispatchView
from bidding.flexibility.rebound import restart_delays_minutes

Floats = NDArray[np.float64]

SPREAD_PTUS = 4
CAUTIOUS_SHARE = 0.2  # one in five comparable cars left earlier than is counted on here
UNKNOWN_NEED_H = 2.0
MINUTES_PER_HOUR = 60.0


def release_delays_ptus(*, view: DispatchView, is_held: NDArray[np.bool_], seed: int) -> NDArray[np.int64]:
    """Return how many PTUs after the window each held car may start again, shape (m,), 0 to `SPREAD_PTUS` - 1.

    A car waits no longer than it can: its cautious departure leaves time for what it still wants. Cars that are not
    held have nothing to wait for: 0.
    """
    delays = np.zeros(len(is_held), dtype=np.int64)
    if not is_held.any():
        return delays
    need_h = np.where(np.isnan(view.left_kwh), UNKNOWN_NEED_H, view.left_kwh / view.power_kw)
    laxity_h = _cautious_left_h(view) - view.left_in_window_h - need_h
    minutes = restart_delays_minutes(
        laxity_minutes=np.maximum(laxity_h[is_held], 0.0) * MINUTES_PER_HOUR,
        spread_minutes=SPREAD_PTUS * view.ptu_h * MINUTES_PER_HOUR,
        random=np.random.default_rng(seed),
    )
    delays[is_held] = np.floor(minutes / (view.ptu_h * MINUTES_PER_HOUR)).astype(np.int64)
    return delays


def _cautious_left_h(view: DispatchView) -> Floats:
    """Return a low quantile of how long each car will still be here."""
    samples = fitting_samples(view)
    order = np.argsort(samples.left_h, axis=1)
    reached = np.cumsum(np.take_along_axis(samples.share, order, axis=1), axis=1)
    place = np.argmax(reached >= CAUTIOUS_SHARE, axis=1)
    left_h = np.take_along_axis(samples.left_h, order, axis=1)
    return np.asarray(left_h[np.arange(len(place)), place])
