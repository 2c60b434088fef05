"""The last look at a plan before it leaves: what it would do to the fleet and to every part of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from aggregator.core.interval import Interval
from aggregator.core.ptu import PTU, dutch_time
from assets.control.connection_flows import asked_of_connection_w
from assets.control.connections import flows_of
from assets.control.limits import AssetLimits, PlannedSetpoint, Refusal
from assets.control.scope_limits import (
    Integers,
    ScopeKind,
    ScopeLimit,
    Standing,
    outward_w,
    overloads,
    ramp_of,
    steps_too_far,
    turned_too_often,
)
from assets.control.standing import limits_of, standing_of


@dataclass(frozen=True, slots=True)
class Broken:
    """The rule that a plan breaks; `refusals` names the assets where leaving them out would mend it."""

    message: str
    refusals: tuple[Refusal, ...] = ()


def broken_scope_limit(
    *, now: datetime, aggregation_ean: str, plan: Sequence[PlannedSetpoint], limits: Mapping[int, AssetLimits]
) -> Broken | None:
    """Return how a plan would take the fleet or a part of it too far or too fast, or turn assets too often.

    Right only under the lock that lets one plan leave at a time.
    """
    standing = standing_of(
        asset_ids=[one.asset_id for one in plan],
        aggregation_ean=aggregation_ean,
        period=Interval(min(one.starts_at for one in plan), max(one.ends_at for one in plan)),
        now=now,
    )
    apply = limits_of(
        aggregation_ean=aggregation_ean,
        partner_ids=list({limit.partner_id for limit in limits.values()}),
        connections=np.unique(standing.keys[ScopeKind.CONNECTION]).tolist(),
    )
    first_w = np.array([one.power_w[0] for one in plan], dtype=np.int64)
    lowest_w = np.array([min(one.power_w) for one in plan], dtype=np.int64)
    highest_w = np.array([max(one.power_w) for one in plan], dtype=np.int64)
    turned = tuple(
        Refusal(asset_id, "turned-too-often", f"Asset {asset_id} was turned round too often in the past hour.")
        for asset_id in turned_too_often(limits=apply, standing=standing, first_w=first_w).tolist()
    )
    if turned:
        return Broken(f"{len(turned)} assets may not be turned again yet. First: {turned[0].message}", turned)
    overfull = _too_much_for_connections(plan, standing=standing, limits=apply)
    if overfull:
        first = overfull[0].message
        return Broken(f"{len(overfull)} assets would ask too much of their connection. First: {first}", overfull)
    moved_w = np.maximum(standing.alone_w - lowest_w, highest_w - standing.alone_w)
    ramp_s = ramp_of(apply) if any(one.start_early_s for one in plan) else 0
    for message in overloads(limits=apply, standing=standing, first_w=first_w, moved_w=moved_w, ramp_s=ramp_s):
        return Broken(f"{message} Plan for less.")
    for at, step_w in _steps_inside(plan, standing.alone_w).items():
        for message in steps_too_far(limits=apply, standing=standing, step_w=step_w):
            return Broken(f"{message} That is at {dutch_time(at)} Dutch time, inside the plan. Plan for less.")
    return None


def _too_much_for_connections(
    plan: Sequence[PlannedSetpoint], *, standing: Standing, limits: Sequence[ScopeLimit]
) -> tuple[Refusal, ...]:
    """Return the assets of a plan that would take a connection beyond what it carries: all others may go."""
    period = Interval(min(one.starts_at for one in plan), max(one.ends_at for one in plan))
    refused: dict[int, str] = {}
    for flow in flows_of(limits=limits, period=period):
        asked_w = {}
        for index in np.flatnonzero(standing.keys[ScopeKind.CONNECTION] == flow.ean).tolist():
            one = plan[index]
            first = (one.starts_at - period.starts_at) // PTU
            own_w = flow.told_w.get(one.asset_id, np.zeros(period.duration // PTU, dtype=np.int64)).copy()
            own_w[first : first + len(one.power_w)] = asked_of_connection_w(
                power_w=np.array(one.power_w, dtype=np.int64), alone_w=int(standing.alone_w[index])
            )
            asked_w[one.asset_id] = own_w
        refused |= flow.too_much_for_it(asked_w)
    return tuple(Refusal(asset_id, "connection-full", f"Asset {asset_id}: {why}") for asset_id, why in refused.items())


def _steps_inside(plan: Sequence[PlannedSetpoint], alone_w: Integers) -> dict[datetime, Integers]:
    """Return by how much a plan takes each asset further out at every moment between its own quarter hours."""
    steps_w: dict[datetime, Integers] = {}
    for index, one in enumerate(plan):
        if min(one.power_w) == max(one.power_w):
            continue
        told_w = np.array(one.power_w, dtype=np.int64)
        outward = outward_w(alone_w=alone_w[index], told_w=told_w[:-1], power_w=told_w[1:])
        for ptu in np.flatnonzero(outward).tolist():
            at = one.starts_at + (ptu + 1) * PTU
            steps_w.setdefault(at, np.zeros(len(plan), dtype=np.int64))[index] = outward[ptu]
    return dict(sorted(steps_w.items()))
