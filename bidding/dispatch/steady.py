"""Batteries and heat pumps of a group as resources that must last to the end of a window."""

from collections.abc import Collection, Sequence
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from aggregator.core.interval import Interval
from aggregator.core.ptu import PTU, ptu_start
from assets.control.connection_flows import Flow
from assets.control.connections import shares_of_connections_w
from assets.models import Asset, AssetState
from bidding.dispatch.allocation.plan import SteadyResources
from bidding.dispatch.allocation.storage import charge_kwh, discharge_kwh, lasting_kw
from bidding.optimisation.interface import Direction
from bidding.portfolio import Group, latest_states, usual_power_kw
from bidding.weather import heating_factor

Floats = NDArray[np.float64]

W_PER_KW = 1_000
USUAL_DAYS = 7


def steady_resources(
    *,
    group: Group,
    remaining: Interval,
    direction: Direction,
    now: datetime,
    ignored_asset_ids: Collection[int] = (),
    promised_kwh: float = 0.0,
) -> tuple[tuple[Asset, ...], SteadyResources]:
    """Return the group's batteries and heat pumps, and what each can move to the end of `remaining`.

    An asset that has not told its level, or told that it is out of use, counts for nothing, and so does one of
    `ignored_asset_ids`: they only go on as usual. Of the energy that the others hold together, `promised_kwh` is left
    to other orders.
    """
    assets = (*group.batteries, *group.heat_pumps)
    states = latest_states(assets)
    level_kwh = np.array([_level_kwh(states.get(asset.pk)) for asset in assets])
    hours = remaining.duration.total_seconds() / 3600
    count = len(group.batteries)
    first_start = ptu_start(remaining.starts_at)  # the PTU that runs, when it is corrected: meters know whole ones
    first_ptu = Interval(first_start, first_start + PTU)
    heat_kw = usual_heat_kw(pumps=group.heat_pumps, period=first_ptu, now=now)[:, 0]
    idle = {asset_id for asset_id, state in states.items() if not state.is_available}.union(ignored_asset_ids)
    counts = np.array([asset.pk not in idle for asset in assets], dtype=np.bool_)
    held_kwh = np.concatenate(
        [
            _battery_kwh(group.batteries, level_kwh[:count], direction),
            _heat_kwh(group.heat_pumps, level_kwh[count:], direction),
        ]
    )
    energy_kwh = np.where(counts, held_kwh, 0.0)
    # Of a connection batteries take their share before the group's cars; who gives nothing takes none.
    shares_w = shares_of_connections_w(
        flow=Flow.FEEDING_IN if direction == "reduce" else Flow.CHARGING,
        assets=[battery for battery, gives in zip(group.batteries, energy_kwh[:count] > 0, strict=True) if gives],
        period=remaining,
        yielding=group.plugs,
    )
    battery_kw = np.array([shares_w.get(battery.pk, 0) / W_PER_KW for battery in group.batteries], dtype=np.float64)
    movable_kw = lasting_kw(
        energy_kwh=energy_kwh,
        most_kw=np.concatenate([battery_kw, heat_kw]),
        remaining_h=hours,
        promised_kwh=promised_kwh,
    )
    return assets, SteadyResources(usual_kw=np.concatenate([np.zeros(count), heat_kw]), movable_kw=movable_kw)


def usual_heat_kw(*, pumps: Sequence[Asset], period: Interval, now: datetime) -> Floats:
    """Return what heat pumps take in each PTU of `period` when left alone, (pumps, PTUs), in its weather."""
    usual_kw = np.nan_to_num(usual_power_kw(assets=pumps, period=period, days=USUAL_DAYS))
    return usual_kw * heating_factor(period=period, days=USUAL_DAYS, now=now)


def _level_kwh(state: AssetState | None) -> float:
    return np.nan if state is None or state.level_wh is None else state.level_wh / W_PER_KW


def _battery_kwh(batteries: Sequence[Asset], level_kwh: Floats, direction: Direction) -> Floats:
    efficiency = np.array([float(asset.round_trip_efficiency) ** 0.5 for asset in batteries])
    if direction == "reduce":
        least_kwh = np.array([asset.min_level_wh / W_PER_KW for asset in batteries])
        return discharge_kwh(level_kwh=level_kwh, least_kwh=least_kwh, one_way_efficiency=efficiency)
    capacity_kwh = np.array([(asset.capacity_wh or 0) / W_PER_KW for asset in batteries])
    return charge_kwh(level_kwh=level_kwh, capacity_kwh=capacity_kwh, one_way_efficiency=efficiency)


def _heat_kwh(pumps: Sequence[Asset], buffer_kwh: Floats, direction: Direction) -> Floats:
    """Heat pumps only reduce: running harder heats a buffer whose room the pump's own control decides."""
    if direction == "increase":
        return np.zeros(len(pumps))
    return np.asarray(buffer_kwh - np.array([asset.min_level_wh / W_PER_KW for asset in pumps]))
