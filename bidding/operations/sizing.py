"""Sizing a bid for a group: from what is known now to what is offered."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import lru_cache

import numpy as np
from django.conf import settings
from numpy.typing import NDArray

from aggregator.core.interval import Interval
from aggregator.core.ptu import MARKET_ZONE, PTU_SECONDS
from aggregator.core.units import watt
from assets.control.connections import may_feed_in_together
from assets.control.standing import steerable_w
from assets.models import AggregationEan, Asset, AssetKind
from bidding.dispatch.allocation.live_policy import rehearsed_policy
from bidding.dispatch.steady import steady_resources, usual_heat_kw
from bidding.driver_record import DriverRecord, driver_record
from bidding.forecast.baselines import arrival_kwh
from bidding.forecast.local_time import WEEK_S, local_seconds, utc_seconds
from bidding.forecast.sessions import SessionTable
from bidding.forecast.stay_models import stay_models
from bidding.forecast.stays import StayModels
from bidding.forecast.temperatures import day_means_c
from bidding.forecast.window_forecast import ChargerGroup
from bidding.models import Announcement
from bidding.models.directions import as_literal
from bidding.operations.bids import SizedWindow
from bidding.operations.ledger import promised_kwh
from bidding.optimisation.interface import ChargerTraits, Direction, SizedBid, WindowSpec
from bidding.optimisation.rehearsal import REHEARSED_WINDOWS
from bidding.optimisation.rehearsal_memory import RehearsalMemory
from bidding.optimisation.sizing import Contribution, size_window
from bidding.portfolio import HISTORY, Group, PlugHistory, declarations, group_during, plug_history
from bidding.track_record import earlier_margins, placed_bids
from bidding.weather import hours_c

Floats = NDArray[np.float64]

W_PER_KW = 1_000
WEEKS_FOR_BASELINE = 4
RECORD_KEPT_FOR = timedelta(days=365)

REFILLED_WITHIN = timedelta(hours=8)
"""After an order storage goes back to its own control; sooner than this nobody counts on it being full again."""

_REHEARSED = RehearsalMemory(most=64 * REHEARSED_WINDOWS)  # of 64 bids, some 30 MB in the process that sizes


def size(*, announcement: Announcement, aggregation_ean: AggregationEan, now: datetime) -> SizedWindow:
    """Return what a group can reliably offer for an announcement, on what is known at `now`.

    The seed follows from group and window, so the same knowledge gives the same bid.
    """
    period = Interval(announcement.starts_at, announcement.ends_at)
    group = group_during(aggregation_ean=aggregation_ean, period=period)
    direction = as_literal(announcement.direction)
    histories = histories_of(group.plugs, now)
    drivers = driver_record(aggregation_ean=aggregation_ean, now=now)
    sized = _sized(
        group=group,
        period=period,
        direction=direction,
        histories=histories,
        drivers=drivers,
        min_bid_w=aggregation_ean.min_bid_w,
        step_w=aggregation_ean.bid_step_w,
        now=now,
        memory=_REHEARSED,
    )
    bid_w = watt(sized.bid_kw)
    is_at_drivers_risk = bool(group.plugs) and direction == "reduce"
    return SizedWindow(
        bid_w=bid_w,
        sellable_w=bid_w,
        baseline_w=[watt(power_kw) for power_kw in _baseline_kw(group, list(histories.values()), period, now)],
        explanation={**sized.explanation, "drivers": drivers.to_json()} if is_at_drivers_risk else sized.explanation,
        reason=str(sized.explanation["reason"]),
    )


def reliable_power(
    *, aggregation_ean: AggregationEan, period: Interval, direction: Direction, now: datetime
) -> SizedBid:
    """Return the most that a group reliably moves in every PTU of a period, in whole kW, whatever product it is for.

    Cars charge on arrival, so they cannot take more: nothing is forecast for an increase.
    """
    group = group_during(aggregation_ean=aggregation_ean, period=period)
    histories = histories_of(group.plugs if direction == "reduce" else (), now)
    return _sized(
        group=group,
        period=period,
        direction=direction,
        histories=histories,
        drivers=driver_record(aggregation_ean=aggregation_ean, now=now),
        min_bid_w=W_PER_KW,
        step_w=W_PER_KW,
        now=now,
        memory=None,  # no bid would be sized on these rehearsals, and they would push out those of bids
    )


def _sized(
    *,
    group: Group,
    period: Interval,
    direction: Direction,
    histories: Mapping[str, PlugHistory],
    drivers: DriverRecord,
    min_bid_w: int,
    step_w: int,
    now: datetime,
    memory: RehearsalMemory | None,
) -> SizedBid:
    aggregation_ean = group.aggregation_ean
    steerable = steerable_w(aggregation_ean=aggregation_ean.ean, assets=group.members, direction=direction)
    contributions = _contributions(group, period, direction, now)
    sized = size_window(
        window=WindowSpec(
            starts_s=int(period.starts_at.timestamp()),
            ends_s=int(period.ends_at.timestamp()),
            direction=direction,
            baseline="arrival",
            reliability=float(aggregation_ean.reliability),
            min_bid_kw=min_bid_w / W_PER_KW,
            step_kw=step_w / W_PER_KW,
            max_bid_kw=min(aggregation_ean.max_bid_w, steerable) / W_PER_KW,
        ),
        now_s=int(now.timestamp()),
        timezone=MARKET_ZONE.key,
        groups=charger_groups(group=group, histories=histories, period=period, now=now),
        outdoor_c=day_means_c(
            hours_c(period=Interval(now - HISTORY, period.ends_at + timedelta(days=1)), now=now),
            timezone=MARKET_ZONE.key,
        ),
        contributions=contributions,
        placed=placed_bids(since=now - RECORD_KEPT_FOR, aggregation_ean=aggregation_ean),
        margin_history=earlier_margins(aggregation_ean=aggregation_ean, since=now - RECORD_KEPT_FOR),
        seed=int(period.starts_at.timestamp()) // PTU_SECONDS + int(aggregation_ean.ean) % 1_000_003,
        policy=rehearsed_policy(drivers.most_risk),
        memory=memory,
    )
    if direction == "increase" or not histories:
        return sized
    steady_w = sum(watt(float(one.power_kw.min())) for one in contributions)
    replay = {"promised_w": watt(sized.bid_kw), "steady_w": steady_w}  # what `hindsight` holds against what cars did
    return replace(sized, explanation={**sized.explanation, "replay": replay})


def charger_groups(
    *, group: Group, histories: Mapping[str, PlugHistory], period: Interval, now: datetime
) -> list[ChargerGroup]:
    """Return the chargers of a group by category, as forecast and replay know them at `now`."""
    plugs = {asset.pk: asset for asset in group.plugs}
    feeding_in = may_feed_in_together(batteries=group.batteries, plugs=group.plugs, period=period)
    return [
        ChargerGroup(
            name=category,
            history=history.sessions,
            plugged_in=history.plugged_in,
            traits=_traits([plugs[asset_id] for asset_id in history.asset_ids], feeding_in),
            stays=_stays(group.aggregation_ean.ean, category),
            energy_in_kwh=history.energy_in_kwh,
            declared=declarations(history=history, now=now),
        )
        for category, history in histories.items()
    ]


@lru_cache(maxsize=256)
def _stays(ean: str, category: str) -> StayModels:
    """Return what forecasts departures and energy of one category of one group; forests stay fitted for their week."""
    del ean, category  # one model each
    return stay_models(settings.STAY_MODEL)


def expected_w(*, aggregation_ean: AggregationEan, period: Interval, now: datetime) -> list[int]:
    """Return what a group is expected to take in each PTU of `period`, on what is known at `now`."""
    group = group_during(aggregation_ean=aggregation_ean, period=period)
    histories = list(histories_of(group.plugs, now).values())
    return [watt(power_kw) for power_kw in _baseline_kw(group, histories, period, now)]


def histories_of(plugs: Sequence[Asset], now: datetime) -> dict[str, PlugHistory]:
    """Return what is known of the sessions at some chargers, by category."""
    by_category: dict[str, list[Asset]] = {}
    for asset in plugs:
        by_category.setdefault(asset.category, []).append(asset)
    return {category: plug_history(plugs=those, now=now) for category, those in sorted(by_category.items())}


def _traits(assets: Sequence[Asset], feeding_in: Collection[int]) -> ChargerTraits:
    """Return what each charger's cars can do; a car not known to pause keeps its minimum."""
    return ChargerTraits(
        floor_kw=np.array(
            [0.0 if asset.pausing == Asset.Pausing.CAN_PAUSE else asset.min_import_w / W_PER_KW for asset in assets]
        ),
        v2g=np.array([asset.pk in feeding_in and _feeds_in_as_it_takes(asset) for asset in assets], dtype=np.bool_),
    )


def _feeds_in_as_it_takes(asset: Asset) -> bool:
    """Tell whether a car there counts as one that feeds in: forecast and rehearsal do so at its rated power."""
    return asset.kind == AssetKind.V2G_CHARGER and asset.max_export_w >= asset.max_import_w


def _contributions(group: Group, period: Interval, direction: Direction, now: datetime) -> list[Contribution]:
    """Return what batteries and heat pumps can move in every PTU to the end of the window.

    Their level is what they told last. What is promised before, during or soon after the window may come out of it too
    and is not promised again.
    """
    around = Interval(min(now, period.starts_at), period.ends_at + REFILLED_WITHIN)
    promised = promised_kwh(aggregation_ean=group.aggregation_ean, direction=direction, period=around)
    assets, steady = steady_resources(
        group=group, remaining=period, direction=direction, now=now, promised_kwh=promised
    )
    ptus = len(list(period.steps(timedelta(seconds=PTU_SECONDS))))
    by_name = {"battery": AssetKind.BATTERY, "heat": AssetKind.HEAT_PUMP}
    power_kw = {
        name: float(sum(kw for asset, kw in zip(assets, steady.movable_kw, strict=True) if asset.kind == kind))
        for name, kind in by_name.items()
    }
    return [Contribution(name=name, power_kw=np.full(ptus, kw)) for name, kw in power_kw.items() if kw > 0]


def _baseline_kw(group: Group, histories: Sequence[PlugHistory], period: Interval, now: datetime) -> Floats:
    """Return the group's expected consumption: cars as in these local hours of the past weeks, heat pumps as usual."""
    edges_s = np.array(
        [int(piece.starts_at.timestamp()) for piece in period.steps(timedelta(seconds=PTU_SECONDS))]
        + [int(period.ends_at.timestamp())],
        dtype=np.int64,
    )
    local_s = local_seconds(edges_s[0], timezone=MARKET_ZONE.key) - WEEK_S * np.arange(1, WEEKS_FOR_BASELINE + 1)
    weeks = [
        sum((_past_kw(history.sessions, past_edges_s) for history in histories), np.zeros(len(edges_s) - 1))
        for past_edges_s in utc_seconds(local_s, timezone=MARKET_ZONE.key)[:, None] + (edges_s - edges_s[0])
    ]
    heat_kw = usual_heat_kw(pumps=group.heat_pumps, period=period, now=now)
    return np.asarray(np.mean(weeks, axis=0) + heat_kw.sum(axis=0))


def _past_kw(sessions: SessionTable, edges_s: NDArray[np.int64]) -> Floats:
    rows = sessions.rows_present(int(edges_s[0]), int(edges_s[-1]))
    energy_kwh = arrival_kwh(sessions.plug_in_s[rows], sessions.energy_kwh[rows], sessions.power_kw[rows], edges_s)
    return np.asarray(energy_kwh.sum(axis=0) * 3600 / PTU_SECONDS)
