"""What an operator may do to an activation, each with a reason that the audit trail keeps.

hold_activation(*, activation_id, now, actor, reason)    let run on what is told now; plan nothing new
resume_activation(*, activation_id, now, actor, reason)  steer again
cap_activation(*, activation_id, cap_w, now, actor, reason)  deliver no more than this; None lifts it
stop_activation(*, activation_id, now, actor, reason)    let every asset go back to its own ways
"""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction

from aggregator.core import audit, locks
from aggregator.core.locks import AdvisoryLock
from aggregator.core.ptu import PTU, ptu_start
from assets.control.operations import PlannedSetpoint
from assets.control.scope_limits import ramp_of
from assets.control.standing import left_alone_w, limits_of
from assets.models import Asset, AssetKind, Setpoint
from bidding.dispatch.alarms import clear_alarms
from bidding.dispatch.allocation.ramp import random_offsets_s
from bidding.dispatch.commands import end_offsets_s, send_plan, standing_power_w
from bidding.dispatch.together import with_a_part_elsewhere
from bidding.models import Activation

SPREAD_PTUS = 4
"""Over which cars start again when an activation is stopped, each at random: there is no time to ask who can wait.

The first may have begun, and in the last the ramp of those before it runs out.
"""


class NotPossible(RuntimeError):
    """The activation is over, or already as it was asked to be; the text says which."""


class ReasonMissing(ValueError):
    """An act on an activation was given no reason."""


def possible_acts(activation: Activation, *, now: datetime) -> tuple[str, ...]:
    """Return the names of what can be done to an activation now."""
    if activation.stop_reason or now >= activation.ends_at:
        return ()
    return ("resume" if activation.hold_reason else "hold", "cap", "stop")


@transaction.atomic
def hold_activation(*, activation_id: int, now: datetime, actor: AbstractBaseUser, reason: str) -> Activation:
    """Plan nothing new; what was told runs on, and feeding in ends by itself. Raises `NotPossible`."""
    activation = _running(activation_id, now, reason)
    if activation.hold_reason:
        raise NotPossible("It is on hold already. Resume it first.")
    return _change(activation, "held", {"hold_reason": reason}, _Act(now, actor, reason))


@transaction.atomic
def resume_activation(*, activation_id: int, now: datetime, actor: AbstractBaseUser, reason: str) -> Activation:
    """Steer an activation again that was on hold. Raises `NotPossible`."""
    activation = _running(activation_id, now, reason)
    if not activation.hold_reason:
        raise NotPossible("It is not on hold, so there is nothing to resume.")
    return _change(activation, "resumed", {"hold_reason": ""}, _Act(now, actor, reason))


@transaction.atomic
def cap_activation(
    *, activation_id: int, cap_w: int | None, now: datetime, actor: AbstractBaseUser, reason: str
) -> Activation:
    """Deliver no more than `cap_w` of the order from the next plan on; None lifts the cap. Raises `NotPossible`."""
    if cap_w is not None and cap_w < 0:
        raise NotPossible(f"A cap of {cap_w} W is below zero. Give what may be delivered; to deliver nothing, stop it.")
    activation = _running(activation_id, now, reason)
    return _change(activation, "capped", {"cap_w": cap_w, "planned_until": None}, _Act(now, actor, reason))


@transaction.atomic
def stop_activation(*, activation_id: int, now: datetime, actor: AbstractBaseUser, reason: str) -> Activation:
    """Stop steering for an order and let every asset go back to its own ways. Raises `NotPossible`.

    Feeding in and charging a battery end at once. Cars that wait, or fed in, start again over the next hour, each at a
    moment drawn at random, none at once: all together they would make a peak of their own.
    """
    activation = _running(activation_id, now, reason)
    _change(activation, "stopped", {"stop_reason": reason}, _Act(now, actor, reason))
    clear_alarms(activation, now=now)
    send_plan(activation, _release(activation, max(ptu_start(now), activation.starts_at)), now=now)
    return activation


def _release(activation: Activation, starts_at: datetime) -> list[PlannedSetpoint]:
    told_w = standing_power_w(activation, starts_at)
    held = Setpoint.objects.filter(batch__order_reference=activation.reference, ends_at__gt=starts_at)
    elsewhere = with_a_part_elsewhere(activation, starts_at=starts_at)
    assets = Asset.objects.filter(pk__in=held.values("asset")).exclude(pk__in=elsewhere).order_by("pk")
    limits = limits_of(
        aggregation_ean=activation.aggregation_ean_id,
        partner_ids=sorted({asset.partner_id for asset in assets}),
        connections=sorted({asset.connection_ean for asset in assets}),
    )
    late = end_offsets_s(activation, [asset.pk for asset in assets], ramp_of(limits))
    plan = []
    for asset, late_s in zip(assets, late, strict=True):
        alone_w = left_alone_w(asset.kind, asset.max_import_w)
        now_w = told_w.get(asset.pk, alone_w)
        waits = now_w < alone_w and asset.kind != AssetKind.BATTERY
        delay = _delay_ptus(activation, asset.pk) if waits else 0
        # The last value lets it free; how long it must rule so that no older setpoint does is seen to when it is sent.
        ends_at = max(activation.ends_at, starts_at + (delay + 1) * PTU)
        ptus = (ends_at - starts_at) // PTU
        power_w = [max(now_w, 0)] * delay + [alone_w] * (ptus - delay)
        plan.append(PlannedSetpoint(asset.pk, starts_at, ends_at, power_w, end_late_s=late_s if delay else 0))
    return plan


def _delay_ptus(activation: Activation, asset_id: int) -> int:
    [ptus] = random_offsets_s(asset_ids=np.array([asset_id]), seed=activation.pk, ramp_s=SPREAD_PTUS - 2)
    return 1 + int(ptus)


def _running(activation_id: int, now: datetime, reason: str) -> Activation:
    if not reason.strip():
        raise ReasonMissing("Say why: the audit trail keeps the reason.")
    locks.take(AdvisoryLock.DISPATCH, activation_id)  # wait for the loop: it must not write over this act
    activation = (
        Activation.objects.select_related("aggregation_ean").select_for_update(of=("self",)).get(pk=activation_id)
    )
    if not possible_acts(activation, now=now):
        raise NotPossible("The activation is over or already stopped; nothing is left to change.")
    return activation


@dataclass(frozen=True, slots=True)
class _Act:
    """Who does it, when and why."""

    now: datetime
    actor: AbstractBaseUser
    reason: str


def _change(activation: Activation, done: str, fields: dict[str, object], act: _Act) -> Activation:
    before = {name: str(getattr(activation, name)) for name in fields}
    for name, value in fields.items():
        setattr(activation, name, value)
    activation.updated_at = act.now
    activation.save(update_fields=[*fields, "updated_at"])
    after = {name: str(value) for name, value in fields.items()}
    audit.record(
        now=act.now,
        action=f"bidding.activation.{done}",
        subject=activation,
        actor=act.actor,
        reason=act.reason,
        before=before,
        after=after,
    )
    return activation
