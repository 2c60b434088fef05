"""From sessions as partners tell them to charging sessions and states of our assets.

    record(told, *, connection_id, now) -> Recorded
    states(told, left, now) -> rows for `operations.record_states`

Both in the caller's transaction, under the lock on the partner's reports.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from django.db import transaction
from django.db.models import F

from assets import operations
from assets.models import ChargingSession, OcpiEvse, OcpiSession
from assets.ocpi.objects import W_PER_KW, Session
from assets.ocpi.parties import object_key
from assets.ocpi.wire import InvalidObject
from assets.validation.kinds import CLOCK_SKEW
from assets.validation.rows import InvalidRows, RowError

RECENT = timedelta(days=1)
"""What a session was like longer ago says nothing of its asset now, and late news of it cannot be told from old."""
SHORTEST = timedelta(seconds=1)
"""A session that was open here and came to nothing has to end all the same, and ends after it starts."""

Place = tuple[str, str]


@dataclass(slots=True)
class Told:
    """A session on its way in: its object, the EVSE it is at, and how it was kept before."""

    session: Session
    document: dict[str, Any]
    evse: OcpiEvse
    known: OcpiSession | None

    @property
    def key(self) -> str:
        """How the session is found."""
        return object_key(self.session.country_code, self.session.party_id, self.session.session_id)

    @property
    def name(self) -> str:
        """The session's id as it was first written: ids have no case."""
        return self.known.session_id if self.known else self.session.session_id

    @property
    def place(self) -> Place:
        """How `record_sessions` finds it: by its asset and its id."""
        return self.evse.asset.external_id, self.name

    @property
    def was_at(self) -> OcpiEvse | None:
        """The EVSE it was told at before, where that is another one."""
        return self.known.evse if self.known is not None and self.known.evse_id != self.evse.pk else None


@dataclass(frozen=True, slots=True)
class Left:
    """The asset that a session was recorded at until its partner told of another one, and the time it seemed there.

    `until` is None where it seemed to be there still.
    """

    asset_id: int
    key: str
    since: datetime
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of sessions: which could not be recorded and why, which ended untold (EVSE, id), which moved."""

    refused: dict[Place, InvalidObject]
    ended: list[tuple[int, str]]
    left: list[Left]


@dataclass(frozen=True, slots=True)
class _Move:
    """A recorded session that is at another asset than it is recorded at."""

    stored: ChargingSession
    to: Told


def record(told: Sequence[Told], *, connection_id: int, now: datetime) -> Recorded:
    """Record the sessions of cars that are or were there.

    A partner's session is one row, whatever EVSE it is told at: where that changes, the row moves. Where it has yet to
    begin at the other one, it was nowhere so far, and has no row until it does.
    """
    moves = _moves(told)
    untrue = {place: move for place, move in moves.items() if not move.to.session.is_charging_session}
    ChargingSession.objects.filter(pk__in=[move.stored.pk for move in untrue.values()]).delete()
    moves = {place: move for place, move in moves.items() if place not in untrue}
    charging = [one for one in told if one.session.is_charging_session]
    rows, ended = _rows(charging, moves)
    by_row = _recorded(connection_id, rows, moves, now)
    refused = {_place(rows[index]): error for index, error in by_row.items()}
    left = [
        Left(move.stored.asset_id, move.to.key, move.stored.plug_in_at, move.stored.plug_out_at)
        for place, move in (untrue | moves).items()
        if place not in refused
    ]
    return Recorded(refused, ended, left)


def states(told: Sequence[Told], left: Sequence[Left], now: datetime) -> Iterable[dict[str, Any]]:
    """Yield what the sessions say of their assets now, and of those that they turn out not to be at."""
    recent = [one for one in told if now - RECENT <= one.session.last_updated <= now + CLOCK_SKEW]
    yield from _empty(recent, left)
    for one in recent:
        session = one.session
        if not session.is_charging_session:
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


def _empty(recent: Sequence[Told], left: Sequence[Left]) -> Iterable[dict[str, Any]]:
    """Yield that no car is where a session was thought to be, unless another one is open there."""
    was_open = {(gone.asset_id, gone.key) for gone in left if gone.until is None}
    empty = {
        one.was_at.asset_id: (one.was_at.asset.external_id, one.session.last_updated)
        for one in recent
        if one.was_at is not None and (one.was_at.asset_id, one.key) in was_open
    }
    taken = ChargingSession.objects.filter(asset_id__in=empty, plug_out_at=None).values_list("asset_id", flat=True)
    for asset_id in empty.keys() - set(taken):
        name, at = empty[asset_id]
        yield {"asset": name, "at": at, "power_w": 0, "is_plugged_in": False}


def _moves(told: Sequence[Told]) -> dict[Place, _Move]:
    """Return the recorded sessions that are at another asset by now, by where they are to be."""
    elsewhere = {(one.was_at.asset_id, one.name): one for one in told if one.was_at is not None}
    stored = ChargingSession.objects.filter(
        asset_id__in={asset_id for asset_id, _ in elsewhere}, external_id__in={name for _, name in elsewhere}
    )
    found = ((elsewhere.get((row.asset_id, row.external_id)), row) for row in stored)
    return {one.place: _Move(row, one) for one, row in found if one is not None}


def _rows(charging: Sequence[Told], moves: Mapping[Place, _Move]) -> tuple[list[dict[str, Any]], list[tuple[int, str]]]:
    """Return rows for `record_sessions`, and which sessions (EVSE, id) ended without the partner telling.

    An EVSE serves one session at a time: a session that is open when the next one begins has ended then.
    """
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    known = {one.place for one in charging if one.known}
    open_by_asset: dict[int, list[dict[str, Any]]] = {}
    for one in sorted(charging, key=lambda told: told.session.starts_at):
        row = _row(one)
        rows[row["asset"], row["external_id"]] = row
        if "plug_out_at" not in row:
            open_by_asset.setdefault(one.evse.asset_id, []).append(row)
    evse_of = {one.evse.asset_id: one.evse for one in charging}
    opened_before = ChargingSession.objects.filter(asset_id__in=open_by_asset, plug_out_at=None).exclude(
        pk__in=[move.stored.pk for move in moves.values()]
    )
    for stored in opened_before.order_by("id"):
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


def _row(one: Told) -> dict[str, Any]:
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


def _place(row: Mapping[str, Any]) -> Place:
    return row["asset"], row["external_id"]


def _recorded(
    partner_id: int, rows: Sequence[dict[str, Any]], moves: Mapping[Place, _Move], now: datetime
) -> dict[int, InvalidObject]:
    """Record the rows that are acceptable, and move what moves; return the others' errors by row.

    What moves is closed until all that stays is recorded: so nothing is in its way, and two may change places.
    """
    refused: dict[int, InvalidObject] = {}
    while True:
        left = {index: moves.get(_place(row)) for index, row in enumerate(rows) if index not in refused}
        moving = {index: move for index, move in left.items() if move is not None}
        try:
            with transaction.atomic():
                ChargingSession.objects.filter(pk__in=[move.stored.pk for move in moving.values()]).update(
                    plug_out_at=F("plug_in_at") + SHORTEST
                )
                _record(partner_id, rows, [index for index in left if index not in moving], now)
                _move(rows, moving)
                _record(partner_id, rows, list(moving), now)
        except InvalidRows as invalid:
            refused |= {error.index: InvalidObject(f"{error.field}: {error.message}") for error in invalid.errors}
        else:
            return refused


def _record(partner_id: int, rows: Sequence[dict[str, Any]], wanted: Sequence[int], now: datetime) -> None:
    """Record the wanted rows; raise `InvalidRows` that counts as all rows do."""
    if not wanted:
        return
    try:
        operations.record_sessions(partner_id=partner_id, rows=[rows[index] for index in wanted], now=now)
    except InvalidRows as invalid:
        raise InvalidRows([replace(error, index=wanted[error.index]) for error in invalid.errors]) from invalid


def _move(rows: Sequence[dict[str, Any]], moving: Mapping[int, _Move]) -> None:
    """Put recorded sessions where they are; one that has ended ends with its row. Raises `InvalidRows`."""
    targets = {move.to.evse.asset_id for move in moving.values()}
    taken = set(
        ChargingSession.objects.filter(asset_id__in=targets, plug_out_at=None).values_list("asset_id", flat=True)
    )
    errors = []
    for index, move in moving.items():
        asset_id, stored = move.to.evse.asset_id, move.stored
        ends = stored.plug_in_at + SHORTEST if "plug_out_at" in rows[index] else stored.plug_out_at
        if ends is None and asset_id in taken:
            errors.append(RowError(index, "evse_uid", "second-open-session", "Another session is open at this EVSE."))
            continue
        ChargingSession.objects.filter(asset_id=asset_id, external_id=stored.external_id).delete()  # the same session
        ChargingSession.objects.filter(pk=stored.pk).update(asset_id=asset_id, plug_out_at=ends)
    if errors:
        raise InvalidRows(errors)
