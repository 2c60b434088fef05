"""Two-way cars and stationary batteries: stores with losses, as an inner lossless corridor at the grid side.

With C charged and D discharged energy at the grid, a store holds start + η·C - D/η. What it holds for a given net
energy e = C - D is lowest when D is largest, so losses depend on the path and the exact set is not a generalised
polymatroid (the no-go lemma of Mukhi et al.). The corridor here asks for enough net energy even on the worst path:
every profile inside it keeps the real store between its limits and reaches its target.
"""

import math

import numpy as np
from numpy.typing import ArrayLike

from bidding.flexibility.corridor import Corridor
from bidding.flexibility.devices import connected_share
from bidding.flexibility.ul import Floats
from bidding.flexibility.window import Window

ROUND_TRIP_EFFICIENCY = 0.87
"""Measured on cars in Utrecht at 25-75 % charge, 3x16 A (Schram et al. 2020); 79-88 % over all conditions."""


A_YEAR_HOURS = 8760.0
"""Stands for a departure that never comes, to keep infinities out of sums."""


def storage(
    *,
    stored_kwh: ArrayLike,
    stored_min_kwh: ArrayLike,
    stored_max_kwh: ArrayLike,
    charge_max_kw: ArrayLike,
    discharge_max_kw: ArrayLike,
    arrival_hours: ArrayLike = -math.inf,
    departure_hours: ArrayLike = math.inf,
    target_kwh: ArrayLike = 0.0,
    discharge_from_hours: float = 0.0,
    discharge_until_hours: float = math.inf,
    round_trip_efficiency: float = ROUND_TRIP_EFFICIENCY,
    window: Window,
) -> Corridor:
    """Corridors (n, T) of n stores.

    Args:
        stored_kwh: Energy in the battery at the start, or at plug-in.
        stored_min_kwh: Floor it may not pass; a car that arrives below it is not discharged.
        stored_max_kwh: Usable capacity; a store that holds more is not charged further.
        charge_max_kw: At the grid.
        discharge_max_kw: At the grid, non-negative. Lowered where losses would otherwise cost the target.
        arrival_hours: Plug-in, from the horizon's start; minus infinity for a battery.
        departure_hours: Plug-out; infinity for a battery, which then has no target beyond the horizon.
        target_kwh: Energy in the battery at departure; what full power from plug-in cannot reach is left out.
        discharge_from_hours: The store discharges only in this part of the horizon; the shorter, the smaller the
            margin for losses.
        discharge_until_hours: End of that part.
        round_trip_efficiency: Charging and discharging each lose its square root.
        window: The horizon.
    """
    stored, least, most, charge, discharge, arrival, departure, target = (
        np.asarray(column, np.float64).reshape(-1, 1)
        for column in np.broadcast_arrays(
            stored_kwh,
            stored_min_kwh,
            stored_max_kwh,
            charge_max_kw,
            discharge_max_kw,
            arrival_hours,
            departure_hours,
            target_kwh,
        )
    )
    efficiency = math.sqrt(round_trip_efficiency)
    discharge = np.where(stored < least, 0.0, discharge)
    share = connected_share(arrival_hours=arrival, departure_hours=departure, window=window)
    discharging_share = connected_share(
        arrival_hours=np.maximum(arrival, discharge_from_hours),
        departure_hours=np.minimum(departure, discharge_until_hours),
        window=window,
    )
    hours = np.cumsum(share, axis=1) * window.step_hours
    discharging_hours = np.cumsum(discharging_share, axis=1) * window.step_hours
    later_hours = np.clip(departure - np.maximum(window.hours, arrival), 0.0, A_YEAR_HOURS)
    still_kwh = efficiency * charge * (hours[:, -1:] - hours + later_hours)
    reachable = stored + efficiency * charge * (hours[:, -1:] + later_hours)
    goal = np.minimum(np.minimum(target, most), reachable)
    change = np.maximum(np.minimum(least, stored), goal - still_kwh) - stored

    free = np.maximum(most - stored, 0.0)
    room = np.minimum(free, efficiency * charge * hours) - change
    discharge = np.minimum(discharge, _affordable_kw(room, discharging_hours, efficiency))
    return Corridor.of(
        power_min_kw=-discharge * discharging_share,
        power_max_kw=charge * share,
        energy_min_kwh=_least_net_kwh(
            change, hours, discharging_hours, charge=charge, discharge=discharge, efficiency=efficiency
        ),
        energy_max_kwh=free / efficiency,
        shape=share.shape,
    )


def _affordable_kw(room_kwh: Floats, discharging_hours: Floats, efficiency: float) -> Floats:
    """Discharge power (n, 1) whose losses fit into the room (n, T) between what must and what can be stored."""
    loss_kwh_per_kw = (1 / efficiency - efficiency) * discharging_hours
    power = np.divide(room_kwh, loss_kwh_per_kw, out=np.full(room_kwh.shape, math.inf), where=loss_kwh_per_kw > 0)
    return np.asarray(np.maximum(power.min(axis=1, keepdims=True), 0.0))


def _least_net_kwh(
    change_kwh: Floats,
    hours: Floats,
    discharging_hours: Floats,
    *,
    charge: Floats,
    discharge: Floats,
    efficiency: float,
) -> Floats:
    """Least net energy at the grid after which the store has changed by `change_kwh` or more on any path.

    Two bounds on the discharged energy D hold on every path, and the better one counts:
    - time: C/Pc + D/Pd ≤ t gives, with h = Pc·Pd/(Pc + Pd), D ≤ h·(t - e/Pc) for e ≥ 0 and C ≤ h·(t + e/Pd) for
      e ≤ 0; the change is then linear in e on either side, and continuous at zero;
    - power: D ≤ Pd times the hours in which discharging is allowed.
    """
    loss = 1 / efficiency - efficiency
    both = charge + discharge
    cycling = np.divide(charge * discharge, both, out=np.zeros(both.shape), where=both > 0)
    charging_part = np.divide(charge, both, out=np.zeros(both.shape), where=both > 0)
    needed = change_kwh + loss * cycling * hours
    falling = needed / (1 / efficiency - loss * charging_part)
    rising = needed / (efficiency + loss * (1 - charging_part))
    by_time = np.where(needed < 0, falling, rising)
    by_power = (change_kwh + loss * discharge * discharging_hours) / efficiency
    return np.asarray(np.minimum(by_time, by_power))
