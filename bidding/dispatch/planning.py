"""One plan of an activation: fit what is wished within the limits, send it, remember who does what."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from aggregator.core.interval import Interval
from aggregator.core.ptu import PTU
from aggregator.core.units import watt
from assets.control.reversals import may_turn
from assets.control.scope_limits import ScopeLimit, Standing, ramp_of, reversals_of
from assets.control.standing import limits_of, standing_of
from assets.queries import leaving
from bidding.dispatch.allocation.brings import (
    Outlooks,
    brings_kw,
    own_ways_kw,
    within_cap_kw,
    without_surplus_kw,
)
from bidding.dispatch.allocation.caps import Scope, capped_kw
from bidding.dispatch.allocation.release import LONGEST_PTUS
from bidding.dispatch.commands import Command, send_commands, start_ramp_s
from bidding.dispatch.duties import NewDuty, remember
from bidding.dispatch.intent import Intent, intent_of
from bidding.models import Activation, ActivationPtu
from bidding.models.directions import as_literal

Floats = NDArray[np.float64]

W_PER_KW = 1_000


@dataclass(frozen=True, slots=True)
class Planned:
    """What a plan came to: setpoints sent, and why some were not."""

    sent: int
    refused: str


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
    period = Interval(ptu.ptu_start, activation.ends_at + LONGEST_PTUS * PTU)
    leaves_at = leaving(aggregation_ean=activation.aggregation_ean_id, instant=now, before=period.ends_at)
    too_soon = {asset_id for asset_id, at in leaves_at.items() if at < activation.ends_at}
    intent = intent_of(activation, ptu, starts_at=starts_at, now=now, wanted_w=wanted_w, not_to_ask=too_soon)
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
    ramp_s = ramp_of(limits)
    start_s = start_ramp_s(ramp_s, starts_at=ptu.ptu_start, now=now)
    outlooks = _outlooks(activation, intent, standing)
    wished_kw = _within_cap(activation, intent, outlooks)
    asked_kw = _within_limits(intent, wished_kw, standing, limits, ramp_s=start_s)
    if activation.is_balancing:  # more is as wrong as less
        asked_kw = without_surplus_kw(
            asked_kw=asked_kw,
            wished_kw=wished_kw,
            outlooks=outlooks,
            order=np.argsort(intent.records.burden, kind="stable"),
            may_go=_may_turn(own_ways_kw(outlooks), standing, limits),
        )
    commands = [
        Command(
            asset,
            min(max(watt(power_kw), -asset.max_export_w), asset.max_import_w),
            min(int(delay), (leaves_at.get(asset.pk, period.ends_at) - activation.ends_at) // PTU),
        )
        for asset, power_kw, delay in zip(intent.assets, asked_kw.tolist(), intent.delays_ptus, strict=True)
    ]
    sent = send_commands(activation, commands, starts_at=ptu.ptu_start, ramp_s=ramp_s, now=now)
    is_in = np.array([asset.pk not in sent.left_out for asset in intent.assets], dtype=np.bool_)
    is_told = is_in & bool(sent.setpoints or not sent.refused)
    rules_kw = np.where(is_told, asked_kw, standing.told_w / W_PER_KW)
    planned_kw, wanted_kw = (float(brings_kw(one, outlooks)[is_in].sum()) for one in (rules_kw, wished_kw))
    ptu.planned_w, short_w = watt(planned_kw), watt(wanted_kw - planned_kw)
    ptu.limited_w, ptu.kept_w = max(short_w, 0), max(-short_w, 0)
    if sent.setpoints or not sent.refused:
        ptu.planned_for_w = ptu.ordered_w
    ptu.save(update_fields=["planned_w", "limited_w", "kept_w", "planned_for_w"])
    remember(
        activation,
        [
            NewDuty(one.asset.pk, one.power_w, one.alone_w, watt(usual_kw), is_free)
            for one, usual_kw, is_free, told in zip(
                commands,
                intent.usual_kw.tolist(),
                (standing.before_w == standing.alone_w).tolist(),
                is_told.tolist(),
                strict=True,
            )
            if told
        ],
        starts_at=starts_at,
        now=now,
    )
    return Planned(sent.setpoints, sent.refused)


def _outlooks(activation: Activation, intent: Intent, standing: Standing) -> Outlooks:
    return Outlooks(
        direction=as_literal(activation.direction),
        usual_kw=intent.usual_kw,
        most_kw=intent.most_kw,
        alone_kw=standing.alone_w / W_PER_KW,
        least_kw=np.array([asset.min_import_w for asset in intent.assets], dtype=np.float64) / W_PER_KW,
    )


def _within_cap(activation: Activation, intent: Intent, outlooks: Outlooks) -> Floats:
    """Return what is asked under the operator's cap, cheapest first; the reserve does not pass it either."""
    if activation.cap_w is None:
        return intent.asked_kw
    order = np.argsort(intent.records.burden, kind="stable")
    return within_cap_kw(asked_kw=intent.asked_kw, outlooks=outlooks, order=order, cap_kw=activation.cap_w / W_PER_KW)


def _within_limits(
    intent: Intent, wished_kw: Floats, standing: Standing, limits: Sequence[ScopeLimit], *, ramp_s: int
) -> Floats:
    """Return what may be asked under every limit, cheapest first, of assets that start within `ramp_s`."""
    return capped_kw(
        asked_kw=wished_kw,
        standing_kw=standing.told_w / W_PER_KW,
        before_kw=standing.before_w / W_PER_KW,
        alone_kw=standing.alone_w / W_PER_KW,
        order=np.argsort(intent.records.burden, kind="stable"),
        moved=[_scope(limit, standing, standing.moved_room_w(limit)) for limit in limits],
        step=[_scope(limit, standing, standing.step_room_w(limit, ramp_s=ramp_s)) for limit in limits],
        may_change=_may_turn(wished_kw, standing, limits),
    )


def _may_turn(asked_kw: Floats, standing: Standing, limits: Sequence[ScopeLimit]) -> NDArray[np.bool_]:
    """Return which assets may be asked something else than they are told, as they did not turn too often of late."""
    most_turns = reversals_of(limits)
    if most_turns is None:
        return np.ones(len(asked_kw), dtype=np.bool_)
    return may_turn(
        reversals=standing.reversals,
        last_change=standing.last_change.astype(np.float64),
        change_kw=asked_kw - standing.told_w / W_PER_KW,
        most_per_hour=most_turns,
    )


def _scope(limit: ScopeLimit, standing: Standing, room_w: float) -> Scope:
    return Scope(part=np.where(standing.is_in(limit), 0, 1), room_kw=np.array([room_w / W_PER_KW, np.inf]))
