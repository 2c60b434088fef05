"""Turning orders into setpoints, quarter hour by quarter hour.

Each PTU is planned during the one before it, on what is known then, so that a slow partner still gets it in time. A
plan holds to the end of the window: if every process of ours dies, the cars that wait go on waiting and fall back by
themselves when the window ends. Only feeding in is renewed every PTU, so silence ends it.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models import Max
from numpy.typing import NDArray

from aggregator.core import audit
from aggregator.core.interval import Interval
from aggregator.core.locks import AdvisoryLock, try_take
from aggregator.core.ptu import PTU, ptu_range, ptu_start
from aggregator.core.units import watt
from assets.control.operations import PlannedSetpoint, SetpointRefused, send_setpoints
from assets.models import Asset, AssetKind, Setpoint, SetpointBatch
from bidding.dispatch.allocation.plan import PtuPlan, SteadyResources, plan_ptu
from bidding.dispatch.allocation.release import release_delays_ptus
from bidding.dispatch.allocation.urgency import UrgencyPolicy
from bidding.dispatch.limits import is_limited, turn_limit_into_order
from bidding.dispatch.situation import PlugSituation, plugs_at
from bidding.dispatch.steady import steady_resources
from bidding.models import Activation
from bidding.models.directions import as_literal
from bidding.portfolio import Group, group_at

logger = logging.getLogger(__name__)

W_PER_KW = 1_000
LEAST_RESERVE_SHARE = 0.1  # on top of what the policy keeps for uncertain drivers
SMALLEST_CHANGE_W = 50
PLAN_AHEAD = timedelta(minutes=10)  # late enough to know who is there, early enough for a slow partner
FEED_IN_PTUS = 2  # the planned PTU and one more, in case the next plan is late


class NotStoppable(RuntimeError):
    """The activation is over, or already stopped."""


@dataclass(frozen=True, slots=True)
class _Command:
    asset: Asset
    power_w: int
    release_after_ptus: int = 0


@transaction.atomic
def run_activation(*, activation_id: int, now: datetime) -> int:
    """Bring one activation up to date: its status, and the setpoints of the PTU to plan now.

    Returns the number of setpoints sent. A second worker that comes at the same time leaves it to the first.
    """
    if not try_take(AdvisoryLock.DISPATCH, activation_id):
        return 0
    activation = Activation.objects.select_related("aggregation_ean").get(pk=activation_id)
    if activation.status in {Activation.Status.FINISHED, Activation.Status.SETTLED}:
        return 0
    sent = 0
    ptu = _ptu_to_plan(activation, now)
    if ptu is not None and not activation.hold_reason and ptu != activation.planned_until:
        sent = _plan(activation, ptu, now)
        activation.planned_until = ptu
    activation.status = _status(activation, now)
    activation.updated_at = now
    activation.save(update_fields=["status", "updated_at", "shortfall_note", "planned_until"])
    return sent


@transaction.atomic
def stop_activation(*, activation_id: int, now: datetime, actor: AbstractBaseUser, reason: str) -> Activation:
    """Stop steering for an order and let every asset go back to its own ways. Raises `NotStoppable`."""
    activation = Activation.objects.select_for_update().get(pk=activation_id)
    if activation.hold_reason or now >= activation.ends_at:
        raise NotStoppable("The activation is over or already stopped; nothing is left to stop.")
    activation.hold_reason, activation.updated_at = reason, now
    activation.save(update_fields=["hold_reason", "updated_at"])
    starts_at = max(ptu_start(now), activation.starts_at)
    held = Setpoint.objects.filter(batch__order_reference=activation.reference, ends_at__gt=now)
    released = [_Command(asset, _left_alone_w(asset)) for asset in Asset.objects.filter(setpoints__in=held).distinct()]
    _send(activation, released, starts_at, now)
    audit.record(now=now, action="bidding.activation.stopped", subject=activation, actor=actor, reason=reason)
    return activation


def _ptu_to_plan(activation: Activation, now: datetime) -> datetime | None:
    """Return the start of the PTU whose plan is due: the next one, once it is near enough to know it well."""
    following = ptu_start(now) + PTU
    is_in_window = activation.starts_at <= following < activation.ends_at
    return following if is_in_window and following - now <= PLAN_AHEAD else None


def _plan(activation: Activation, ptu_starts_at: datetime, now: datetime) -> int:
    group = group_at(aggregation_ean=activation.aggregation_ean, instant=now)
    remaining = Interval(ptu_starts_at, activation.ends_at)
    plugs = plugs_at(group=group, remaining=remaining, now=now, ignored_asset_ids=_not_following(activation))
    direction = as_literal(activation.direction)
    steady_assets, steady = steady_resources(group=group, remaining=remaining, direction=direction)
    ordered = activation.ptus.get(ptu_start=ptu_starts_at)
    if is_limited(ordered):
        # A limit holds for all that the group takes, also by those who do not follow.
        everyone = plugs_at(group=group, remaining=remaining, now=now, ignored_asset_ids=())
        turn_limit_into_order(ordered, plugs=everyone, steady=steady)
    ordered_kw = ordered.ordered_w / W_PER_KW
    plan = plan_ptu(
        direction=direction,
        ordered_kw=ordered_kw,
        reserve_share=_reserve_share(group),
        plugs=plugs.view,
        steady=steady,
        policy=UrgencyPolicy(),
    )
    delays = release_delays_ptus(view=plugs.view, is_held=plan.plug_kw < plugs.view.power_kw, seed=activation.pk)
    commands = _commands(plugs, plan, delays, steady_assets, steady)
    return _send(activation, commands, ptu_starts_at, now)


def _commands(
    plugs: PlugSituation,
    plan: PtuPlan,
    delays_ptus: NDArray[np.int64],
    steady_assets: Sequence[Asset],
    steady: SteadyResources,
) -> list[_Command]:
    """Return what to ask of whom; a car left to charge freely is asked for its full power, which is no limit."""
    commands = [
        _Command(asset, max(-asset.max_export_w, min(watt(power_kw), asset.max_import_w)), int(delay))
        for asset, power_kw, delay in zip(plugs.assets, plan.plug_kw, delays_ptus, strict=True)
    ]
    moved = np.abs(plan.steady_kw - steady.usual_kw) > 0
    commands += [
        _Command(asset, max(-asset.max_export_w, min(watt(power_kw), asset.max_import_w)))
        for asset, power_kw, is_moved in zip(steady_assets, plan.steady_kw, moved, strict=True)
        if is_moved
    ]
    return commands


def _left_alone_w(asset: Asset) -> int:
    """Return the setpoint that lets an asset go its own way: no limit, but zero for a battery, which would charge."""
    return 0 if asset.kind == AssetKind.BATTERY else asset.max_import_w


def _send(activation: Activation, commands: Sequence[_Command], starts_at: datetime, now: datetime) -> int:
    """Send what differs from what the assets were told before."""
    standing = _standing_power_w(activation, starts_at)
    changed = [
        command
        for command in commands
        if abs(standing.get(command.asset.pk, _left_alone_w(command.asset)) - command.power_w) > SMALLEST_CHANGE_W
    ]
    if not changed:
        return 0
    ptus = len(ptu_range(Interval(starts_at, activation.ends_at)))
    plan = [
        PlannedSetpoint(
            asset_id=command.asset.pk,
            starts_at=starts_at,
            ends_at=activation.ends_at + command.release_after_ptus * PTU,
            power_w=_until_end(command.power_w, ptus + command.release_after_ptus),
        )
        for command in changed
    ]
    try:
        _send_plan(activation, plan, now)
    except SetpointRefused as refused:
        # An asset or partner that left since the group was read must not keep the others from delivering.
        out = {refusal.asset_id for refusal in refused.refusals}
        logger.warning("%s of %s setpoints of %s left out: %s", len(out), len(plan), activation.reference, refused)
        plan = [setpoint for setpoint in plan if setpoint.asset_id not in out]
        if not out or not plan:
            return 0
        _send_plan(activation, plan, now)
    return len(plan)


def _send_plan(activation: Activation, plan: Sequence[PlannedSetpoint], now: datetime) -> None:
    newest = SetpointBatch.objects.filter(order_reference=activation.reference).aggregate(Max("revision"))
    with transaction.atomic():
        send_setpoints(
            now=now,
            aggregation_ean=activation.aggregation_ean_id,
            order_reference=activation.reference,
            reason="",
            revision=(newest["revision__max"] or 0) + 1,
            plan=plan,
            deadline_at=activation.ends_at,
        )


def _until_end(power_w: int, ptus: int) -> list[int]:
    """Return one value per PTU: feeding in stops after `FEED_IN_PTUS` unless renewed, waiting goes on."""
    tail_w = max(power_w, 0)
    return [power_w if ptu < FEED_IN_PTUS else tail_w for ptu in range(ptus)]


def _standing_power_w(activation: Activation, ptu_starts_at: datetime) -> dict[int, int]:
    """Return what each asset was last told for a PTU of this order."""
    newest = (
        Setpoint.objects.filter(
            batch__order_reference=activation.reference, starts_at__lte=ptu_starts_at, ends_at__gt=ptu_starts_at
        )
        .order_by("asset_id", "-batch__revision")
        .distinct("asset_id")
        .values_list("asset_id", "starts_at", "power_w")
    )
    return {asset_id: power_w[(ptu_starts_at - starts_at) // PTU] for asset_id, starts_at, power_w in newest}


def _not_following(activation: Activation) -> set[int]:
    """Return the assets that refused or ignored a setpoint of this order."""
    failed = [Setpoint.Status.REJECTED, Setpoint.Status.NOT_FOLLOWED]
    rows = Setpoint.objects.filter(batch__order_reference=activation.reference, status__in=failed)
    return set(rows.values_list("asset_id", flat=True))


def _reserve_share(group: Group) -> float:
    """Return the extra to ask for, from how often this group's setpoints were not followed."""
    counts = {
        status: Setpoint.objects.filter(batch__aggregation_ean=group.aggregation_ean, status=status).count()
        for status in (Setpoint.Status.FOLLOWED, Setpoint.Status.NOT_FOLLOWED, Setpoint.Status.REJECTED)
    }
    judged = sum(counts.values())
    missed = judged - counts[Setpoint.Status.FOLLOWED]
    return max(LEAST_RESERVE_SHARE, missed / judged if judged else 0.0)


def _status(activation: Activation, now: datetime) -> Activation.Status:
    if now >= activation.ends_at:
        return Activation.Status.FINISHED
    if now >= activation.starts_at:
        return Activation.Status.RUNNING
    return Activation.Status.PLANNED if activation.planned_until else Activation.Status.ORDERED
