"""What storage can give in each remaining quarter hour so that it lasts to the end of the window."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def sustained_discharge_kw(
    *, level_kwh: Floats, least_kwh: Floats, one_way_efficiency: Floats, most_kw: Floats, remaining_h: float
) -> Floats:
    """Return the power each battery can feed in from now to the end of the window, shape (n,), non-negative.

    Energy taken out of a battery reaches the grid reduced by the one-way loss.
    """
    usable_kwh = np.maximum(level_kwh - least_kwh, 0.0) * one_way_efficiency
    return np.asarray(np.minimum(most_kw, usable_kwh / remaining_h))


def sustained_charge_kw(
    *, level_kwh: Floats, capacity_kwh: Floats, one_way_efficiency: Floats, most_kw: Floats, remaining_h: float
) -> Floats:
    """Return the power each battery can take from now to the end of the window, shape (n,), non-negative."""
    room_kwh = np.maximum(capacity_kwh - level_kwh, 0.0) / one_way_efficiency
    return np.asarray(np.minimum(most_kw, room_kwh / remaining_h))


def sustained_heat_reduction_kw(*, buffer_kwh: Floats, running_kw: Floats, remaining_h: float) -> Floats:
    """Return by how much each heat pump can run below its usual power to the end of the window, shape (n,).

    Args:
        buffer_kwh: heat above the comfort floor, in electrical terms (heat divided by COP).
        running_kw: what the pump usually takes in these quarter hours.
        remaining_h: hours to the end of the window.
    """
    return np.asarray(np.minimum(running_kw, np.maximum(buffer_kwh, 0.0) / remaining_h))
