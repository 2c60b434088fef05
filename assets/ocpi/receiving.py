"""Taking in what a partner tells of its sessions, pushed one by one or fetched by the page.

    take_session(*, connection_id, document, now) -> whether it is new
    take_sessions(*, connection_id, documents, now) -> Taken
    patch_session(*, connection_id, key, patch, now) -> None
    stored_session(*, connection_id, key) -> document

Card and contract are pseudonymised before anything else looks at them. News older than what is known changes nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from django.db import transaction

from aggregator.core import locks
from assets import operations
from assets.models import ChargingSession, OcpiEvse, OcpiSession
from assets.ocpi.commands import follow_new_sessions, let_go
from assets.ocpi.connections import parties_of, require_party
from assets.ocpi.metered import Metered, derive_meter_values
from assets.ocpi.missed import note_missed
from assets.ocpi.objects import LONGEST_ID, W_PER_KW, Session, merged, read_session
from assets.ocpi.wire import InvalidObject, Status
from assets.pseudonyms import pseudonym
from assets.validation.kinds import CLOCK_SKEW
from assets.validation.rows import InvalidRows

RECENT = timedelta(days=1)
"""What a session was like longer ago says nothing of its asset now, and late news of it cannot be told from old."""
SHORTEST = timedelta(seconds=1)
"""A session that was open here and came to nothing has to end all the same, and ends after it starts."""
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


@dataclass(slots=True)
class _Told:
    """A session on its way in: its object, how it is kept, and the EVSE it is at."""

    session: Session
    document: dict[str, Any]
    evse: OcpiEvse
    known: OcpiSession | None

    @property
    def name(self) -> str:
        """The session's id as it was first written: ids have no case."""
        return self.known.session_id if self.known else self.session.session_id


def session_key(country_code: str, party_id: str, session_id: str) -> str:
    """Return how a session is found: party and id without case."""
    return f"{country_code}*{party_id}*{session_id}".lower()


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
    charging = [one for one in told if one.session.is_charging_session]
    rows, closed = _rows(charging)
    unrecorded = _recorded(connection_id, rows, now)
    refused += [(rows[index]["external_id"], error) for index, error in unrecorded.items()]
    missing = {(rows[index]["asset"], rows[index]["external_id"]) for index in unrecorded}
    told = [one for one in told if _place(one) not in missing]
    created = [one for one in told if one.known is None]
    _keep(connection_id, [one for one in told if one.known or not _is_long_over(one, now)], closed)
    let_go(
        connection_id=connection_id,
        keys=[_key(one) for one in told if one.known is not None and one.session.is_over],
    )
    derive_meter_values(
        told=[Metered(one.evse.asset_id, _key(one), one.session) for one in told if one.session.is_charging_session],
        now=now,
    )
    states = list(_states(told, now))
    if states:
        operations.record_states(partner_id=connection_id, rows=states, now=now)
    follow_new_sessions(
        connection_id=connection_id,
        keys=[_key(one) for one in told if one.session.status == ACTIVE and _begins(one)],
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
) -> tuple[list[_Told], int, list[tuple[str, InvalidObject]]]:
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
        key = session_key(session.country_code, session.party_id, session.session_id)
        stale += key in newest
        if key not in newest or session.last_updated >= newest[key][0].last_updated:
            newest[key] = session, hidden
    evses = _evses(connection_id, [session.evse_uid for session, _ in newest.values()])
    known = {one.key: one for one in OcpiSession.objects.filter(connection_id=connection_id, key__in=newest)}
    told, homeless = [], []
    for key, (session, document) in newest.items():
        evse, before = evses.get(session.evse_uid.lower()), known.get(key)
        if evse is None:
            message = f"EVSE {session.evse_uid} of location {session.location_id} is not known. PUT its Location first."
            refused.append((session.session_id, InvalidObject(message, Status.UNKNOWN_LOCATION)))
            homeless.append(session)
        elif before is not None and (before.last_updated > session.last_updated or _is_reopened(before, session)):
            stale += 1
        else:
            told.append(_Told(session, document, evse, before))
    note_missed(connection_id=connection_id, sessions=homeless)
    return told, stale, refused


def _happened(session: Session, now: datetime) -> Session:
    """Return a session that is not from the future: its `last_updated` would outdate all that is still to come."""
    for name, instant in (("start_date_time", session.starts_at), ("last_updated", session.last_updated)):
        if instant > now + CLOCK_SKEW:
            raise InvalidObject(f"{name} has not happened yet. Report what was; check the clock and the zone.")
    return session


def _is_long_over(one: _Told, now: datetime) -> bool:
    return one.session.is_over and one.session.last_updated < now - RECENT


def _is_reopened(before: OcpiSession, session: Session) -> bool:
    return before.document is None and before.status != ACTIVE and not session.is_over


def _evses(connection_id: int, uids: Iterable[str]) -> dict[str, OcpiEvse]:
    wanted = {uid.lower() for uid in uids}
    found = OcpiEvse.objects.filter(connection_id=connection_id, key__in=wanted).select_related("asset")
    return {evse.key: evse for evse in found}


def _rows(charging: Sequence[_Told]) -> tuple[list[dict[str, Any]], list[tuple[int, str]]]:
    """Return rows for `record_sessions`, and which sessions (EVSE, id) ended without the partner telling.

    An EVSE serves one session at a time: a session that is open when the next one begins has ended then.
    """
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    known = {_place(one) for one in charging if one.known}
    open_by_asset: dict[int, list[dict[str, Any]]] = {}
    for one in sorted(charging, key=lambda told: told.session.starts_at):
        row = _row(one)
        rows[row["asset"], row["external_id"]] = row
        if "plug_out_at" not in row:
            open_by_asset.setdefault(one.evse.asset_id, []).append(row)
    evse_of = {one.evse.asset_id: one.evse for one in charging}
    for stored in ChargingSession.objects.filter(asset_id__in=open_by_asset, plug_out_at=None).order_by("id"):
        asset = evse_of[stored.asset_id].asset
        if (asset.external_id, stored.external_id) not in rows:
            row = {
                "asset": asset.external_id,
                "external_id": stored.external_id,
                "plug_in_at": stored.plug_in_at,
                "energy_wh": stored.energy_wh,
                "max_import_w": stored.max_import_w,
            }
            open_by_asset[stored.asset_id].append(row)
            rows[row["asset"], row["external_id"]] = row
            known.add((asset.external_id, stored.external_id))
    forgotten = []
    for asset_id, opened in open_by_asset.items():
        opened.sort(key=lambda row: row["plug_in_at"])
        for row, following in pairwise(opened):
            row["plug_out_at"] = following["plug_in_at"]
            forgotten.append((evse_of[asset_id].pk, row["external_id"]))
    lasting = []
    for place, row in rows.items():
        came_to_nothing = "plug_out_at" in row and row["plug_out_at"] <= row["plug_in_at"]
        if came_to_nothing and place in known:
            row["plug_out_at"] = row["plug_in_at"] + SHORTEST
        if not came_to_nothing or place in known:
            lasting.append(row)
    return lasting, forgotten


def _row(one: _Told) -> dict[str, Any]:
    session, asset = one.session, one.evse.asset
    row: dict[str, Any] = {
        "asset": asset.external_id,
        "external_id": one.name,
        "plug_in_at": session.starts_at,
        "energy_wh": session.energy_wh,
        "max_import_w": asset.max_import_w,
        "driver_token": session.contract,
    }
    highest_w = round((session.highest("MAX_POWER") or 0) * W_PER_KW)
    if highest_w:
        row["max_import_w"] = min(highest_w, asset.max_import_w)
    if session.is_over:
        row["plug_out_at"] = session.until
    if session.declared_departure_at is not None and session.declared_departure_at > session.starts_at:
        row["declared_departure_at"] = session.declared_departure_at
    if session.declared_energy_wh is not None and session.declared_energy_wh >= 0:
        row["declared_energy_wh"] = session.declared_energy_wh
    if session.declared_at is not None:
        row["declared_at"] = session.declared_at
    arrival = session.oldest("STATE_OF_CHARGE")
    if arrival is not None and asset.capacity_wh:
        row["arrival_level_wh"] = round(arrival / 100 * asset.capacity_wh)
    return row


def _recorded(partner_id: int, rows: list[dict[str, Any]], now: datetime) -> dict[int, InvalidObject]:
    """Record the rows that are acceptable; return the others' errors by row."""
    refused: dict[int, InvalidObject] = {}
    while True:
        left = [index for index in range(len(rows)) if index not in refused]
        try:
            with transaction.atomic():
                if left:
                    operations.record_sessions(partner_id=partner_id, rows=[rows[index] for index in left], now=now)
        except InvalidRows as invalid:
            refused |= {left[error.index]: InvalidObject(f"{error.field}: {error.message}") for error in invalid.errors}
        else:
            return refused


def _keep(connection_id: int, told: Sequence[_Told], closed: Sequence[tuple[int, str]]) -> None:
    OcpiSession.objects.bulk_create(
        [
            OcpiSession(
                connection_id=connection_id,
                evse=one.evse,
                key=_key(one),
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
    for evse_id, name in closed:
        OcpiSession.objects.filter(evse_id=evse_id, session_id=name).update(status="COMPLETED", document=None)


def _states(told: Sequence[_Told], now: datetime) -> Iterable[dict[str, Any]]:
    """Yield what the sessions say of their assets now."""
    for one in told:
        session = one.session
        if not session.is_charging_session or not now - RECENT <= session.last_updated <= now + CLOCK_SKEW:
            continue
        power_kw = 0.0 if session.is_over else session.newest("POWER")
        if power_kw is None:
            continue
        row: dict[str, Any] = {
            "asset": one.evse.asset.external_id,
            "at": session.last_updated,
            "power_w": round(power_kw * W_PER_KW),
            "is_plugged_in": not session.is_over,
        }
        share = session.newest("STATE_OF_CHARGE")
        if share is not None and one.evse.asset.capacity_wh and not session.is_over:
            row["level_wh"] = round(share / 100 * one.evse.asset.capacity_wh)
        yield row


def _place(one: _Told) -> tuple[str, str]:
    """Return how `record_sessions` finds a session: by its asset and its id."""
    return one.evse.asset.external_id, one.name


def _key(one: _Told) -> str:
    return session_key(one.session.country_code, one.session.party_id, one.session.session_id)


def _begins(one: _Told) -> bool:
    return one.known is None or one.known.status != ACTIVE
