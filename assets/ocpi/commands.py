"""From setpoints to charging profiles: which session is told what, written down before it is sent.

OcpiProfiles().enqueue(...)            the control adapter of partners that speak OCPI
follow_new_sessions(*, connection_id, keys, now)   a car that comes while its EVSE is under setpoints is told too
let_go(*, connection_id, keys)         what waits for a session that is over is not sent
clear_profiles(*, partner_id, reason, now)         the kill switch: what may be in force is cleared

Commands are written under the lock on the partner's reports, taken before setpoints or sessions are read: of a session
that begins while setpoints are sent, whichever commits last sees the other, and neither replaces the other's command by
an older one.
"""

import secrets
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Exists, Max, OuterRef, Q

from aggregator.core import locks
from aggregator.core.models import OutboxMessage
from assets.control.ports import SentSetpoint
from assets.models import Asset, OcpiConnection, OcpiEvse, OcpiSession, ProfileCommand, Setpoint, SetpointBatch
from assets.ocpi.profiles import Outlet, RateUnit, Told, charging_profile, standing_schedule

REFERENCE_BYTES = 16
NO_SESSION = "No car is there; it is told when one comes."
SESSION_OVER = "The session ended before it was told."
NOT_CAPABLE = "The EVSE is not CHARGING_PROFILE_CAPABLE."
NO_EVSE = "No EVSE over OCPI: fetch it from the setpoint feed."
RELEASED_OVER = timedelta(minutes=5)
"""Cleared sessions go their own way spread over this time: a fleet set free at once would be a step for the grid."""
CHARGE_ONLY = "Feeding in is not agreed for this session, so a limit of 0 is sent."
_MAY_HAVE_LEFT = Q(sent_at__isnull=False) | Q(attempts__gt=0) | Q(claimed_until__isnull=False)


class OcpiProfiles:
    """Sends a setpoint as a charging profile to the session at the asset's EVSE, if there is one."""

    def enqueue(
        self,
        *,
        now: datetime,
        batch: SetpointBatch,
        setpoints: Sequence[SentSetpoint],  # noqa: ARG002 - the whole standing of an asset goes out, not the batch alone
        deadline_at: datetime,  # noqa: ARG002 - a profile is worth sending until it is over
    ) -> OutboxMessage | None:
        """Write down what to send, in the caller's transaction."""
        locks.take(locks.AdvisoryLock.PARTNER_REPORTS, batch.partner_id)
        asset_of = dict(Setpoint.objects.filter(batch=batch).values_list("asset_id", "id"))
        connection = OcpiConnection.objects.get(pk=batch.partner_id)
        evses = {one.asset_id: one for one in OcpiEvse.objects.filter(connection=connection, asset_id__in=asset_of)}
        sessions = {
            one.evse.asset_id: one
            for one in OcpiSession.objects.select_related("evse__asset").filter(
                evse__in=evses.values(), status="ACTIVE"
            )
        }
        _note(asset_of, asset_of.keys() - evses.keys(), NO_EVSE)
        deaf = {asset_id for asset_id, evse in evses.items() if not evse.is_profile_capable}
        _note(asset_of, deaf, NOT_CAPABLE, status=Setpoint.Status.REJECTED, at=now)
        _note(asset_of, evses.keys() - sessions.keys() - deaf, NO_SESSION)
        write_commands(
            connection=connection,
            sessions=[one for asset_id, one in sessions.items() if asset_id not in deaf],
            now=now,
        )
        return None


def follow_new_sessions(*, connection_id: int, keys: Sequence[str], now: datetime) -> None:
    """Tell sessions that just began what their EVSEs are under; in the caller's transaction, under the lock.

    One that was told something at another EVSE is told what counts at this one, or to forget it.
    """
    if not keys:
        return
    under = Setpoint.objects.filter(asset=OuterRef("evse__asset"), ends_at__gt=now, withdrawn_at=None)
    sessions = list(
        OcpiSession.objects.select_related("evse__asset")
        .annotate(was_told=Exists(ProfileCommand.objects.filter(_MAY_HAVE_LEFT, session=OuterRef("pk"))))
        .filter(
            Q(Exists(under)) | Q(was_told=True),
            connection_id=connection_id,
            key__in=keys,
            evse__is_profile_capable=True,
            connection__partner__is_stopped=False,
        )
    )
    if sessions:
        connection = OcpiConnection.objects.get(pk=connection_id)
        new = [one for one in sessions if not one.was_told]
        told = [one for one in sessions if one.was_told]
        write_commands(connection=connection, sessions=new, now=now, only_limits=True)
        write_commands(connection=connection, sessions=told, now=now)


def let_go(*, connection_id: int, keys: Sequence[str]) -> None:
    """Send nothing more to sessions that are over, and say with their setpoints that the car left.

    In the caller's transaction. The next car at the EVSE is told what is left.
    """
    waiting = ProfileCommand.objects.filter(
        session__connection_id=connection_id, session__key__in=keys, status=ProfileCommand.Status.WAITING
    )
    setpoints = list(waiting.exclude(setpoint=None).values_list("setpoint_id", flat=True))
    waiting.update(status=ProfileCommand.Status.WITHDRAWN, error=SESSION_OVER)
    Setpoint.objects.filter(pk__in=setpoints, status=Setpoint.Status.PENDING).update(result_reason=SESSION_OVER)


@dataclass(frozen=True, slots=True)
class _Standing:
    """What an asset is told from now on, and by which setpoint last."""

    told: list[Told]
    newest_setpoint_id: int | None


def write_commands(
    *, connection: OcpiConnection, sessions: Sequence[OcpiSession], now: datetime, only_limits: bool = False
) -> None:
    """Write down one command per session with everything its asset must keep; it replaces one that still waits.

    Under the lock on the partner's reports.
    `only_limits`: a session that is asked nothing needs no command, as it was never told anything.
    """
    standing = _standing([one.evse.asset_id for one in sessions], now)
    commands = []
    for session in sessions:
        asset = session.evse.asset
        told = standing.get(asset.pk, _Standing([], None))
        schedule = standing_schedule(told.told, since=now, free_w=asset.max_import_w)
        if schedule is None and only_limits:
            continue
        outlet = _outlet(connection, session, asset)
        feeds_in = schedule is not None and any(power_w < 0 for _, power_w in schedule.steps)
        commands.append(
            ProfileCommand(
                session=session,
                setpoint_id=told.newest_setpoint_id,
                kind=ProfileCommand.Kind.SET if schedule else ProfileCommand.Kind.CLEAR,
                reference=secrets.token_hex(REFERENCE_BYTES),
                profile=charging_profile(schedule, outlet) if schedule else None,
                created_at=now,
                next_attempt_at=now,
                deadline_at=schedule.ends_at if schedule else now + timedelta(hours=1),
                error=CHARGE_ONLY if feeds_in and not outlet.can_discharge else "",
            )
        )
    store(commands, connection=connection)


@transaction.atomic
def clear_profiles(*, partner_id: int, reason: str, now: datetime) -> int:
    """Withdraw what waits for a partner and clear every profile that its stations may keep; return how many.

    Also one whose sending is under way or was never answered: it may have arrived all the same.
    """
    locks.take(locks.AdvisoryLock.PARTNER_REPORTS, partner_id)
    waiting = ProfileCommand.objects.filter(session__connection_id=partner_id, status=ProfileCommand.Status.WAITING)
    told = ProfileCommand.objects.filter(
        _MAY_HAVE_LEFT, session__connection_id=partner_id, session__status="ACTIVE", deadline_at__gt=now
    ).exclude(kind=ProfileCommand.Kind.GET)
    newest = list(told.order_by("session_id", "-id").distinct("session_id").select_related("session__connection"))
    waiting.update(status=ProfileCommand.Status.WITHDRAWN, error=reason)
    in_force = [one for one in newest if one.kind == ProfileCommand.Kind.SET]
    clearing = [
        ProfileCommand(
            session=one.session,
            kind=ProfileCommand.Kind.CLEAR,
            reference=secrets.token_hex(REFERENCE_BYTES),
            created_at=now,
            next_attempt_at=now + RELEASED_OVER * number / len(in_force),
            deadline_at=one.deadline_at,
        )
        for number, one in enumerate(in_force)
    ]
    if clearing:
        store(clearing, connection=in_force[0].session.connection)
    return len(clearing)


def store(commands: Sequence[ProfileCommand], *, connection: OcpiConnection) -> None:
    """Store commands in the place of those that still wait, none too soon after the last one to its session."""
    sessions = [one.session_id for one in commands]
    ProfileCommand.objects.filter(session_id__in=sessions, status=ProfileCommand.Status.WAITING).update(
        status=ProfileCommand.Status.SUPERSEDED
    )
    last = dict(
        ProfileCommand.objects.filter(session_id__in=sessions, sent_at__isnull=False)
        .values("session_id")
        .annotate(last=Max("sent_at"))
        .values_list("session_id", "last")
    )
    apart = timedelta(seconds=connection.seconds_between_profiles)
    for command in commands:
        if command.session_id in last:
            command.next_attempt_at = max(command.next_attempt_at, last[command.session_id] + apart)
    ProfileCommand.objects.bulk_create(commands)


def _standing(asset_ids: Iterable[int], now: datetime) -> dict[int, _Standing]:
    """Return what each asset is told. Where one was refused it is told nothing, as plans go on without it.

    Nor what it was told before that: the next car would wait for nobody.
    """
    told: dict[int, list[Told]] = defaultdict(list)
    newest: dict[int, int] = {}
    for number, status, asset_id, starts_at, power_w, early_s, late_s, ttl_s in (
        Setpoint.objects.filter(asset_id__in=list(asset_ids), ends_at__gt=now, withdrawn_at=None)
        .order_by("batch_id", "id")
        .values_list("id", "status", "asset_id", "starts_at", "power_w", "start_early_s", "end_late_s", "ttl_s")
    ):
        is_refused = status == Setpoint.Status.REJECTED
        told[asset_id].append(Told(starts_at, power_w, early_s, late_s, 0 if is_refused else ttl_s))
        if not is_refused:
            newest[asset_id] = number
    return {asset_id: _Standing(rows, newest.get(asset_id)) for asset_id, rows in told.items()}


def _outlet(connection: OcpiConnection, session: OcpiSession, asset: Asset) -> Outlet:
    return Outlet(
        unit=RateUnit(connection.rate_unit),
        phases=session.evse.phases,
        max_import_w=asset.max_import_w,
        min_import_w=asset.min_import_w,
        can_pause=asset.pausing == Asset.Pausing.CAN_PAUSE,
        can_discharge=connection.is_v2g_agreed and session.is_discharge_allowed,
    )


def _note(
    setpoint_of: Mapping[int, int],
    asset_ids: Iterable[int],
    reason: str,
    **changes: Any,
) -> None:
    numbers = [setpoint_of[asset_id] for asset_id in asset_ids]
    if "at" in changes:
        changes["result_at"] = changes.pop("at")
    Setpoint.objects.filter(pk__in=numbers).update(result_reason=reason, **changes)
