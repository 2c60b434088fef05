"""Charging profiles on their way: many requests at once, none of them under a lock.

    send_commands(*, clock, http) -> SendReport

A command is claimed and committed, then sent, because the station's answer may come before the CPO's own. A process
that dies in between leaves a claim that runs out, and the command goes out again: the same profile twice is the same
profile.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import zip_longest
from typing import Any
from urllib.parse import quote, urlencode

from django.db import connection as database
from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Now

from aggregator.core.clock import Clock
from aggregator.core.http import HttpClient, RequestFailed, RequestRefused, Response
from aggregator.core.http_many import Request, exchange_all
from aggregator.core.messaging.retries import least_tried_first, retry_after
from aggregator.core.storable import storable
from assets.control.operations import record_setpoint_results
from assets.models import OcpiConnection, ProfileCommand
from assets.ocpi.client import AddressRefused, Peer, Sends
from assets.ocpi.parties import PROFILES, RECEIVER, party_in, required_endpoint
from assets.ocpi.profiles import SyncResult, read_sync_result
from assets.ocpi.services import registered_peer, us
from assets.ocpi.wire import VERSION, InvalidObject, PeerFault, joined, read_envelope
from assets.staging import staged

CLAIMED_AT_ONCE = 500
CLAIM_LASTS = timedelta(minutes=2)
"""Longer than the slowest round of requests, which the HTTP client cuts off."""
LONGEST_RETRY = timedelta(minutes=2)
ASKED_SECONDS = 3600
"""The horizon of the active profile that is asked for."""
Status = ProfileCommand.Status


@dataclass(frozen=True, slots=True)
class SendReport:
    """What one round of sending did."""

    accepted: int = 0
    refused: int = 0
    postponed: int = 0
    given_up: int = 0


@dataclass(frozen=True, slots=True)
class _Request:
    command: ProfileCommand
    peer: Peer
    method: str
    url: str
    body: bytes | None


def send_commands(*, clock: Clock, http: HttpClient) -> SendReport:
    """Send every command that is due; what partners answer decides about setpoints (`assets.ocpi.results`)."""
    total = SendReport()
    while True:
        given_up = _give_up(clock.now())
        claimed, is_more = _claim(clock.now())
        requests, failures = _requests(claimed, http)
        outcomes = exchange_all(http, [_with_headers(request) for request in requests])
        pairs = [(request.command, outcome) for request, outcome in zip(requests, outcomes, strict=True)]
        report = _keep([*pairs, *failures], now=clock.now())
        total = SendReport(
            accepted=total.accepted + report.accepted,
            refused=total.refused + report.refused,
            postponed=total.postponed + report.postponed,
            given_up=total.given_up + given_up,
        )
        if not is_more:
            return total


def _waiting() -> Any:
    return ProfileCommand.objects.filter(status=Status.WAITING)


def _give_up(now: datetime) -> int:
    """Give up what is over, or belongs to a platform that left; its setpoints keep no answer."""
    return int(_waiting().filter(deadline_at__lte=now).update(status=Status.GIVEN_UP))


@transaction.atomic
def _claim(now: datetime) -> tuple[list[ProfileCommand], bool]:
    """Return due commands, marked as ours, and whether there may be more; each platform has its share of a round.

    None of a session that a living process is sending to: a newer command must not arrive before an older one.
    """
    sending = ProfileCommand.objects.filter(session=OuterRef("session"), claimed_until__gte=Now())
    due = (
        _waiting()
        .filter(
            ~Exists(sending),
            # To a stopped partner goes nothing but its release.
            Q(session__connection__partner__is_stopped=False) | Q(kind=ProfileCommand.Kind.CLEAR),
            next_attempt_at__lte=now,
            session__connection__registered_at__isnull=False,
        )
        .select_related("session__connection")
    )
    platforms = due.order_by("session__connection_id").values_list("session__connection_id", flat=True).distinct()
    share = max(CLAIMED_AT_ONCE // max(len(platforms), 1), 1)
    turns = [
        least_tried_first(due.filter(session__connection_id=one), tries="attempts").select_for_update(
            skip_locked=True, of=("self",)
        )[:share]
        for one in platforms
    ]
    commands = [one for turn in zip_longest(*turns) for one in turn if one is not None]
    ProfileCommand.objects.filter(pk__in=[one.pk for one in commands]).update(claimed_until=Now() + CLAIM_LASTS)
    return commands, any(len(turn) == share for turn in turns)


def _requests(
    commands: Sequence[ProfileCommand], http: Sends
) -> tuple[list[_Request], list[tuple[ProfileCommand, Exception]]]:
    """Word the commands as requests; those of a platform without charging profiles fail at once."""
    requests: list[_Request] = []
    failures: list[tuple[ProfileCommand, Exception]] = []
    peers: dict[tuple[int, tuple[str, str]], Peer] = {}
    answers_at = joined(us().url, VERSION, PROFILES, "results")
    for command in commands:
        connection: OcpiConnection = command.session.connection
        try:
            url = joined(
                required_endpoint(connection.endpoints, PROFILES, RECEIVER), quote(command.session.session_id, safe="")
            )
            party = party_in(command.session.key)
            peer = peers.get((connection.pk, party))
            if peer is None:
                peer = registered_peer(http=http, connection=connection, party=party)
                peers[connection.pk, party] = peer
            peer.check(url)
        except (InvalidObject, AddressRefused) as error:
            failures.append((command, error))
        else:
            requests.append(_worded(command, peer, url, joined(answers_at, command.reference)))
    return requests, failures


def _worded(command: ProfileCommand, peer: Peer, url: str, response_url: str) -> _Request:
    if command.kind == ProfileCommand.Kind.SET:
        document = {"charging_profile": command.profile, "response_url": response_url}
        return _Request(command, peer, "PUT", url, json.dumps(document, separators=(",", ":")).encode())
    if command.kind == ProfileCommand.Kind.GET:
        query = urlencode({"duration": ASKED_SECONDS, "response_url": response_url})
        return _Request(command, peer, "GET", f"{url}?{query}", None)
    return _Request(command, peer, "DELETE", f"{url}?{urlencode({'response_url': response_url})}", None)


def _with_headers(request: _Request) -> Request:
    headers = request.peer.headers(has_body=request.body is not None)
    return Request(request.method, request.url, headers, request.body)


@transaction.atomic
def _keep(outcomes: Sequence[tuple[ProfileCommand, Response | Exception]], *, now: datetime) -> SendReport:
    """Write down what became of each command, and tell the setpoints of those that are refused."""
    locked = ProfileCommand.objects.filter(pk__in=[command.pk for command, _ in outcomes]).order_by("id")
    current = {one.pk: one for one in locked.select_for_update()}
    counts = dict.fromkeys(("accepted", "refused", "postponed"), 0)
    refused: dict[int, list[dict[str, Any]]] = {}
    for command, outcome in outcomes:
        row = current[command.pk]
        row.attempts, row.claimed_until = row.attempts + 1, None
        row.sent_at = now if isinstance(outcome, Response) else row.sent_at
        verdict = _judge(row, outcome, command.session.connection, now)
        counts[verdict] += 1
        if verdict == "refused" and row.setpoint_id is not None and row.kind != ProfileCommand.Kind.GET:
            result = {"setpoint_id": row.setpoint_id, "status": "rejected", "at": now, "reason": row.error}
            refused.setdefault(command.session.connection_id, []).append(result)
    _store(current.values())
    _fetch_soon([command for command, _ in outcomes if _is_unknown(current[command.pk])])
    for partner_id, rows in refused.items():
        record_setpoint_results(partner_id=partner_id, rows=rows, now=now)
    return SendReport(**counts)


def _is_unknown(row: ProfileCommand) -> bool:
    return row.result == SyncResult.UNKNOWN_SESSION.value


def _fetch_soon(unknown: Sequence[ProfileCommand]) -> None:
    """Let the next fetch come at once: a session that a platform does not know any more ended without our being told.

    Once per session: a platform that goes on listing what it says it does not know would be fetched from every minute.
    After the commit, as whoever ends a registration locks the connection before its commands.
    """
    sessions = {command.session_id: command.session.connection_id for command in unknown}
    repeated = set(
        ProfileCommand.objects.filter(session_id__in=sessions, result=SyncResult.UNKNOWN_SESSION.value)
        .exclude(pk__in=[command.pk for command in unknown])
        .values_list("session_id", flat=True)
    )
    connection_ids = {connection for session, connection in sessions.items() if session not in repeated}
    if connection_ids:
        transaction.on_commit(lambda: OcpiConnection.objects.filter(pk__in=connection_ids).update(pulled_at=None))


_KEPT = {
    "attempts": "int4",
    "claimed_until": "timestamptz",
    "sent_at": "timestamptz",
    "status": "text",
    "result": "text",
    "error": "text",
    "next_attempt_at": "timestamptz",
    "answer_until": "timestamptz",
}


def _store(commands: Iterable[ProfileCommand]) -> None:
    """Write commands back by set: an UPDATE that names each row takes the database a millisecond a row."""
    rows = ((command.pk, *(getattr(command, name) for name in _KEPT)) for command in commands)
    with staged("kept_command", {"id": "int8", **_KEPT}, rows), database.cursor() as cursor:
        cursor.execute(
            """
            UPDATE assets_profilecommand AS old
            SET attempts = kept.attempts, claimed_until = kept.claimed_until, sent_at = kept.sent_at,
                status = kept.status, result = kept.result, error = kept.error,
                next_attempt_at = kept.next_attempt_at, answer_until = kept.answer_until
            FROM kept_command AS kept WHERE kept.id = old.id
            """
        )


def _judge(row: ProfileCommand, outcome: Response | Exception, connection: OcpiConnection, now: datetime) -> str:
    """Set a command's state by what came back; return accepted, refused or postponed."""
    if row.status != Status.WAITING:
        # The station's answer overtook the CPO's, or a newer profile took this one's place: nothing to change.
        return "accepted"
    try:
        result, timeout = _sync_result(outcome)
    except (InvalidObject, AddressRefused, RequestRefused) as error:
        row.status, row.error = Status.REFUSED, storable(str(error))
    except (PeerFault, RequestFailed) as error:
        row.error = storable(str(error))
        if isinstance(error, RequestFailed) or error.http_status >= 500 or (error.status or 0) // 1000 == 3:  # noqa: PLR2004 - server errors of HTTP and OCPI
            row.next_attempt_at = now + retry_after(row.attempts, LONGEST_RETRY)
            return "postponed"
        row.status = Status.REFUSED
    else:
        row.result = result.value
        if result is SyncResult.ACCEPTED:
            row.status, row.answer_until = Status.SENT, now + timedelta(seconds=timeout)
            return "accepted"
        if result is SyncResult.TOO_OFTEN:
            row.next_attempt_at = now + timedelta(seconds=connection.seconds_between_profiles)
            return "postponed"
        row.status, row.error = Status.REFUSED, f"The partner answered {result.value}."
    return "refused"


def _sync_result(outcome: Response | Exception) -> tuple[SyncResult, int]:
    if isinstance(outcome, Exception):
        raise outcome
    answer = read_envelope(http_status=outcome.status_code, body=outcome.body, what="Charging profile")
    return read_sync_result(answer.data)
