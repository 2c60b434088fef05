"""From powers to setpoints: what differs from what assets were told, when each begins and ends, and sending it."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from django.db import transaction
from django.db.models import Max

from aggregator.core.interval import Interval
from aggregator.core.ptu import PTU, ptu_range
from assets.control.limits import LEASE_PTUS
from assets.control.operations import PlannedSetpoint, SetpointRefused, send_setpoints
from assets.control.standing import left_alone_w
from assets.models import Asset, Setpoint, SetpointBatch
from bidding.dispatch.allocation.ramp import random_offsets_s
from bidding.models import Activation

logger = logging.getLogger(__name__)

SMALLEST_CHANGE_W = 50
START, END = 1, 2  # what an offset is drawn for


@dataclass(frozen=True, slots=True)
class Command:
    """What one asset is asked from the start of a plan to the end of the window, and for how long after it."""

    asset: Asset
    power_w: int
    release_after_ptus: int = 0

    @property
    def alone_w(self) -> int:
        """The setpoint that would leave it to its own ways."""
        return left_alone_w(self.asset.kind, self.asset.max_import_w)


def send_commands(
    activation: Activation, commands: Sequence[Command], *, starts_at: datetime, ramp_s: int, now: datetime
) -> tuple[int, str]:
    """Send what differs from what the assets were told before.

    Returns the number of setpoints, and why some or all were refused (empty when none was). What leaves is decided by
    the gate: assets it names are left out, a plan that passes a limit of the fleet waits for the next round.
    """
    told = _told(activation, starts_at)
    is_last = starts_at + PTU >= activation.ends_at
    changed = [
        command for command in commands if _is_news(command, told.get(command.asset.pk), activation, is_last=is_last)
    ]
    if not changed:
        return 0, ""
    return send_plan(
        activation, _planned(activation, changed, starts_at, ramp_s if starts_at > now else 0, ramp_s), now=now
    )


def send_plan(activation: Activation, plan: Sequence[PlannedSetpoint], *, now: datetime) -> tuple[int, str]:
    """Send a plan as the next revision of its order, without the assets that the gate names.

    An asset or partner that left since the group was read must not keep the others from delivering. Returns the number
    of setpoints, and why some or all were refused.
    """
    why = ""
    while plan:
        try:
            _send(activation, plan, now)
        except SetpointRefused as refused:
            out = {refusal.asset_id for refusal in refused.refusals}
            logger.warning("%s of %s setpoints of %s left out: %s", len(out), len(plan), activation.reference, refused)
            plan = [setpoint for setpoint in plan if setpoint.asset_id not in out] if out else []
            why = why or str(refused)
        else:
            return len(plan), why
    return 0, why


def standing_power_w(activation: Activation, at: datetime) -> dict[int, int]:
    """Return what each asset was last told for a PTU of this order."""
    return {asset_id: told.power_w for asset_id, told in _told(activation, at).items()}


@dataclass(frozen=True, slots=True)
class _Told:
    """What an asset was last told for a PTU, for the PTU after it (None without a word), and until when."""

    power_w: int
    then_w: int | None
    ends_at: datetime


def _told(activation: Activation, at: datetime) -> dict[int, _Told]:
    newest = (
        Setpoint.objects.filter(batch__order_reference=activation.reference, starts_at__lte=at, ends_at__gt=at)
        .order_by("asset_id", "-batch__revision")
        .distinct("asset_id")
        .values_list("asset_id", "starts_at", "ends_at", "power_w")
    )
    found = {}
    for asset_id, starts_at, ends_at, power_w in newest:
        place = (at - starts_at) // PTU
        found[asset_id] = _Told(power_w[place], power_w[place + 1] if place + 1 < len(power_w) else None, ends_at)
    return found


def _is_news(command: Command, told: _Told | None, activation: Activation, *, is_last: bool) -> bool:
    """Tell whether an asset must be told: another power, a lease to renew, or until when it waits after the window."""
    if told is None:
        return abs(command.alone_w - command.power_w) > SMALLEST_CHANGE_W
    if abs(told.power_w - command.power_w) > SMALLEST_CHANGE_W:
        return True
    if is_last:
        until = activation.ends_at + command.release_after_ptus * PTU
        return command.power_w != command.alone_w and told.ends_at != until
    is_leased = not 0 <= command.power_w <= max(command.alone_w, 0)
    return is_leased and told.then_w != told.power_w


def _planned(
    activation: Activation, commands: Sequence[Command], starts_at: datetime, early_s: int, late_s: int
) -> list[PlannedSetpoint]:
    ids = np.array([command.asset.pk for command in commands], dtype=np.int64)
    early = random_offsets_s(asset_ids=ids, seed=activation.pk * 3 + START, ramp_s=early_s)
    late = random_offsets_s(asset_ids=ids, seed=activation.pk * 3 + END, ramp_s=late_s)
    ptus = len(ptu_range(Interval(starts_at, activation.ends_at)))
    return [
        PlannedSetpoint(
            asset_id=command.asset.pk,
            starts_at=starts_at,
            ends_at=activation.ends_at + command.release_after_ptus * PTU,
            power_w=until_end(command.power_w, command.alone_w, ptus + command.release_after_ptus),
            start_early_s=start_early_s,
            end_late_s=end_late_s,
        )
        for command, start_early_s, end_late_s in zip(commands, early.tolist(), late.tolist(), strict=True)
    ]


def until_end(power_w: int, alone_w: int, ptus: int) -> list[int]:
    """Return one value per PTU: waiting goes on; feeding in, or charging a battery, stops unless it is renewed."""
    tail_w = min(max(power_w, 0), alone_w)
    return [power_w if ptu < LEASE_PTUS else tail_w for ptu in range(ptus)]


def _send(activation: Activation, plan: Sequence[PlannedSetpoint], now: datetime) -> None:
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
