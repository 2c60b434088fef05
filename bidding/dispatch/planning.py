"""One plan of an activation: read the situation, decide, fit it within the limits, send it, remember who does what."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from aggregator.core.interval import Interval
from aggregator.core.ptu import PTU
from aggregator.core.units import watt
from assets.control.reversals import may_turn
from assets.control.scope_limits import ScopeLimit, Standing, ramp_of, reversals_of
from assets.control.standing import limits_of, standing_of
from assets.models import Asset
from bidding.dispatch.allocation.caps import Scope, capped_kw
from bidding.dispatch.allocation.decision import Decision, Records, decide
from bidding.dispatch.allocation.driver_budget import FIRST_RISK
from bidding.dispatch.allocation.release import LONGEST_PTUS, release_delays_ptus
from bidding.dispatch.allocation.reserve import LEAST_TRUSTED
from bidding.dispatch.allocation.urgency import UrgencyPolicy
from bidding.dispatch.commands import Command, send_commands
from bidding.dispatch.duties import NewDuty, not_doing_their_part, remember
from bidding.dispatch.limits import is_limited, turn_limit_into_order
from bidding.dispatch.records import records_of
from bidding.dispatch.situation import plugs_at
from bidding.dispatch.steady import steady_resources
from bidding.models import Activation, ActivationPtu
from bidding.models.directions import as_literal
from bidding.portfolio import group_at

Floats = NDArray[np.float64]

W_PER_KW = 1_000
LIVE_SAFETY = 1.0
"""Standard deviations of room for drivers, half of what a plan without a loop keeps: a miss is found in two minutes."""


@dataclass(frozen=True, slots=True)
class Planned:
    """What a plan came to: setpoints sent, and why some were not."""

    sent: int
    refused: str


@dataclass(frozen=True, slots=True, eq=False)
class _Intent:
    """n assets with what each would take, is asked, and how it stands; cars first. Arrays of shape (n,)."""

    assets: tuple[Asset, ...]
    usual_kw: Floats
    asked_kw: Floats
    records: Records
    delays_ptus: NDArray[np.int64]


def plan(
    activation: Activation, ptu: ActivationPtu, *, starts_at: datetime, now: datetime, wanted_w: int | None = None
) -> Planned:
    """Plan an activation from `starts_at`, in `ptu`, to its end.

    Args:
        activation: locked by the caller.
        ptu: the order of the quarter hour that is planned; what the plan comes to is stored with it.
        starts_at: when the plan begins: the start of the PTU, or now when the loop corrects a running one.
        now: the present.
        wanted_w: power to aim for; what is ordered, within the operator's cap, when None.
    """
    intent = _intent(activation, ptu, starts_at=starts_at, now=now, wanted_w=wanted_w)
    period = Interval(ptu.ptu_start, activation.ends_at + LONGEST_PTUS * PTU)
    standing = standing_of(
        asset_ids=[asset.pk for asset in intent.assets],
        aggregation_ean=activation.aggregation_ean_id,
        period=period,
        now=now,
    )
    limits = limits_of(
        aggregation_ean=activation.aggregation_ean_id,
        partner_ids=sorted({asset.partner_id for asset in intent.assets}),
        connections=sorted({asset.connection_ean for asset in intent.assets}),
    )
    asked_kw = _within_limits(intent, standing, limits)
    planned_kw, wished_kw = (
        _moved_kw(activation, intent.usual_kw, one, standing) for one in (asked_kw, intent.asked_kw)
    )
    ptu.planned_w, ptu.limited_w = watt(planned_kw), max(watt(wished_kw - planned_kw), 0)
    ptu.save(update_fields=["planned_w", "limited_w"])
    commands = [
        Command(asset, min(max(watt(power_kw), -asset.max_export_w), asset.max_import_w), int(delay))
        for asset, power_kw, delay in zip(intent.assets, asked_kw.tolist(), intent.delays_ptus, strict=True)
    ]
    sent, refused = send_commands(activation, commands, starts_at=ptu.ptu_start, ramp_s=ramp_of(limits), now=now)
    told = commands if sent or not refused else []
    remember(
        activation,
        [
            NewDuty(one.asset.pk, one.power_w, one.alone_w, watt(usual_kw))
            for one, usual_kw in zip(told, intent.usual_kw.tolist(), strict=False)
        ],
        starts_at=starts_at,
        now=now,
    )
    return Planned(sent, refused)


def _intent(
    activation: Activation, ptu: ActivationPtu, *, starts_at: datetime, now: datetime, wanted_w: int | None
) -> _Intent:
    group = group_at(aggregation_ean=activation.aggregation_ean, instant=now)
    everyone = (*group.plugs, *group.batteries, *group.heat_pumps)
    place = {asset.pk: index for index, asset in enumerate(everyone)}
    records = records_of(assets=everyone, activation=activation, now=now)
    ignored = not_doing_their_part(activation) | {pk for pk, at in place.items() if records.follows[at] < LEAST_TRUSTED}
    remaining = Interval(starts_at, activation.ends_at)
    direction = as_literal(activation.direction)
    plugs = plugs_at(group=group, remaining=remaining, now=now, ignored_asset_ids=ignored)
    steady_assets, steady = steady_resources(
        group=group, remaining=remaining, direction=direction, ignored_asset_ids=ignored
    )
    if wanted_w is None:
        if is_limited(ptu):
            # A limit holds for all that the group takes, also by those who do not follow.
            all_plugs = plugs_at(group=group, remaining=remaining, now=now, ignored_asset_ids=())
            turn_limit_into_order(ptu, plugs=all_plugs, steady=steady)
        wanted_w = within_cap(activation, ptu.ordered_w)
    plug_records = records.of([place[asset.pk] for asset in plugs.assets])
    steady_records = records.of([place[asset.pk] for asset in steady_assets])
    decision = decide(
        direction=direction,
        wanted_kw=wanted_w / W_PER_KW,
        plugs=plugs.view,
        steady=steady,
        policy=UrgencyPolicy(most_risk=FIRST_RISK, safety=LIVE_SAFETY),
        plug_records=plug_records,
        steady_records=steady_records,
    )
    moved = np.flatnonzero(np.abs(decision.plan.steady_kw - steady.usual_kw) > 0)
    chosen = (*plugs.assets, *(steady_assets[index] for index in moved))
    return _Intent(
        assets=chosen,
        usual_kw=np.concatenate([decision.plug_usual_kw, steady.usual_kw[moved]]),
        asked_kw=np.concatenate([decision.plan.plug_kw, decision.plan.steady_kw[moved]]),
        records=records.of([place[asset.pk] for asset in chosen]),
        delays_ptus=np.concatenate([_delays(decision, plugs.view.power_kw), np.zeros(len(moved), dtype=np.int64)]),
    )


def within_cap(activation: Activation, ordered_w: int) -> int:
    """Return what is delivered of an order under the operator's cap."""
    return ordered_w if activation.cap_w is None else min(ordered_w, activation.cap_w)


def _moved_kw(activation: Activation, usual_kw: Floats, asked_kw: Floats, standing: Standing) -> float:
    """Return what a plan brings if every asset does its part; whoever is left alone brings nothing."""
    is_asked = np.abs(asked_kw * W_PER_KW - standing.alone_w) >= 1
    moved_kw = usual_kw - asked_kw if activation.direction == "reduce" else asked_kw - usual_kw
    return float(moved_kw[is_asked].sum())


def _delays(decision: Decision, power_kw: Floats) -> NDArray[np.int64]:
    return release_delays_ptus(
        spare_h=decision.laxity_h,
        needs_h=decision.need_h,
        power_kw=power_kw,
        is_held=decision.plan.plug_kw < power_kw,
        ptu_h=PTU / timedelta(hours=1),
    )


def _within_limits(intent: _Intent, standing: Standing, limits: Sequence[ScopeLimit]) -> Floats:
    """Return what may be asked under every limit, cheapest first."""
    most_turns = reversals_of(limits)
    alone_kw, told_kw = standing.alone_w / W_PER_KW, standing.told_w / W_PER_KW
    ramp_s = ramp_of(limits)
    return capped_kw(
        asked_kw=intent.asked_kw,
        standing_kw=told_kw,
        before_kw=standing.before_w / W_PER_KW,
        alone_kw=alone_kw,
        order=np.argsort(intent.records.burden, kind="stable"),
        moved=[_scope(limit, standing, standing.moved_room_w(limit)) for limit in limits],
        step=[_scope(limit, standing, standing.step_room_w(limit, ramp_s=ramp_s)) for limit in limits],
        may_change=np.ones(len(told_kw), dtype=np.bool_)
        if most_turns is None
        else may_turn(
            reversals=standing.reversals,
            last_change=standing.last_change.astype(np.float64),
            change_kw=intent.asked_kw - told_kw,
            most_per_hour=most_turns,
        ),
    )


def _scope(limit: ScopeLimit, standing: Standing, room_w: float) -> Scope:
    return Scope(part=np.where(standing.is_in(limit), 0, 1), room_kw=np.array([room_w / W_PER_KW, np.inf]))
