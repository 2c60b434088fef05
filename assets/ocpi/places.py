"""Taking in a partner's locations: which EVSEs there are, what they can do, and which asset each one is.

    take_locations(*, connection_id, documents, now) -> Taken
    put_location / patch_location(*, connection_id, place, document, now) -> whether it is new
    stored_object(*, connection_id, place) -> document

An EVSE is the asset whose `external_id` is its uid. Where we know that asset already (from our REST interface or a
portfolio table), the location says how it is reached, and may only lower what it takes at most; where not, the asset is
made from it, and follows it.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models.functions import Lower

from aggregator.core import audit, locks
from assets import operations
from assets.models import Asset, OcpiConnection, OcpiEvse, OcpiLocation
from assets.ocpi.connections import is_of_another, parties_of, require_party
from assets.ocpi.objects import GRID_VOLTAGE, LONGEST_ID, Evse, Location, merged, read_location
from assets.ocpi.parties import object_key
from assets.ocpi.profiles import FLOOR_A
from assets.ocpi.wire import InvalidObject, instant_of
from assets.validation import kinds
from assets.validation.kinds import CLOCK_SKEW
from assets.validation.rows import InvalidRows

_REMOVED = "REMOVED"
_UNUSABLE = frozenset({"BLOCKED", "INOPERATIVE", "OUTOFORDER", "PLANNED", _REMOVED})


@dataclass(frozen=True, slots=True)
class Taken:
    """How many EVSEs the locations of a page have; `refused` names each location that was not taken, and why."""

    evses: int
    refused: tuple[tuple[str, InvalidObject], ...]


@dataclass(frozen=True, slots=True)
class _Home:
    """Whose an EVSE is and at which location (`Location.key`), and whether it was removed from there."""

    party: str
    location: str
    is_left: bool


class PlaceUnknown(LookupError):
    """No such location, EVSE or connector was told."""


@dataclass(frozen=True, slots=True)
class Place:
    """The address of a location, or of an EVSE or connector in it."""

    country_code: str
    party_id: str
    location_id: str
    evse_uid: str | None = None
    connector_id: str | None = None

    @property
    def key(self) -> str:
        """How its location is found."""
        return object_key(self.country_code, self.party_id, self.location_id)


def stored_object(*, connection_id: int, place: Place) -> dict[str, Any]:
    """Return a location, EVSE or connector as it was told; raise `PlaceUnknown`."""
    found = OcpiLocation.objects.filter(connection_id=connection_id, key=place.key).first()
    if found is None:
        raise PlaceUnknown("No such location is known here. PUT it whole.")
    document = dict(found.document)
    for part, name, wanted in _steps(place):
        row = next((row for row in document.get(part) or [] if _is(row, name, wanted)), None)
        if row is None:
            raise PlaceUnknown(f"The location has no such {name}. PUT it whole.")
        document = dict(row)
    return document


def put_location(*, connection_id: int, place: Place, document: Any, now: datetime) -> bool:
    """Take in a location, or an EVSE or connector of a known one; return whether it is new.

    News older than what is known of the same object changes nothing. Raises `InvalidObject`, and `PlaceUnknown` for a
    part of a location that was never told.
    """
    with transaction.atomic():
        locks.take(locks.AdvisoryLock.PARTNER_REPORTS, connection_id)
        if place.evse_uid is None:
            is_new = not OcpiLocation.objects.filter(connection_id=connection_id, key=place.key).exists()
            location = document
        else:
            whole = Place(place.country_code, place.party_id, place.location_id)
            stored = stored_object(connection_id=connection_id, place=whole)
            location, is_new = _replaced(stored, document, list(_steps(place)))
        taken = take_locations(connection_id=connection_id, documents=[location], now=now)
        for _, error in taken.refused:
            raise error
        return is_new


def patch_location(*, connection_id: int, place: Place, document: Any, now: datetime) -> None:
    """Change a location, EVSE or connector that was told before; raise `PlaceUnknown` or `InvalidObject`."""
    with transaction.atomic():
        locks.take(locks.AdvisoryLock.PARTNER_REPORTS, connection_id)
        changed = merged(stored_object(connection_id=connection_id, place=place), document)
        put_location(connection_id=connection_id, place=place, document=changed, now=now)


@transaction.atomic
def take_locations(*, connection_id: int, documents: Sequence[Any], now: datetime) -> Taken:
    """Take in a page of locations; what cannot be taken is named in the answer and keeps nothing else out.

    An EVSE that a location no longer lists stays as it was: the specification has it marked REMOVED.
    """
    locks.take(locks.AdvisoryLock.PARTNER_REPORTS, connection_id)
    connection = OcpiConnection.objects.get(pk=connection_id)
    ours = parties_of(connection_id)
    refused: list[tuple[str, InvalidObject]] = []
    read: list[tuple[Location, Any]] = []
    for document in documents:
        try:
            location = _usable(read_location(document), connection, now)
            require_party(ours, location.country_code, location.party_id)
        except InvalidObject as error:
            refused.append((str(document.get("id", ""))[:LONGEST_ID] if isinstance(document, dict) else "", error))
            continue
        read.append((location, document))
    stored = OcpiLocation.objects.filter(connection_id=connection_id, key__in={location.key for location, _ in read})
    known = dict(stored.values_list("key", "last_updated"))
    newest: dict[str, tuple[Location, Any]] = {}
    for location, document in read:
        if location.key not in known or known[location.key] <= location.last_updated:
            known[location.key], newest[location.key] = location.last_updated, (location, document)
    homes = _homes(connection_id, [location for location, _ in newest.values()])
    fresh: dict[str, tuple[Location, Any]] = {}
    for key, (location, document) in newest.items():
        try:
            _claim(location, homes, ours)
        except InvalidObject as error:
            refused.append((location.location_id, error))
        else:
            fresh[key] = location, document
    OcpiLocation.objects.bulk_create(
        [
            OcpiLocation(connection_id=connection_id, key=key, document=document, last_updated=location.last_updated)
            for key, (location, document) in fresh.items()
        ],
        update_conflicts=True,
        unique_fields=["connection", "key"],
        update_fields=["document", "last_updated"],
    )
    evses = {
        evse.uid.lower(): evse
        for key, (location, _) in fresh.items()
        for evse in location.evses
        if homes[evse.uid.lower()].location == key
    }
    _link(connection, evses, homes, now)
    return Taken(len(evses), tuple(refused))


def _usable(location: Location, connection: OcpiConnection, now: datetime) -> Location:
    """Return a location that is not from the future and whose EVSEs can be assets; raise `InvalidObject`."""
    parts: dict[str, Location | Evse] = {
        "": location,
        **{f"evses[{number}]: ": evse for number, evse in enumerate(location.evses)},
    }
    for where, part in parts.items():
        if part.last_updated > now + CLOCK_SKEW:
            raise InvalidObject(f"{where}last_updated has not happened yet. Check the clock and the zone.")
    try:
        kinds.ASSET.read([_asset_row(connection, evse, evse.uid) for evse in location.evses])
    except InvalidRows as invalid:
        error = invalid.errors[0]
        raise InvalidObject(f"evses[{error.index}]: {error.field}: {error.message}") from invalid
    return location


def _homes(connection_id: int, locations: Sequence[Location]) -> dict[str, _Home]:
    """Return where the EVSEs of locations that are known are, those gone that their own location now calls so."""
    uids = {evse.uid.lower() for location in locations for evse in location.evses}
    known = OcpiEvse.objects.filter(connection_id=connection_id, key__in=uids)
    homes = {
        uid: _Home(party, location, status == _REMOVED)
        for uid, party, location, status in known.values_list("key", "party", "location", "status")
    }
    for location in locations:
        for evse in location.evses:
            home = homes.get(evse.uid.lower())
            if home is not None and home.location == location.key and evse.status == _REMOVED:
                homes[evse.uid.lower()] = replace(home, is_left=True)
    return homes


def _claim(location: Location, homes: dict[str, _Home], parties: Collection[tuple[str, str]]) -> None:
    """Make a location the home of its EVSEs; raise `InvalidObject` where another party or location is.

    A uid is unique within a platform (mod_locations); two EVSEs of one uid would be steered as one. That an EVSE is
    REMOVED from here says nothing against its being elsewhere.
    """
    claimed = {}
    for evse in location.evses:
        uid = evse.uid.lower()
        home = homes.get(uid)
        if home is not None and is_of_another(home.party, location.party, parties):
            raise InvalidObject(
                f"uid {evse.uid} is an EVSE of {home.party}, and unique within your platform. Give it another uid, "
                "or let each party register by itself: call us."
            )
        if home is None or home.party != location.party or home.location in {"", location.key}:
            claimed[uid] = _Home(location.party, location.key, evse.status == _REMOVED)
        elif evse.status != _REMOVED:
            if not home.is_left:
                raise InvalidObject(
                    f"uid {evse.uid} is an EVSE of location {home.location}, and unique within your platform. Give it "
                    "another uid, or, if it moved here, tell first that it is REMOVED there."
                )
            claimed[uid] = _Home(location.party, location.key, is_left=False)
    homes |= claimed


def _link(connection: OcpiConnection, evses: Mapping[str, Evse], homes: Mapping[str, _Home], now: datetime) -> None:
    """Make or find the asset of each EVSE, and keep how it is reached."""
    linked = {one.key: one for one in OcpiEvse.objects.filter(connection=connection, key__in=evses)}
    named: dict[str, Asset] = {
        asset.external_id.lower(): asset
        for asset in Asset.objects.annotate(name=Lower("external_id")).filter(
            partner_id=connection.pk, name__in=list(evses)
        )
    }
    defines = {key: linked[key].defines_asset if key in linked else key not in named for key in evses}
    rows = [
        _asset_row(connection, evse, named[key].external_id if key in named else evse.uid)
        for key, evse in evses.items()
        if defines[key]
    ]
    if rows:
        operations.upsert_assets(partner_id=connection.pk, rows=rows, now=now)
        made = Asset.objects.filter(partner_id=connection.pk, external_id__in=[row["external_id"] for row in rows])
        named |= {asset.external_id.lower(): asset for asset in made}
    for key, asset in named.items():
        most_w = evses[key].max_import_w
        if not defines[key] and most_w < asset.max_import_w:
            Asset.objects.filter(pk=asset.pk).update(max_import_w=most_w, min_import_w=min(asset.min_import_w, most_w))
    for key, one in linked.items():
        if one.location not in {"", homes[key].location}:
            audit.record(
                now=now,
                action="assets.ocpi.evse-moved",
                subject=named[key],
                before={"location": one.location},
                after={"location": homes[key].location},
            )
    OcpiEvse.objects.bulk_create(
        [
            OcpiEvse(
                connection=connection,
                asset=named[key],
                key=key,
                party=homes[key].party,
                location=homes[key].location,
                status=evse.status,
                phases=evse.phases,
                is_profile_capable=evse.is_profile_capable,
                defines_asset=defines[key],
                last_updated=evse.last_updated,
            )
            for key, evse in evses.items()
        ],
        update_conflicts=True,
        unique_fields=["connection", "key"],
        update_fields=["party", "location", "status", "phases", "is_profile_capable", "last_updated"],
    )
    operations.record_states(partner_id=connection.pk, rows=list(_states(evses, named, now)), now=now)


def _asset_row(connection: OcpiConnection, evse: Evse, name: str) -> dict[str, Any]:
    """Return the asset an EVSE is when nobody registered it: what OCPI does not tell is assumed with care."""
    feeds_in = connection.is_v2g_agreed and evse.is_v2x_capable and evse.max_export_w > 0
    return {
        "external_id": name,
        "kind": "v2g_charger" if feeds_in else "charger",
        "category": "public",
        "max_import_w": evse.max_import_w,
        "max_export_w": evse.max_export_w if feeds_in else 0,
        "min_import_w": min(FLOOR_A * GRID_VOLTAGE * evse.phases, evse.max_import_w),
        "pausing": "unknown",
    }


def _states(evses: Mapping[str, Evse], named: Mapping[str, Asset], now: datetime) -> Iterable[dict[str, Any]]:
    """Yield what a status says of an asset; one that charges is told of by its session."""
    for key, evse in evses.items():
        if evse.last_updated <= now + CLOCK_SKEW and evse.status in _UNUSABLE | {"AVAILABLE"}:
            yield {
                "asset": named[key].external_id,
                "at": evse.last_updated,
                "power_w": 0,
                "is_plugged_in": False,
                "is_available": evse.status == "AVAILABLE",
            }


def _steps(place: Place) -> Iterable[tuple[str, str, str]]:
    if place.evse_uid is not None:
        yield "evses", "uid", place.evse_uid
    if place.connector_id is not None:
        yield "connectors", "id", place.connector_id


def _is(row: Any, name: str, wanted: str) -> bool:
    return isinstance(row, dict) and str(row.get(name, "")).lower() == wanted.lower()


def _replaced(
    document: Mapping[str, Any], part: Any, steps: Sequence[tuple[str, str, str]]
) -> tuple[dict[str, Any], bool]:
    """Return a document with a part of it replaced or added, and whether it was added.

    Parts change by themselves and in any order: each is only as old as its own `last_updated`, and what it is part of
    is as young as its youngest part.
    """
    if not isinstance(part, dict):
        raise InvalidObject("The body is not an object.")
    (name, key, wanted), *deeper = steps
    rows = list(document.get(name) or [])
    index = next((number for number, row in enumerate(rows) if _is(row, key, wanted)), None)
    is_new = index is None
    if deeper:
        if index is None:
            raise PlaceUnknown(f"The location has no such {key}. PUT it whole.")
        rows[index], is_new = _replaced(rows[index], part, deeper)
    elif index is None:
        rows.append(part)
    elif _updated(rows[index]) <= _updated(part):
        rows[index] = part
    return {**document, name: rows, "last_updated": max(document, part, key=_updated)["last_updated"]}, is_new


def _updated(document: Mapping[str, Any]) -> datetime:
    return instant_of(document.get("last_updated"), field="last_updated")
