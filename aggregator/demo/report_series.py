"""What the report page draws besides the report itself: power over the evening and the reasons for each bid."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aggregator.core.interval import Interval
from aggregator.core.ptu import PTU, PTU_SECONDS, ptu_range
from aggregator.demo.report import bids_of, calls_of, rfc3339
from assets.energy import GroupReadings, group_readings
from assets.models import AggregationEan, Setpoint
from bidding.models import ActivationPtu, Bid, ContractCall
from settlement import queries
from settlement.baseline.arrival import HOUR_S, SessionNeeds
from settlement.delivery.baselines import SESSION_KINDS, asset_baselines

Floats = NDArray[np.float64]

SHOWN_BEFORE = timedelta(hours=2)
SHOWN_AFTER = timedelta(hours=6)
PTUS_PER_HOUR = 4


@dataclass(frozen=True, slots=True)
class _Window:
    """A time for which a group offered power, or in which it was called."""

    group: AggregationEan
    starts_at: datetime
    ends_at: datetime
    direction: str
    explanation: Mapping[str, Any]
    orders: Mapping[datetime, ActivationPtu]


def page_extra(*, day: Interval, now: datetime, simulator_report: Mapping[str, Any]) -> dict[str, Any]:
    """Return the series of each bid and call of a day, for `write_report_page`.

    Of each: the group's name, its power per PTU from two hours before the window to six after it (`baseline_w`,
    `plan_w`, `metered_w` of the assets that have a meter value; `ordered_w` and `limit_w` null where there is none;
    `undisturbed_w` what the simulator says would have happened), and the bid's `explanation`.
    """

    def series(windows: Sequence[_Window]) -> list[dict[str, Any]]:
        return [_series(window, day=day, now=now, simulator_report=simulator_report) for window in windows]

    return {
        "bids": series([_of_bid(bid) for bid in bids_of(day)]),
        "calls": series([_of_call(call) for call in calls_of(day)]),
    }


def _of_bid(bid: Bid) -> _Window:
    orders = {ptu.ptu_start: ptu for ptu in ActivationPtu.objects.filter(activation__bid=bid)}
    return _Window(bid.aggregation_ean, bid.starts_at, bid.ends_at, bid.direction, bid.explanation, orders)


def _of_call(call: ContractCall) -> _Window:
    orders = {ptu.ptu_start: ptu for ptu in call.activation.ptus.all()}
    return _Window(call.contract.aggregation_ean, call.starts_at, call.ends_at, call.direction, {}, orders)


def _series(window: _Window, *, day: Interval, now: datetime, simulator_report: Mapping[str, Any]) -> dict[str, Any]:
    shown = Interval(
        max(window.starts_at - SHOWN_BEFORE, day.starts_at), min(window.ends_at + SHOWN_AFTER, day.ends_at, now)
    )
    ptus = [start for start in ptu_range(Interval(day.starts_at, day.ends_at)) if start in shown]
    ean = window.group.ean
    readings = group_readings(aggregation_ean=ean, ptu_starts=ptus)
    baselines = asset_baselines(aggregation_ean=ean, readings=readings, ptu_starts=ptus, now=now)
    counts = readings.is_member & readings.has_meter_value & baselines.is_known
    plan_kwh = _planned_kwh(readings, baselines.energy_wh / 1000, ptus=ptus, now=now)
    return {
        "aggregation_ean": ean,
        "name": window.group.name,
        "starts_at": rfc3339(window.starts_at),
        "direction": window.direction,
        "ptu_starts": [rfc3339(start) for start in ptus],
        "baseline_w": _watts(np.where(counts, baselines.energy_wh, 0).sum(axis=0)),
        "plan_w": _watts(np.where(counts, plan_kwh * 1000, 0).sum(axis=0)),
        "metered_w": _watts(np.where(counts, readings.metered_wh, 0).sum(axis=0)),
        "ordered_w": [window.orders[start].ordered_w if start in window.orders else None for start in ptus],
        "limit_w": [_limit_w(window.orders.get(start)) for start in ptus],
        "undisturbed_w": _undisturbed_w(simulator_report, ean, ptus),
        "explanation": window.explanation,
    }


def _limit_w(order: ActivationPtu | None) -> int | None:
    """Return the limit of a called PTU as net power."""
    if order is None:
        return None
    return order.max_import_w if order.max_export_w is None else -order.max_export_w


def _planned_kwh(readings: GroupReadings, baseline_kwh: Floats, *, ptus: Sequence[datetime], now: datetime) -> Floats:
    """Return what each asset would take if it did exactly what its setpoints say, shape (assets, PTUs).

    Without a setpoint an asset follows its baseline; a car that was held back goes on at full power until its energy
    is in. No setpoint comes before the first PTU shown.
    """
    told_kw = _setpoints_kw(readings.asset_ids, ptus)
    plan_kwh = np.where(np.isnan(told_kw), baseline_kwh, told_kw / PTUS_PER_HOUR)
    chargers = [row for row, kind in enumerate(readings.kinds) if kind in SESSION_KINDS]
    needs, _ = queries.session_needs(
        asset_ids=[readings.asset_ids[row] for row in chargers], period=Interval(ptus[0], ptus[-1] + PTU), now=now
    )
    plan_kwh[chargers] = _cars_kwh(needs, told_kw[chargers], starts_s=[int(start.timestamp()) for start in ptus])
    return plan_kwh


def _cars_kwh(needs: SessionNeeds, told_kw: Floats, *, starts_s: Sequence[int]) -> Floats:
    """Charge every car PTU by PTU at the lower of its own power and what its charger was told."""
    power_kw = needs.power_w / 1000
    needed_kwh = np.minimum(needs.needed_wh / 1000, power_kw * (needs.plug_out_s - needs.plug_in_s) / HOUR_S)
    charged_kwh = np.minimum(np.maximum(starts_s[0] - needs.plug_in_s, 0) / HOUR_S * power_kw, needed_kwh)
    plan_kwh = np.zeros_like(told_kw)
    for ptu, (start, end) in enumerate(pairwise([*starts_s, starts_s[-1] + PTU_SECONDS])):
        here_h = np.clip(np.minimum(needs.plug_out_s, end) - np.maximum(needs.plug_in_s, start), 0, None) / HOUR_S
        limit_kw = np.fmin(told_kw[needs.asset, ptu], power_kw)
        step_kwh = np.minimum(limit_kw * here_h, needed_kwh - charged_kwh)
        charged_kwh += step_kwh
        np.add.at(plan_kwh[:, ptu], needs.asset, step_kwh)
    return plan_kwh


def _setpoints_kw(asset_ids: Sequence[int], ptus: Sequence[datetime]) -> Floats:
    """Return the last setpoint of each asset in each PTU; NaN where there was none."""
    told_kw = np.full((len(asset_ids), len(ptus)), np.nan)
    row_of = {asset_id: row for row, asset_id in enumerate(asset_ids)}
    ptu_of = {start: number for number, start in enumerate(ptus)}
    setpoints = (
        Setpoint.objects.filter(asset_id__in=asset_ids, starts_at__lte=ptus[-1], ends_at__gt=ptus[0])
        .order_by("batch_id", "pk")
        .values_list("asset_id", "starts_at", "power_w")
    )
    for asset_id, starts_at, power_w in setpoints:
        for number, value in enumerate(power_w):
            ptu = ptu_of.get(starts_at + number * PTU)
            if ptu is not None:
                told_kw[row_of[asset_id], ptu] = value / 1000
    return told_kw


def _undisturbed_w(simulator_report: Mapping[str, Any], ean: str, ptus: Sequence[datetime]) -> list[int | None]:
    powers = simulator_report.get("undisturbed_power_by_aggregation_ean", {}).get(ean, [])
    known = dict(zip(simulator_report.get("ptu_starts", []), powers, strict=False))
    return [known.get(rfc3339(start)) for start in ptus]


def _watts(energy_wh: NDArray[Any]) -> list[int]:
    return [round(value * PTUS_PER_HOUR) for value in energy_wh.tolist()]
