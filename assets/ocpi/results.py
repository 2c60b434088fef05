"""What stations say of their charging profiles, and what to do when they say nothing or lose one.

take_result(*, connection_id, reference, data, now) -> whether it was news
take_active_profile(*, connection_id, session_id, document, now) -> None
look_after_silence(*, now) -> number of stations asked
"""

import logging
import secrets
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from aggregator.core import locks
from aggregator.core.isolation import failing_alone
from assets.control.operations import record_setpoint_results
from assets.models import OcpiSession, ProfileCommand
from assets.ocpi.commands import REFERENCE_BYTES, store, write_commands
from assets.ocpi.profiles import AsyncResult, is_kept, read_active_profile, read_async_result

logger = logging.getLogger(__name__)

Status = ProfileCommand.Status
Kind = ProfileCommand.Kind
TIMES_SET = 3
"""How often one setpoint is set anew at a station that loses it; then its record is what planners go by."""


class ResultUnknown(LookupError):
    """Nobody was asked under this reference."""


class SessionUnknown(LookupError):
    """No such session was steered."""


@transaction.atomic
def take_result(*, connection_id: int, reference: str, data: Any, now: datetime) -> bool:
    """Take in a station's answer, however late; the first one counts. Raises `ResultUnknown`, `InvalidObject`."""
    asked = ProfileCommand.objects.filter(session__connection_id=connection_id, reference=reference)
    if asked.filter(kind=Kind.GET).exists():  # its answer may have a profile set anew
        locks.take(locks.AdvisoryLock.PARTNER_REPORTS, connection_id)
    command = asked.select_for_update(of=("self",)).select_related("session").first()
    if command is None:
        raise ResultUnknown("Nothing was asked under this address. Use the response_url of the request.")
    result = read_async_result(data)
    if command.answered_at is not None:
        return False
    is_accepted = result is AsyncResult.ACCEPTED
    command.answered_at, command.result = now, result.value
    if command.status in {Status.WAITING, Status.SENT, Status.SILENT}:
        command.status = Status.DONE if is_accepted else Status.REFUSED
        command.sent_at = command.sent_at or now
        _tell_setpoint(command, now)
    command.save(update_fields=["answered_at", "result", "status", "sent_at"])
    if command.kind == Kind.GET and is_accepted and isinstance(data, dict):
        active = None if data.get("profile") is None else read_active_profile(data["profile"])
        _keep_active(command.session, active, now)
    return True


@transaction.atomic
def take_active_profile(*, connection_id: int, session_id: str, document: Any, now: datetime) -> None:
    """Take in what a partner says is in force for a session; raise `SessionUnknown` or `InvalidObject`."""
    locks.take(locks.AdvisoryLock.PARTNER_REPORTS, connection_id)
    session = (
        OcpiSession.objects.filter(connection_id=connection_id, session_id__iexact=session_id, commands__isnull=False)
        .order_by("-id")
        .first()
    )
    if session is None:
        raise SessionUnknown("No charging profile was set for a session of this id.")
    _keep_active(session, read_active_profile(document), now)


def look_after_silence(*, now: datetime) -> int:
    """Ask stations that did not answer in time what is in force; return how many.

    A partner with which that fails is logged, and keeps no other from it.
    """
    partners = _silent(now).order_by("session__connection_id").values_list("session__connection_id", flat=True)
    asked = 0
    for connection_id in partners.distinct():
        with failing_alone(
            logger,
            "Stations of partner %s that did not answer were not asked what is in force; it is tried again in the next "
            "round. Mend the cause, it is in what follows.",
            connection_id,
        ):
            asked += _ask_silent(connection_id, now)
    return asked


def _silent(now: datetime) -> QuerySet[ProfileCommand]:
    return ProfileCommand.objects.filter(status=Status.SENT, answer_until__lt=now)


@transaction.atomic
def _ask_silent(connection_id: int, now: datetime) -> int:
    locks.take(locks.AdvisoryLock.PARTNER_REPORTS, connection_id)
    silent = list(
        _silent(now)
        .filter(session__connection_id=connection_id)
        .select_related("session__connection")
        .order_by("id")
        .select_for_update(of=("self",), skip_locked=True)
    )
    ProfileCommand.objects.filter(pk__in=[one.pk for one in silent]).update(status=Status.SILENT)
    # A session that a newer command waits for is told anew anyway.
    asked = [
        one
        for one in silent
        if one.kind == Kind.SET
        and one.deadline_at > now
        and one.session.status == "ACTIVE"
        and not one.session.commands.filter(status=Status.WAITING).exists()
    ]
    for one in asked:
        question = ProfileCommand(
            session=one.session,
            setpoint_id=one.setpoint_id,
            kind=Kind.GET,
            reference=secrets.token_hex(REFERENCE_BYTES),
            created_at=now,
            next_attempt_at=now,
            deadline_at=one.deadline_at,
        )
        store([question], connection=one.session.connection)
    return len(asked)


def _tell_setpoint(command: ProfileCommand, now: datetime) -> None:
    if command.setpoint_id is None or command.kind == Kind.GET:
        return
    is_accepted = command.status == Status.DONE
    reason = command.error if is_accepted else f"The station answered {command.result}."
    row = {
        "setpoint_id": command.setpoint_id,
        "status": "accepted" if is_accepted else "rejected",
        "at": now,
        "reason": reason,
    }
    record_setpoint_results(partner_id=command.session.connection_id, rows=[row], now=now)


def _keep_active(session: OcpiSession, active: dict[str, Any] | None, now: datetime) -> None:
    """Keep what is in force; where that is more than was asked, ask again."""
    OcpiSession.objects.filter(pk=session.pk).update(active_profile=active)
    newest = session.commands.exclude(kind=Kind.GET).order_by("-id").first()
    if newest is None or newest.kind != Kind.SET or newest.status not in {Status.DONE, Status.SILENT}:
        return
    if is_kept(active=active, asked=newest.profile or {}, at=now):
        if newest.status == Status.SILENT:
            newest.status, newest.answered_at = Status.DONE, now
            newest.save(update_fields=["status", "answered_at"])
            _tell_setpoint(newest, now)
        return
    if session.commands.filter(kind=Kind.SET, setpoint=newest.setpoint).count() >= TIMES_SET:
        return
    whole = OcpiSession.objects.select_related("evse__asset", "connection__partner").get(pk=session.pk)
    if whole.status == "ACTIVE" and not whole.connection.partner.is_stopped:
        write_commands(connection=whole.connection, sessions=[whole], now=now)
