"""From powers to setpoints: what differs from what assets were told, when each begins and ends, and sending it."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
from django.db import transaction
from django.db.models import Max

from aggregator.core.ptu import PTU, PTU_SECONDS
from assets.control.fallback import TIME_TO_LIVE_S, time_to_live_s
from assets.control.limits import LONGEST_SETPOINT
from assets.control.operations import PlannedSetpoint, SetpointRefused, send_setpoints
from assets.control.standing import left_alone_w
from assets.models import Asset, Setpoint, SetpointBatch
from bidding.dispatch.allocation.ramp import random_offsets_s
from bidding.dispatch.outlasting import outlasting
from bidding.models import Activation

logger = logging.getLogger(__name__)

SMALLEST_CHANGE_W = 50
LEAST_HOLD_PTUS = TIME_TO_LIVE_S // PTU_SECONDS
"""For which a car is held at least, as long as what lapses: the next plan tells it anew, and one may be lost."""
START, END = 1, 2  # what an offset is drawn for


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of a plan: how many setpoints left, why some or all did not, and whom the gate left out by name."""

    setpoints: int
    refused: str = ""
    left_out: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Command:
    """What one asset is asked from the start of a plan to the end of the window, and for how long it waits after it.

    With `release_after_ptus` below 0 it is free so long before that end, unless a later plan tells it anew.
    """

    asset: Asset
    power_w: int
    release_after_ptus: int = 0

    @property
    def alone_w(self) -> int:
        """The setpoint that would leave it to its own ways."""
        return left_alone_w(self.asset.kind, self.asset.max_import_w)

    @property
    def lapses(self) -> bool:
        """Whether it must be told anew while it lasts."""
        return time_to_live_s(self.asset.kind, [self.power_w]) is not None


def send_commands(
    activation: Activation, commands: Sequence[Command], *, starts_at: datetime, ramp_s: int, now: datetime
) -> Sent:
    """Send what differs from what the assets were told before.

    What leaves is decided by the gate: assets it names are left out, a plan that passes a limit of the fleet waits for
    the next round.
    """
    told = _told(activation, starts_at)
    is_last = starts_at + PTU >= activation.ends_at
    changed = [
        command
        for command in commands
        if _is_news(command, told.get(command.asset.pk), activation, starts_at, ramp_s=ramp_s, is_last=is_last)
    ]
    if not changed:
        return Sent(0)
    early_s = start_ramp_s(ramp_s, starts_at=starts_at, now=now)
    sent = send_plan(activation, _planned(activation, changed, starts_at, early_s, ramp_s), now=now)
    if is_last and sent.setpoints:
        waiting = [
            command
            for command in changed
            if command.lapses and command.release_after_ptus > 0 and command.asset.pk not in sent.left_out
        ]
        waits = send_plan(activation, _waits(activation, waiting, ramp_s), now=now)
        sent = replace(sent, setpoints=sent.setpoints + waits.setpoints, refused=sent.refused or waits.refused)
    return sent


def start_ramp_s(ramp_s: int, *, starts_at: datetime, now: datetime) -> int:
    """Return the seconds in which assets start at random; what corrects a quarter hour that runs starts at once."""
    return ramp_s if starts_at > now else 0


def send_plan(activation: Activation, plan: Sequence[PlannedSetpoint], *, now: datetime) -> Sent:
    """Send a plan as the next revision of its order, without the assets that the gate names.

    Each setpoint lasts as long as those it replaces, and no longer than any may: what is left of a long order is told
    when its turn comes. An asset or partner that left since the group was read must not keep the others from
    delivering.
    """
    why, left_out, plan = "", frozenset[int](), [_not_too_long(one) for one in outlasting(activation, plan)]
    while plan:
        try:
            _send(activation, plan, now)
        except SetpointRefused as refused:
            out = {refusal.asset_id for refusal in refused.refusals}
            logger.warning("%s of %s setpoints of %s left out: %s", len(out), len(plan), activation.reference, refused)
            plan = [setpoint for setpoint in plan if setpoint.asset_id not in out] if out else []
            why, left_out = why or str(refused), left_out | out
        else:
            return Sent(len(plan), why, left_out)
    return Sent(0, why, left_out)


def _not_too_long(planned: PlannedSetpoint) -> PlannedSetpoint:
    ends_at = planned.starts_at + LONGEST_SETPOINT
    if planned.ends_at <= ends_at:
        return planned
    return replace(planned, ends_at=ends_at, power_w=planned.power_w[: LONGEST_SETPOINT // PTU])


def standing_power_w(activation: Activation, at: datetime) -> dict[int, int]:
    """Return what each asset was last told for a PTU of this order."""
    return {asset_id: told.power_w[0] for asset_id, told in _told(activation, at).items()}


@dataclass(frozen=True, slots=True)
class _Told:
    """What an asset was last told from a PTU on, `power_w` per PTU, by a setpoint that began at `starts_at`."""

    power_w: Sequence[int]
    starts_at: datetime

    def asked_ptus(self, alone_w: int) -> int:
        """Return for how many PTUs it is asked anything; what comes after only replaces older setpoints."""
        return max((ptu for ptu, power_w in enumerate(self.power_w, 1) if power_w != alone_w), default=0)


def _told(activation: Activation, at: datetime) -> dict[int, _Told]:
    newest = (
        Setpoint.objects.filter(
            batch__order_reference=activation.reference, starts_at__lte=at, ends_at__gt=at, withdrawn_at=None
        )
        .order_by("asset_id", "-batch__revision")
        .distinct("asset_id")
        .values_list("asset_id", "starts_at", "power_w", "ttl_s")
    )
    return {
        asset_id: _Told(power_w[(at - starts_at) // PTU :], starts_at)
        for asset_id, starts_at, power_w, ttl_s in newest
        if ttl_s is None or at < starts_at + timedelta(seconds=ttl_s)
    }


def _is_news(
    command: Command, told: _Told | None, activation: Activation, starts_at: datetime, *, ramp_s: int, is_last: bool
) -> bool:
    """Tell whether an asset must be told: another power, one to renew, or until when it waits.

    Who waits to some time after the window is told so at its end. Who must start before it ends is told at once when
    that is earlier than it was told, and otherwise only when what it was told runs out.
    """
    if told is None:
        return abs(command.alone_w - command.power_w) > SMALLEST_CHANGE_W
    if abs(told.power_w[0] - command.power_w) > SMALLEST_CHANGE_W:
        return True
    if command.lapses:
        return told.starts_at < starts_at
    if command.power_w == command.alone_w:
        return False
    asked_ptus, _ = _hold(command, activation, starts_at, ramp_s)
    told_ptus = told.asked_ptus(command.alone_w)
    if is_last:
        return told_ptus != asked_ptus
    return told_ptus < min(LEAST_HOLD_PTUS, asked_ptus) or (command.release_after_ptus < 0 and asked_ptus < told_ptus)


def _planned(
    activation: Activation, commands: Sequence[Command], starts_at: datetime, early_s: int, late_s: int
) -> list[PlannedSetpoint]:
    asset_ids = [command.asset.pk for command in commands]
    early = _offsets_s(activation, asset_ids, START, early_s)
    late = end_offsets_s(activation, asset_ids, late_s)
    return [
        PlannedSetpoint(
            asset_id=command.asset.pk,
            starts_at=starts_at,
            ends_at=starts_at + ptus * PTU,
            power_w=[command.power_w] * ptus,
            start_early_s=start_early_s,
            end_late_s=beyond_s + end_late_s,
        )
        for command, start_early_s, end_late_s in zip(commands, early, late, strict=True)
        for ptus, beyond_s in [_hold(command, activation, starts_at, late_s)]
    ]


def _hold(command: Command, activation: Activation, starts_at: datetime, ramp_s: int) -> tuple[int, int]:
    """Return for how many PTUs from `starts_at` on an asset is told its power, and for how many seconds beyond them.

    A moment drawn in the ramp comes on top. Who must start inside the window is let go within the ramp before that
    moment, as after it would be too late; but not sooner than after `LEAST_HOLD_PTUS`.
    """
    ptus = (activation.ends_at - starts_at) // PTU + (0 if command.lapses else command.release_after_ptus)
    if command.lapses or command.release_after_ptus >= 0 or ptus <= LEAST_HOLD_PTUS or not ramp_s:
        return ptus, 0
    return ptus - 1, PTU_SECONDS - ramp_s


def _waits(activation: Activation, commands: Sequence[Command], late_s: int) -> list[PlannedSetpoint]:
    """Return how assets that fed in to the end wait after it: a setpoint of its own, as waiting does not lapse."""
    late = end_offsets_s(activation, [command.asset.pk for command in commands], late_s)
    return [
        PlannedSetpoint(
            asset_id=command.asset.pk,
            starts_at=activation.ends_at,
            ends_at=activation.ends_at + command.release_after_ptus * PTU,
            power_w=[0] * command.release_after_ptus,
            end_late_s=end_late_s,
        )
        for command, end_late_s in zip(commands, late, strict=True)
    ]


def end_offsets_s(activation: Activation, asset_ids: Sequence[int], ramp_s: int) -> list[int]:
    """Return how many seconds after its end each asset is let go, the same at every plan of an order."""
    return _offsets_s(activation, asset_ids, END, ramp_s)


def _offsets_s(activation: Activation, asset_ids: Sequence[int], what: int, ramp_s: int) -> list[int]:
    ids = np.array(asset_ids, dtype=np.int64)
    offsets: list[int] = random_offsets_s(asset_ids=ids, seed=activation.pk * 3 + what, ramp_s=ramp_s).tolist()
    return offsets


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
