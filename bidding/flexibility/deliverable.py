"""Power a group can promise in every step of a window, in closed form from its UL vectors.

The published method writes 2(2^T - 1) constraints and solves a linear programme. Because the vectors depend only on
the number of steps, the binding set of k steps is always the k smallest (or largest) of the baseline, which leaves T
candidates. Equal to the linear programme; a test holds it to that.

All functions work on (..., T+1) vectors: leading axes are scenarios, and the result has their shape.
Lead time enters with the vectors: `window.window_devices` gives devices that may prepare from `lead_hours` before the
window on.
"""

import numpy as np
from numpy.typing import ArrayLike

from bidding.flexibility.ul import Floats, UlVectors


def deliverable_reduce_kw(*, baseline_kw: ArrayLike, vectors: UlVectors, step_hours: float) -> Floats:
    """Most power by which consumption can stay below the baseline (..., T) in every step.

    min over k of (Σ of the k smallest baseline steps - l_k) / (k·Δt). Negative when even following the baseline is
    out of reach.
    """
    smallest = np.cumsum(np.sort(np.asarray(baseline_kw, np.float64), axis=-1), axis=-1) * step_hours
    return _least_mean(smallest - vectors.l_kwh[..., 1:], step_hours)


def deliverable_increase_kw(*, baseline_kw: ArrayLike, vectors: UlVectors, step_hours: float) -> Floats:
    """Most power by which consumption can stay above the baseline (..., T) in every step.

    min over k of (u_k - Σ of the k largest baseline steps) / (k·Δt).
    """
    rising = np.sort(np.asarray(baseline_kw, np.float64), axis=-1)
    largest = np.cumsum(rising[..., ::-1], axis=-1) * step_hours
    return _least_mean(vectors.u_kwh[..., 1:] - largest, step_hours)


def flat_cap_kw(*, vectors: UlVectors, step_hours: float) -> Floats:
    """Lowest flat cap (capacity limiting contract) under which every device still gets its energy: l_T / (T·Δt)."""
    return np.asarray(vectors.l_kwh[..., -1] / (vectors.steps * step_hours))


def max_constant_kw(*, vectors: UlVectors, step_hours: float) -> Floats:
    """Largest power the group can hold in every step: u_T / (T·Δt)."""
    return np.asarray(vectors.u_kwh[..., -1] / (vectors.steps * step_hours))


def _least_mean(room_kwh: Floats, step_hours: float) -> Floats:
    """Smallest of room_k / (k·Δt) over k = 1..T."""
    return np.asarray(np.min(room_kwh / (np.arange(1, room_kwh.shape[-1] + 1) * step_hours), axis=-1))
