"""Taking in a partner's locations: which EVSEs there are, what they can do, and which asset each one is.

    take_locations(*, connection_id, documents, now) -> number of EVSEs
    put_location / patch_location(*, connection_id, place, document, now) -> whether it is new
    stored_object(*, connection_id, place) -> document

An EVSE is the asset whose `external_id` is its uid. Where we know that asset already (from our REST interface or a
portfolio table), the location only says how it is reached; where not, the asset is made from it, and follows it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models.functions import Lower

from aggregator.core import locks
from assets import operations
from assets.models import Asset, OcpiConnection, OcpiEvse, OcpiLocation
from assets.ocpi.objects import GRID_VOLTAGE, Evse, merged, read_location
from assets.ocpi.profiles import FLOOR_A
from assets.ocpi.wire import InvalidObject

_UNUSABLE = frozenset({"BLOCKED", "INOPERATIVE", "OUTOFORDER", "PLANNED", "REMOVED"})


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
        return _key(self.country_code, self.party_id, self.location_id)


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

    Raises `InvalidObject`, and `PlaceUnknown` for a part of a location that was never told.
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
        take_locations(connection_id=connection_id, documents=[location], now=now)
        return is_new


def patch_location(*, connection_id: int, place: Place, document: Any, now: datetime) -> None:
    """Change a location, EVSE or connector that was told before; raise `PlaceUnknown` or `InvalidObject`."""
    with transaction.atomic():
        locks.take(locks.AdvisoryLock.PARTNER_REPORTS, connection_id)
        changed = merged(stored_object(connection_id=connection_id, place=place), document)
        put_location(connection_id=connection_id, place=place, document=changed, now=now)


@transaction.atomic
def take_locations(*, connection_id: int, documents: Sequence[Any], now: datetime) -> int:
    """Take in locations; return how many EVSEs they have. Raises `InvalidObject`; then nothing was stored.

    An EVSE that a location no longer lists stays as it was: the specification has it marked REMOVED.
    """
    locks.take(locks.AdvisoryLock.PARTNER_REPORTS, connection_id)
    locations = [read_location(document) for document in documents]
    known = dict(OcpiLocation.objects.filter(connection_id=connection_id).values_list("key", "last_updated"))
    fresh = {}
    for location, document in zip(locations, documents, strict=True):
        key = _key(location.country_code, location.party_id, location.location_id)
        if key not in known or known[key] <= location.last_updated:
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
    evses = {evse.uid.lower(): evse for location, _ in fresh.values() for evse in location.evses}
    _link(OcpiConnection.objects.get(pk=connection_id), evses, now)
    return len(evses)


def _link(connection: OcpiConnection, evses: Mapping[str, Evse], now: datetime) -> None:
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
    OcpiEvse.objects.bulk_create(
        [
            OcpiEvse(
                connection=connection,
                asset=named[key],
                key=key,
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
        update_fields=["status", "phases", "is_profile_capable", "last_updated"],
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
        if evse.last_updated <= now and evse.status in _UNUSABLE | {"AVAILABLE"}:
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
    """Return a document with a part of it replaced or added, and its `last_updated`; and whether it was added."""
    if not isinstance(part, dict):
        raise InvalidObject("The body is not an object.")
    if not steps:
        return part, False
    (name, key, wanted), *deeper = steps
    rows = list(document.get(name) or [])
    index = next((number for number, row in enumerate(rows) if _is(row, key, wanted)), None)
    if deeper:
        if index is None:
            raise PlaceUnknown(f"The location has no such {key}. PUT it whole.")
        rows[index], is_new = _replaced(rows[index], part, deeper)
    elif index is None:
        rows.append(part)
        is_new = True
    else:
        rows[index] = part
        is_new = False
    return {**document, name: rows, "last_updated": part.get("last_updated")}, is_new


def _key(country_code: str, party_id: str, location_id: str) -> str:
    return f"{country_code}*{party_id}*{location_id}".lower()
