"""Stationary batteries: rest at zero, follow a setpoint as far as the level allows."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class BatteryTraits:
    """n batteries, each (n,). `efficiency` is one way: the root of the round trip."""

    max_import_kw: Floats
    max_export_kw: Floats
    capacity_kwh: Floats
    floor_kwh: Floats
    efficiency: Floats


def step(*, level_kwh: Floats, traits: BatteryTraits, limit_kw: Floats, hours: float) -> Floats:
    """Move the levels (n,) in place through one step and return the power at the grid, (n,).

    A battery has no use of its own, so it takes what a setpoint allows, gives what it asks, and rests where
    `limit_kw` is NaN.
    """
    wanted = np.where(np.isnan(limit_kw), 0.0, limit_kw)
    room = np.maximum(traits.capacity_kwh - level_kwh, 0.0) / (traits.efficiency * hours)
    spare = np.maximum(level_kwh - traits.floor_kwh, 0.0) * traits.efficiency / hours
    power = np.clip(wanted, -np.minimum(traits.max_export_kw, spare), np.minimum(traits.max_import_kw, room))
    level_kwh += np.where(power >= 0, power * traits.efficiency, power / traits.efficiency) * hours
    return power
