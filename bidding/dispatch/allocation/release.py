"""Letting cars go after a window without all starting at once.

Held cars all want their energy when the window ends: released together they would make a peak several times the one
that was avoided. So they restart spread over the next hour, the ones with least time to spare first, and no more in
one quarter hour than the rebound limit allows.
"""

import numpy as np
from numpy.typing import NDArray

from bidding.dispatch.allocation.expectations import fitting_samples
from bidding.dispatch.allocation.rebound import limited_delays_ptus
from bidding.dispatch.allocation.view import DispatchView
from bidding.flexibility.rebound import restart_delays_minutes

Floats = NDArray[np.float64]

SPREAD_PTUS = 4
LONGEST_PTUS = 8
CAUTIOUS_SHARE = 0.2  # one in five comparable cars left earlier than is counted on here
UNKNOWN_NEED_H = 2.0
MINUTES_PER_HOUR = 60.0


def laxity_h(view: DispatchView) -> Floats:
    """Return the time each car has to spare after the window, shape (m,): cautious departure minus what it needs."""
    if not len(view.power_kw):
        return np.zeros(0)
    need_h = np.where(np.isnan(view.left_kwh), UNKNOWN_NEED_H, view.left_kwh / view.power_kw)
    return np.asarray(_cautious_left_h(view) - view.left_in_window_h - need_h)


def release_delays_ptus(
    *,
    spare_h: Floats,
    power_kw: Floats,
    is_held: NDArray[np.bool_],
    most_kw_per_ptu: float,
    ptu_h: float,
    seed: int,
) -> NDArray[np.int64]:
    """Return how many PTUs after the window each held car may start again, shape (m,), at most `LONGEST_PTUS`.

    They start spread over `SPREAD_PTUS`, and where more than `most_kw_per_ptu` would start in one of these, those who
    can wait go on waiting. A car waits no longer than it can: its cautious departure leaves time for what it still
    wants. Cars that are not held have nothing to wait for: 0.
    """
    delays = np.zeros(len(is_held), dtype=np.int64)
    if not is_held.any():
        return delays
    patience_h = np.maximum(spare_h[is_held], 0.0)
    minutes = restart_delays_minutes(
        laxity_minutes=patience_h * MINUTES_PER_HOUR,
        spread_minutes=SPREAD_PTUS * ptu_h * MINUTES_PER_HOUR,
        random=np.random.default_rng(seed),
    )
    spread = np.floor(minutes / (ptu_h * MINUTES_PER_HOUR)).astype(np.int64)
    latest = np.clip(np.floor(patience_h / ptu_h), spread, LONGEST_PTUS).astype(np.int64)
    delays[is_held] = limited_delays_ptus(
        delays_ptus=spread, latest_ptus=latest, power_kw=power_kw[is_held], most_kw_per_ptu=most_kw_per_ptu
    )
    return delays


def _cautious_left_h(view: DispatchView) -> Floats:
    """Return a low quantile of how long each car will still be here."""
    samples = fitting_samples(view)
    order = np.argsort(samples.left_h, axis=1)
    reached = np.cumsum(np.take_along_axis(samples.share, order, axis=1), axis=1)
    place = np.argmax(reached >= CAUTIOUS_SHARE, axis=1)
    left_h = np.take_along_axis(samples.left_h, order, axis=1)
    return np.asarray(left_h[np.arange(len(place)), place])
