"""From sessions as partners tell them to charging sessions and states of our assets.

    record(told, *, connection_id, now) -> (refused, ended)
    states(told, now) -> rows for `operations.record_states`

Both in the caller's transaction, under the lock on the partner's reports.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from django.db import transaction

from assets import operations
from assets.models import ChargingSession, OcpiEvse, OcpiSession
from assets.ocpi.objects import W_PER_KW, Session
from assets.ocpi.parties import object_key
from assets.ocpi.wire import InvalidObject
from assets.validation.kinds import CLOCK_SKEW
from assets.validation.rows import InvalidRows

RECENT = timedelta(days=1)
"""What a session was like longer ago says nothing of its asset now, and late news of it cannot be told from old."""
SHORTEST = timedelta(seconds=1)
"""A session that was open here and came to nothing has to end all the same, and ends after it starts."""


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
    def place(self) -> tuple[str, str]:
        """How `record_sessions` finds it: by its asset and its id."""
        return self.evse.asset.external_id, self.name


def record(
    told: Sequence[Told], *, connection_id: int, now: datetime
) -> tuple[dict[tuple[str, str], InvalidObject], list[tuple[int, str]]]:
    """Record the sessions of cars that are or were there.

    Returns which (`Told.place`) could not be and why, and which (EVSE, id) ended without the partner telling.
    """
    rows, ended = _rows([one for one in told if one.session.is_charging_session])
    refused = _recorded(connection_id, rows, now)
    return {(rows[index]["asset"], rows[index]["external_id"]): error for index, error in refused.items()}, ended


def states(told: Sequence[Told], now: datetime) -> Iterable[dict[str, Any]]:
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


def _rows(charging: Sequence[Told]) -> tuple[list[dict[str, Any]], list[tuple[int, str]]]:
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
