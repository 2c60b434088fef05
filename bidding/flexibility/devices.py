"""Devices that only charge or only feed in, as bounds on power and cumulative energy at the grid side.

Every builder, here and in `storage` and `heat_pump`, takes n devices as arrays (n,) (scalars are shared), hours from
the start of a horizon of T steps, and returns a `Corridor` (n, T). Whatever profile lies inside the corridor can be
driven by the real device: where losses or leakage break exactness, the corridor is an inner one, so a promise made with
it is never above the exact programme.
"""

import math

import numpy as np
from numpy.typing import ArrayLike

from bidding.flexibility.corridor import Corridor
from bidding.flexibility.ul import Floats
from bidding.flexibility.window import SNAP_STEPS, Window

VOLTS = 230.0
MIN_CHARGING_AMPERE = 6.0
"""IEC 61851: a car that gets less than 6 A is paused."""


def pause_floor_kw(phases: ArrayLike) -> Floats:
    """Least charging power of a car that cannot pause: 1.38, 2.76 or 4.14 kW on 1, 2 or 3 phases."""
    return np.asarray(phases, np.float64) * (MIN_CHARGING_AMPERE * VOLTS / 1000)


def connected_share(*, arrival_hours: ArrayLike, departure_hours: ArrayLike, window: Window) -> Floats:
    """Part of each step (n, T) in which a device is connected."""
    edges = np.arange(window.steps) * window.step_hours
    arrival = np.asarray(arrival_hours, np.float64).reshape(-1, 1)
    departure = np.asarray(departure_hours, np.float64).reshape(-1, 1)
    overlap = np.minimum(departure, edges + window.step_hours) - np.maximum(arrival, edges)
    return np.asarray(np.clip(overlap / window.step_hours, 0.0, 1.0))


def one_way_charger(
    *,
    arrival_hours: ArrayLike,
    departure_hours: ArrayLike,
    energy_needed_kwh: ArrayLike,
    power_max_kw: ArrayLike,
    power_floor_kw: ArrayLike = 0.0,
    window: Window,
) -> Corridor:
    """Cars that only charge, full when they leave; exact, except that a floor is kept only in whole steps.

    A car that cannot pause draws at least `power_floor_kw` until it is full. One that would be full before it leaves
    even at its floor must be full by the time the floor brings it there.
    """
    arrival, departure, energy, power, floor = (
        np.asarray(column, np.float64).reshape(-1, 1)
        for column in np.broadcast_arrays(
            arrival_hours, departure_hours, energy_needed_kwh, power_max_kw, power_floor_kw
        )
    )
    floor = np.minimum(floor, power)
    first_whole = np.ceil(np.maximum(arrival, 0.0) / window.step_hours - SNAP_STEPS) * window.step_hours
    floor_hours = np.divide(energy, floor, out=np.full(energy.shape, math.inf), where=floor > 0)
    leaves = np.minimum(departure, first_whole + np.maximum(floor_hours, window.step_hours))
    share = connected_share(arrival_hours=arrival, departure_hours=leaves, window=window)
    reach = np.cumsum(power * share, axis=1) * window.step_hours
    beyond = power * np.maximum(leaves - np.maximum(window.hours, arrival), 0.0)
    need = np.minimum(energy, reach[:, -1:] + beyond)
    held = np.minimum(np.minimum(floor, need / window.step_hours), power * share)
    lower = np.where(share >= 1 - SNAP_STEPS, held, 0.0)
    still = np.maximum(reach[:, -1:] - reach, 0.0) + beyond
    return Corridor.of(
        power_min_kw=lower,
        power_max_kw=power * share,
        energy_min_kwh=np.maximum(need - still, 0.0),
        energy_max_kwh=need,
        shape=share.shape,
    )


def bus_charger(
    *,
    connected: ArrayLike,
    driven_kwh: ArrayLike,
    stored_kwh: ArrayLike,
    stored_min_kwh: ArrayLike,
    stored_max_kwh: ArrayLike,
    power_max_kw: ArrayLike,
    charge_efficiency: float,
    window: Window,
) -> Corridor:
    """Buses bound to a timetable: they charge only while parked and drive empty in between; exact.

    Args:
        connected: Part of each step (n, T) at the charger.
        driven_kwh: Battery energy used in each step (n, T).
        stored_kwh: Battery at the start (n,), as the following.
        stored_min_kwh: Reserve never passed.
        stored_max_kwh: Usable capacity.
        power_max_kw: At the grid.
        charge_efficiency: From grid to battery.
        window: The horizon.
    """
    share = np.asarray(connected, np.float64)
    used = np.cumsum(np.broadcast_to(np.asarray(driven_kwh, np.float64), share.shape), axis=1)
    stored, least, most, power = (
        np.asarray(column, np.float64).reshape(-1, 1)
        for column in np.broadcast_arrays(stored_kwh, stored_min_kwh, stored_max_kwh, power_max_kw)
    )
    return Corridor.of(
        power_min_kw=0.0,
        power_max_kw=power * share,
        energy_min_kwh=(least + used - stored) / charge_efficiency,
        energy_max_kwh=(most + used - stored) / charge_efficiency,
        shape=(share.shape[0], window.steps),
    )


def pv_curtailment(*, production_kw: ArrayLike, window: Window) -> Corridor:
    """Solar plants that feed in what they produce (n, T) or less."""
    production = np.asarray(production_kw, np.float64)
    return Corridor.of(
        power_min_kw=-production,
        power_max_kw=0.0,
        energy_min_kwh=-np.cumsum(production, axis=1) * window.step_hours,
        energy_max_kwh=0.0,
        shape=production.shape,
    )
