"""Charging sessions to window parameters: which steps a car can shift in, and how much energy it may take there.

Hours are counted from the window's start, so a car that is already connected arrives at a negative hour. A car may
come or leave inside the window: it takes part in the whole steps of its stay, follows the baseline (full power) in
the step in which it arrives, and has taken all its energy before the step in which it leaves, except what only fits
into that step. Both are conservative, and exact when stays are rounded to steps.

Source: Panda and Tindemans, arXiv 2310.02729 (parameters of a device in a window, with a known charge at its start);
lead time: Panda, Palensky, Tindemans, arXiv 2501.15946 (the plan may deviate from `lead_hours` before the window on).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from bidding.flexibility.ul import Floats, Integers, weighted_counts

SNAP_STEPS = 1e-9
"""A time this close to the edge of a step is on it."""


@dataclass(frozen=True, slots=True)
class WindowDevices:
    """What n one-way devices can do in a window of T steps; all arrays (n,).

    A device shifts `energy_min_kwh` to `energy_max_kwh` over steps first_step..last_step-1 at a power between
    `power_min_kw` and `power_max_kw`; `fixed_first_kwh` falls in step first_step-1 and `fixed_last_kwh` in the step in
    which it leaves, `departure_step`, whatever is asked.
    """

    first_step: Integers
    last_step: Integers
    departure_step: Integers
    power_min_kw: Floats
    power_max_kw: Floats
    energy_min_kwh: Floats
    energy_max_kwh: Floats
    fixed_first_kwh: Floats
    fixed_last_kwh: Floats


def window_devices(
    *,
    arrival_hours: ArrayLike,
    departure_hours: ArrayLike,
    energy_needed_kwh: ArrayLike,
    power_max_kw: ArrayLike,
    power_floor_kw: ArrayLike = 0.0,
    steps: int,
    step_hours: float,
    lead_hours: float = 0.0,
) -> WindowDevices:
    """Turn n sessions into what they can shift in the window.

    Args:
        arrival_hours: Plug-in, hours from the window's start; scalar or (n,), as the others.
        departure_hours: Plug-out.
        energy_needed_kwh: Energy still to be taken at the later of plug-in and `lead_hours` before the window. What the
            stay cannot hold at full power is left out: no plan can serve it.
        power_max_kw: Most charging power.
        power_floor_kw: Least power while the car is not full, for cars that cannot pause (6 A: 1.38, 2.76 or 4.14 kW).
            A car too nearly full to hold its floor until it leaves takes part only in the steps it can.
        steps: T, steps of the window.
        step_hours: Length of a step.
        lead_hours: Time before the window from which the plan may differ from the baseline.
    """
    arrival, departure, energy, power, floor = np.broadcast_arrays(
        *(
            np.asarray(value, np.float64)
            for value in (arrival_hours, departure_hours, energy_needed_kwh, power_max_kw, power_floor_kw)
        )
    )
    window_hours = steps * step_hours
    start = np.maximum(arrival, -lead_hours)
    present = (departure > 0) & (arrival < window_hours) & (departure > start)
    need = np.where(present, np.minimum(energy, power * (departure - start)), 0.0)
    lower = np.minimum(floor, power)

    entry_hours = np.clip(arrival, 0.0, window_hours)
    exit_hours = np.clip(departure, 0.0, window_hours)
    first = np.ceil(entry_hours / step_hours - SNAP_STEPS)
    departure_step = np.floor(exit_hours / step_hours + SNAP_STEPS)
    last = np.maximum(departure_step, first)

    fixed_first = np.minimum(need, power * (first * step_hours - entry_hours))
    before_hours = np.clip(np.minimum(departure, 0.0) - start, 0.0, None)
    after_hours = np.maximum(departure - window_hours, 0.0)
    inside_hours = (last - first) * step_hours
    leaves_inside = departure < window_hours
    spill = need - fixed_first - power * (before_hours + inside_hours)
    fixed_last = np.where(leaves_inside, np.maximum(spill, 0.0), 0.0)

    shiftable = need - fixed_first - fixed_last
    most = np.minimum(np.maximum(shiftable - lower * before_hours, 0.0), power * inside_hours)
    least = np.minimum(np.maximum(shiftable - power * (before_hours + after_hours), 0.0), most)

    full_early = most < lower * inside_hours
    if np.any(full_early):
        held = np.maximum(np.floor(np.divide(most, lower * step_hours, out=np.zeros(most.shape), where=lower > 0)), 1.0)
        last = np.where(full_early, np.minimum(first + held, last), last)
        lower = np.where(full_early, np.minimum(lower, most / step_hours), lower)
        least = np.where(full_early, most, least)
    return WindowDevices(
        first_step=first.astype(np.int64),
        last_step=last.astype(np.int64),
        departure_step=np.minimum(departure_step, steps - 1).astype(np.int64),
        power_min_kw=lower,
        power_max_kw=power,
        energy_min_kwh=np.maximum(least, lower * (last - first) * step_hours),
        energy_max_kwh=np.maximum(most, lower * (last - first) * step_hours),
        fixed_first_kwh=fixed_first,
        fixed_last_kwh=fixed_last,
    )


def arrival_baseline_kwh(
    *,
    arrival_hours: ArrayLike,
    departure_hours: ArrayLike,
    energy_needed_kwh: ArrayLike,
    power_max_kw: ArrayLike,
    steps: int,
    step_hours: float,
    lead_hours: float = 0.0,
    scenario: Integers | None = None,
    scenarios: int = 1,
) -> Floats:
    """Energy per step (scenarios, T) when every car charges at full power from plug-in until it is full or leaves.

    Arguments as in `window_devices`; exact for stays that begin or end inside a step.
    """
    arrival, departure, energy, power = np.broadcast_arrays(
        *(np.asarray(value, np.float64) for value in (arrival_hours, departure_hours, energy_needed_kwh, power_max_kw))
    )
    begin = np.maximum(arrival, -lead_hours)
    charging_hours = np.divide(energy, power, out=np.zeros(energy.shape), where=power > 0)
    end = np.maximum(np.minimum(begin + charging_hours, departure), begin)

    def on_from(hours: Floats) -> Floats:
        """Energy per step if every car charged from `hours` to the end of the window."""
        position = np.clip(hours / step_hours, 0.0, steps)
        step = position.astype(np.int64)
        cell = step if scenario is None else scenario * (steps + 1) + step
        starting = weighted_counts(cell, power, scenarios * (steps + 1))
        missed = weighted_counts(cell, power * (position - step), scenarios * (steps + 1))
        running = np.cumsum(starting.reshape(scenarios, -1), axis=1) - missed.reshape(scenarios, -1)
        return np.asarray(running[:, :-1] * step_hours)

    return np.asarray(np.maximum(on_from(begin) - on_from(end), 0.0))
