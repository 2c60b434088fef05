"""Charging sessions to window parameters: which steps a car can shift in, and how much energy it may take there.

Hours are counted from the window's start, so a car that is already connected arrives at a negative hour. A car may
come or leave inside the window: it takes part in the whole steps of its stay, follows the baseline (full power) in
the step in which it arrives, and has taken all its energy before the step in which it leaves, except what only fits
into that step. Both are conservative, and exact when stays are rounded to steps.

Source: Panda and Tindemans, arXiv 2310.02729 (parameters of a device in a window, with a known charge at its start);
lead time: Panda, Palensky, Tindemans, arXiv 2501.15946 (the plan may deviate from `lead_hours` before the window on).
"""

from dataclasses import dataclass, replace

import numpy as np

from bidding.flexibility.ul import Floats, Integers, weighted_counts

SNAP_STEPS = 1e-9
"""A time this close to the edge of a step is on it."""


@dataclass(frozen=True, slots=True)
class Window:
    """T equal steps in which power is promised; the plan may differ from the baseline from `lead_hours` before it."""

    steps: int
    step_hours: float = 0.25
    lead_hours: float = 0.0

    @property
    def hours(self) -> float:
        """Length of the window."""
        return self.steps * self.step_hours


@dataclass(frozen=True, slots=True)
class Sessions:
    """Charging sessions of one or more scenarios; arrays (n,), hours from the window's start.

    Attributes:
        arrival_hours: Plug-in; negative when already connected.
        departure_hours: Plug-out.
        energy_needed_kwh: Energy still to be taken at the later of plug-in and `lead_hours` before the window. What the
            stay cannot hold at full power is left out: no plan can serve it.
        power_max_kw: Most charging power.
        power_floor_kw: Least power while the car is not full, scalar or (n,), for cars that cannot pause (6 A: 1.38,
            2.76 or 4.14 kW on 1, 2 or 3 phases).
        scenario: In which of `scenarios` each session falls, 0-based; None when there is one. In order is fastest.
        scenarios: Number of scenarios.
    """

    arrival_hours: Floats
    departure_hours: Floats
    energy_needed_kwh: Floats
    power_max_kw: Floats
    power_floor_kw: float | Floats = 0.0
    scenario: Integers | None = None
    scenarios: int = 1

    def __len__(self) -> int:
        return len(self.energy_needed_kwh)

    def select(self, chosen: slice | Integers) -> "Sessions":
        """Some of the sessions, of the same scenarios."""
        floor = self.power_floor_kw
        return replace(
            self,
            arrival_hours=self.arrival_hours[chosen],
            departure_hours=self.departure_hours[chosen],
            energy_needed_kwh=self.energy_needed_kwh[chosen],
            power_max_kw=self.power_max_kw[chosen],
            power_floor_kw=floor[chosen] if isinstance(floor, np.ndarray) else floor,
            scenario=None if self.scenario is None else self.scenario[chosen],
        )


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


def window_devices(sessions: Sessions, window: Window) -> WindowDevices:
    """Turn sessions into what each can shift in the window.

    A car that cannot pause and is too nearly full to hold its floor through the window follows the baseline: it charges
    at full power until it is full. Letting it run at its floor instead gives less in the later steps.
    """
    steps, step_hours, lead_hours = window.steps, window.step_hours, window.lead_hours
    arrival, departure = sessions.arrival_hours, sessions.departure_hours
    energy, power = sessions.energy_needed_kwh, sessions.power_max_kw
    window_hours = window.hours
    start = np.maximum(arrival, -lead_hours)
    present = (departure > 0) & (arrival < window_hours) & (departure > start)
    need = np.where(present, np.minimum(energy, power * (departure - start)), 0.0)
    lower = np.minimum(sessions.power_floor_kw, power)

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
        full_kwh = power * step_hours  # energy of a step at full power
        whole = np.floor(np.divide(most, full_kwh, out=np.zeros(most.shape), where=full_kwh > 0) + SNAP_STEPS)
        last = np.where(full_early, first + whole, last)
        departure_step = np.where(full_early, last, departure_step)
        rest = np.maximum(most - full_kwh * whole, 0.0)
        fixed_last = np.where(full_early, fixed_last + rest, fixed_last)
        most = np.where(full_early, full_kwh * whole, most)
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


def arrival_baseline_kwh(sessions: Sessions, window: Window) -> Floats:
    """Energy per step (scenarios, T) when every car charges at full power from plug-in until it is full or leaves.

    Exact for stays that begin or end inside a step. With a lead, the car's need is the one at that moment.
    """
    energy, power, scenarios, steps = (
        sessions.energy_needed_kwh,
        sessions.power_max_kw,
        sessions.scenarios,
        window.steps,
    )
    begin = np.maximum(sessions.arrival_hours, -window.lead_hours)
    charging_hours = np.divide(energy, power, out=np.zeros(energy.shape), where=power > 0)
    end = np.maximum(np.minimum(begin + charging_hours, sessions.departure_hours), begin)

    def on_from(hours: Floats) -> Floats:
        """Energy per step if every car charged from `hours` to the end of the window."""
        position = np.clip(hours / window.step_hours, 0.0, steps)
        step = position.astype(np.int64)
        cell = step if sessions.scenario is None else sessions.scenario * (steps + 1) + step
        starting = weighted_counts(cell, power, scenarios * (steps + 1))
        missed = weighted_counts(cell, power * (position - step), scenarios * (steps + 1))
        running = np.cumsum(starting.reshape(scenarios, -1), axis=1) - missed.reshape(scenarios, -1)
        return np.asarray(running[:, :-1] * window.step_hours)

    return np.asarray(np.maximum(on_from(begin) - on_from(end), 0.0))


def fixed_kwh(sessions: Sessions, window: Window, *, by: Window) -> Floats:
    """Energy per step (scenarios, T) of a finer window that `window_devices` counts as fixed in the steps of `window`.

    A car takes it at full power, from its arrival or from the beginning of the step in which it leaves.
    """
    devices = window_devices(sessions, window)
    departure_hours = devices.departure_step * window.step_hours
    lumps = replace(
        sessions,
        arrival_hours=np.concatenate((np.maximum(sessions.arrival_hours, 0.0), departure_hours)),
        departure_hours=np.full(2 * len(sessions), np.inf),
        energy_needed_kwh=np.concatenate((devices.fixed_first_kwh, devices.fixed_last_kwh)),
        power_max_kw=np.tile(sessions.power_max_kw, 2),
        power_floor_kw=0.0,
        scenario=None if sessions.scenario is None else np.tile(sessions.scenario, 2),
    )
    return arrival_baseline_kwh(lumps, by)
