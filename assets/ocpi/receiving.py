"""Taking in what a partner tells of its sessions, pushed one by one or fetched by the page.

    take_session(*, connection_id, document, now) -> whether it is new
    take_sessions(*, connection_id, documents, now) -> Taken
    patch_session(*, connection_id, key, patch, now) -> None
    stored_session(*, connection_id, key) -> document

Card and contract are pseudonymised before anything else looks at them. News older than what is known changes nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction

from aggregator.core import locks
from assets import operations
from assets.models import OcpiEvse, OcpiSession
from assets.ocpi.charging import RECENT, Told, record, states
from assets.ocpi.commands import follow_new_sessions, let_go
from assets.ocpi.connections import is_of_another, parties_of, require_party
from assets.ocpi.metered import Metered, derive_meter_values
from assets.ocpi.missed import note_missed
from assets.ocpi.objects import LONGEST_ID, Session, merged, read_session
from assets.ocpi.parties import object_key
from assets.ocpi.wire import InvalidObject, Status
from assets.pseudonyms import pseudonym
from assets.validation.kinds import CLOCK_SKEW

ACTIVE = "ACTIVE"


class SessionUnknown(LookupError):
    """No session of this id was told, or it is over and its object is not kept."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of the sessions of a page; `refused` names each that was not taken, and why."""

    created: int
    updated: int
    stale: int
    refused: tuple[tuple[str, InvalidObject], ...]


def take_session(*, connection_id: int, document: Any, now: datetime) -> bool:
    """Take in one pushed session; return whether it is new. Raises `InvalidObject`; then nothing was stored."""
    taken = take_sessions(connection_id=connection_id, documents=[document], now=now)
    for _, error in taken.refused:
        raise error
    return bool(taken.created)


@transaction.atomic
def patch_session(*, connection_id: int, key: str, patch: Any, now: datetime) -> None:
    """Change a session that was told before; raise `SessionUnknown` or `InvalidObject`."""
    locks.take(locks.AdvisoryLock.PARTNER_REPORTS, connection_id)
    take_session(
        connection_id=connection_id,
        document=merged(stored_session(connection_id=connection_id, key=key), pseudonymised(connection_id, patch)),
        now=now,
    )


def stored_session(*, connection_id: int, key: str) -> dict[str, Any]:
    """Return a session's object as kept, card and contract pseudonymised; raise `SessionUnknown`."""
    found = OcpiSession.objects.filter(connection_id=connection_id, key=key, document__isnull=False).first()
    if found is None or found.document is None:
        raise SessionUnknown("No open session of this id is known here. PUT it whole.")
    return dict(found.document)


@transaction.atomic
def take_sessions(*, connection_id: int, documents: Sequence[Any], now: datetime) -> Taken:
    """Take in a page of sessions; what cannot be taken is named in the answer and keeps nothing else out."""
    locks.take(locks.AdvisoryLock.PARTNER_REPORTS, connection_id)
    told, stale, refused = _read(connection_id, documents, now)
    recorded = record(told, connection_id=connection_id, now=now)
    refused += [(name, error) for (_, name), error in recorded.refused.items()]
    told = [one for one in told if one.place not in recorded.refused]
    created = [one for one in told if one.known is None]
    _keep(connection_id, [one for one in told if one.known or not _is_long_over(one, now)], recorded.ended)
    let_go(
        connection_id=connection_id,
        keys=[one.key for one in told if one.known is not None and (one.session.is_over or one.was_at is not None)],
    )
    derive_meter_values(
        told=[Metered(one.evse.asset_id, one.key, one.session) for one in told if one.session.is_charging_session],
        left=recorded.left,
        now=now,
    )
    shown = list(states(told, recorded.left, now))
    if shown:
        operations.record_states(partner_id=connection_id, rows=shown, now=now)
    follow_new_sessions(
        connection_id=connection_id,
        keys=[one.key for one in told if one.session.status == ACTIVE and _begins(one)],
        now=now,
    )
    return Taken(len(created), len(told) - len(created), stale, tuple(refused))


def pseudonymised(partner_id: int, document: Any) -> Any:
    """Return a Session object, or a PATCH of one, with pseudonyms for card and contract.

    What is too long to be an id stays too long, so that it is refused afterwards.
    """
    card = document.get("cdr_token") if isinstance(document, dict) else None
    if not isinstance(card, dict):
        return document
    hidden = {
        name: pseudonym(partner_id, value.lower())[: LONGEST_ID if len(value) <= LONGEST_ID else None]
        for name in ("uid", "contract_id")
        if isinstance(value := card.get(name), str) and value
    }
    return {**document, "cdr_token": {**card, **hidden}}


def _read(
    connection_id: int, documents: Sequence[Any], now: datetime
) -> tuple[list[Told], int, list[tuple[str, InvalidObject]]]:
    """Return the sessions that bring news, how many do not, and what cannot be read."""
    refused: list[tuple[str, InvalidObject]] = []
    ours = parties_of(connection_id)
    newest: dict[str, tuple[Session, dict[str, Any]]] = {}
    stale = 0
    for document in documents:
        hidden = pseudonymised(connection_id, document)
        try:
            session = _happened(read_session(hidden), now)
            require_party(ours, session.country_code, session.party_id)
        except InvalidObject as error:
            refused.append((str(document.get("id", ""))[:LONGEST_ID] if isinstance(document, dict) else "", error))
            continue
        key = object_key(session.country_code, session.party_id, session.session_id)
        stale += key in newest
        if key not in newest or session.last_updated >= newest[key][0].last_updated:
            newest[key] = session, hidden
    evses = _evses(connection_id, [session.evse_uid for session, _ in newest.values()])
    kept = OcpiSession.objects.filter(connection_id=connection_id, key__in=newest).select_related("evse__asset")
    known = {one.key: one for one in kept}
    told, homeless = [], []
    for key, (session, document) in newest.items():
        evse, before = evses.get(session.evse_uid.lower()), known.get(key)
        if evse is None or is_of_another(evse.party, session.party, ours) or _is_elsewhere(evse, session, before):
            message = f"EVSE {session.evse_uid} of location {session.location_id} is not known. PUT its Location first."
            refused.append((session.session_id, InvalidObject(message, Status.UNKNOWN_LOCATION)))
            homeless += [session] if evse is None else []
        elif before is not None and (before.last_updated > session.last_updated or _is_reopened(before, session)):
            stale += 1
        else:
            told.append(Told(session, document, evse, before))
    note_missed(connection_id=connection_id, sessions=homeless)
    return told, stale, refused


def _happened(session: Session, now: datetime) -> Session:
    """Return a session that is not from the future: its `last_updated` would outdate all that is still to come."""
    for name, instant in (("start_date_time", session.starts_at), ("last_updated", session.last_updated)):
        if instant > now + CLOCK_SKEW:
            raise InvalidObject(f"{name} has not happened yet. Report what was; check the clock and the zone.")
    return session


def _is_elsewhere(evse: OcpiEvse, session: Session, before: OcpiSession | None) -> bool:
    """Tell whether a session that we do not know at this EVSE is at another location: then at another EVSE."""
    is_new_here = before is None or before.evse_id != evse.pk
    return is_new_here and evse.location not in {"", session.location_key}


def _begins(one: Told) -> bool:
    return one.known is None or one.known.status != ACTIVE or one.was_at is not None


def _is_long_over(one: Told, now: datetime) -> bool:
    return one.session.is_over and one.session.last_updated < now - RECENT


def _is_reopened(before: OcpiSession, session: Session) -> bool:
    return before.document is None and before.status != ACTIVE and not session.is_over


def _evses(connection_id: int, uids: Iterable[str]) -> dict[str, OcpiEvse]:
    wanted = {uid.lower() for uid in uids}
    found = OcpiEvse.objects.filter(connection_id=connection_id, key__in=wanted).select_related("asset")
    return {evse.key: evse for evse in found}


def _keep(connection_id: int, told: Sequence[Told], ended: Sequence[tuple[int, str]]) -> None:
    OcpiSession.objects.bulk_create(
        [
            OcpiSession(
                connection_id=connection_id,
                evse=one.evse,
                key=one.key,
                session_id=one.name,
                status=one.session.status,
                is_discharge_allowed=one.session.is_discharge_allowed,
                last_updated=one.session.last_updated,
                document=None if one.session.is_over else one.document,
            )
            for one in told
        ],
        update_conflicts=True,
        unique_fields=["connection", "key"],
        update_fields=["evse", "status", "is_discharge_allowed", "last_updated", "document"],
    )
    for evse_id, name in ended:
        OcpiSession.objects.filter(evse_id=evse_id, session_id=name).update(status="COMPLETED", document=None)
