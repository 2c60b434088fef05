"""Headroom for balancing energy (aFRR): power that can be called at any moment, reached in minutes and held a PTU.

A call ramps over `ramp_minutes`, is held, and ramps back as slowly: over ramp, hold and return the energy of a call
that lasts one step from start to stop is exactly headroom times the step, so holding full power for the step covers it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from bidding.flexibility.corridor import Corridor
from bidding.flexibility.ul import Floats

RAMP_MINUTES = 5.0
"""Full activation time of aFRR in the Netherlands."""


@dataclass(frozen=True, slots=True)
class Headroom:
    """Power (T,) by which the group can leave its baseline if it is called in that step, having followed it before."""

    reduce_kw: Floats
    increase_kw: Floats


def sustained_headroom(
    *,
    corridor: Corridor,
    baseline_kw: Floats,
    step_hours: float,
    hold_steps: int = 1,
    ramp_kw_per_minute: ArrayLike = np.inf,
    ramp_minutes: float = RAMP_MINUTES,
) -> Headroom:
    """Headroom per step, summed over devices.

    Args:
        corridor: Devices (n, T).
        baseline_kw: Their planned power (n, T), inside the corridor.
        step_hours: Length of a step; 0.25 for a PTU.
        hold_steps: How long a call may last. Steps near the end of the horizon hold as long as it is.
        ramp_kw_per_minute: How fast each device follows, scalar or (n,); chargers answer within seconds.
        ramp_minutes: Time in which a call must be fully delivered.
    """
    tight = corridor.tightened(step_hours=step_hours)
    energy = np.cumsum(baseline_kw, axis=1) * step_hours
    ramp = np.broadcast_to(np.asarray(ramp_kw_per_minute, np.float64) * ramp_minutes, (corridor.devices,))[:, None]

    def held(power_room: Floats, energy_room: Floats) -> Floats:
        steps = power_room.shape[1]
        room = np.minimum(power_room, ramp)
        result = room.copy()
        for later in range(min(hold_steps, steps)):
            reach = steps - later
            sustained = np.minimum(room[:, later:], energy_room[:, later:] / ((later + 1) * step_hours))
            result[:, :reach] = np.minimum(result[:, :reach], sustained)
        return np.asarray(np.maximum(result, 0.0).sum(axis=0))

    return Headroom(
        reduce_kw=held(baseline_kw - tight.power_min_kw, energy - tight.energy_min_kwh),
        increase_kw=held(tight.power_max_kw - baseline_kw, tight.energy_max_kwh - energy),
    )
