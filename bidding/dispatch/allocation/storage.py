"""What storage can give in each remaining quarter hour so that it lasts to the end of the window."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def discharge_kwh(*, level_kwh: Floats, least_kwh: Floats, one_way_efficiency: Floats) -> Floats:
    """Return the energy each battery can still feed in, shape (n,): what leaves it reaches the grid less a loss."""
    return np.asarray(np.maximum(level_kwh - least_kwh, 0.0) * one_way_efficiency)


def charge_kwh(*, level_kwh: Floats, capacity_kwh: Floats, one_way_efficiency: Floats) -> Floats:
    """Return the energy each battery can still take from the grid, shape (n,)."""
    return np.asarray(np.maximum(capacity_kwh - level_kwh, 0.0) / one_way_efficiency)


def lasting_kw(*, energy_kwh: Floats, most_kw: Floats, remaining_h: float, promised_kwh: float = 0.0) -> Floats:
    """Return the power each store can move from now to the end of the window, shape (n,), non-negative.

    Args:
        energy_kwh: what each can move in all; NaN where unknown, which moves nothing.
        most_kw: what each can move at a time.
        remaining_h: hours to the end of the window.
        promised_kwh: of their energy together, what other orders may take before that; each gives in proportion.
    """
    held_kwh = np.maximum(np.nan_to_num(energy_kwh), 0.0)
    total_kwh = float(held_kwh.sum())
    kept = max(1.0 - promised_kwh / total_kwh, 0.0) if total_kwh > 0 else 0.0
    return np.asarray(np.minimum(most_kw, held_kwh * kept / remaining_h))
