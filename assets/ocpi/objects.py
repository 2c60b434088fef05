"""Sessions and locations as partners send them, read leniently into values. Pure.

Unknown fields are ignored and unknown enumeration values kept (2.3.0 asks for it), but a mandatory field that is
missing or of the wrong type is refused: a session that is half understood would be steered wrongly.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from assets.ocpi.parties import object_key
from assets.ocpi.wire import InvalidObject, instant_of, require_storable

LONGEST_ID = 36
GRID_VOLTAGE = 230
PHASES = {"AC_1_PHASE": 1, "AC_2_PHASE": 2, "AC_2_PHASE_SPLIT": 2, "AC_3_PHASE": 3, "DC": 0}
"""Phases of a connector by power type; 0 for direct current, which knows no floor of 6 A."""
PROFILE_CAPABLE = "CHARGING_PROFILE_CAPABLE"
V2X_CAPABLE = "V2X_CAPABLE"
"""EVSE capability of our V2G extension (docs/ocpi.md)."""
SESSION_STATUSES = frozenset({"ACTIVE", "COMPLETED", "INVALID", "PENDING", "RESERVATION"})
W_PER_KW = 1_000
LARGEST_CONNECTOR_W = 100_000_000
_IDENTITY = ("country_code", "party_id", "id", "uid")
_LARGEST_NUMBER = 10**9
_WITHIN = {
    "POWER": (-LARGEST_CONNECTOR_W / W_PER_KW, LARGEST_CONNECTOR_W / W_PER_KW),
    "MAX_POWER": (0.0, LARGEST_CONNECTOR_W / W_PER_KW),
    "STATE_OF_CHARGE": (0.0, 100.0),
}
"""Volumes that we use and what they may be (kW, kW, %): what is beyond is a mistake of units."""


@dataclass(frozen=True, slots=True)
class ChargingPeriod:
    """A period of a session, to the start of the next one; `volumes` by dimension, in the dimension's own unit."""

    starts_at: datetime
    volumes: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Session:
    """What we use of a Session (mod_sessions) and of our extension `charging_preferences`.

    Energies in Wh and powers in W; `card` and `contract` are personal data and must be pseudonymised before anything
    is stored. `energy_wh` is what went into the car; a session that gave more than it took counts as none.
    """

    country_code: str
    party_id: str
    session_id: str
    location_id: str
    evse_uid: str
    starts_at: datetime
    ends_at: datetime | None
    energy_wh: int
    status: str
    last_updated: datetime
    card: str
    contract: str
    periods: tuple[ChargingPeriod, ...]
    declared_departure_at: datetime | None
    declared_energy_wh: int | None
    declared_at: datetime | None
    is_discharge_allowed: bool

    @property
    def party(self) -> str:
        """Whose it is, as NL*STA."""
        return f"{self.country_code}*{self.party_id}"

    @property
    def location_key(self) -> str:
        """How its location is found."""
        return object_key(self.country_code, self.party_id, self.location_id)

    @property
    def is_over(self) -> bool:
        """Whether the car has left."""
        return self.status in {"COMPLETED", "INVALID"}

    @property
    def until(self) -> datetime:
        """When a session that is over ended."""
        return self.ends_at or self.last_updated

    @property
    def is_charging_session(self) -> bool:
        """Whether a car is or was at the plug; reservations and pending sessions come to nothing yet."""
        return self.status not in {"PENDING", "RESERVATION"}

    def newest(self, dimension: str) -> float | None:
        """Return the volume of a dimension in the newest period that has it."""
        for period in reversed(self.periods):
            if dimension in period.volumes:
                return period.volumes[dimension]
        return None

    def oldest(self, dimension: str) -> float | None:
        """Return the volume of a dimension in the oldest period that has it."""
        return next((period.volumes[dimension] for period in self.periods if dimension in period.volumes), None)

    def highest(self, dimension: str) -> float | None:
        """Return the highest volume of a dimension."""
        return max((period.volumes[dimension] for period in self.periods if dimension in period.volumes), default=None)


@dataclass(frozen=True, slots=True)
class Evse:
    """A charging point at a location (mod_locations); `max_import_w` over all phases, from its strongest connector."""

    location_id: str
    uid: str
    status: str
    is_profile_capable: bool
    is_v2x_capable: bool
    phases: int
    max_import_w: int
    max_export_w: int
    last_updated: datetime


@dataclass(frozen=True, slots=True)
class Location:
    """What we use of a Location."""

    country_code: str
    party_id: str
    location_id: str
    evses: tuple[Evse, ...]
    last_updated: datetime

    @property
    def party(self) -> str:
        """Whose it is, as NL*STA."""
        return f"{self.country_code}*{self.party_id}"

    @property
    def key(self) -> str:
        """How it is found."""
        return object_key(self.country_code, self.party_id, self.location_id)


def read_session(document: Any) -> Session:
    """Return the session in a document; raise `InvalidObject`."""
    require_storable(document)
    fields = _object(document, "the Session")
    card = _object(fields.get("cdr_token"), "cdr_token")
    preferences = _object(fields.get("charging_preferences") or {}, "charging_preferences")
    status = _text(fields, "status", 20).upper()
    if status not in SESSION_STATUSES:
        raise InvalidObject(f"status is not one of {', '.join(sorted(SESSION_STATUSES))}.")
    starts_at, last_updated = _instant(fields, "start_date_time"), _instant(fields, "last_updated")
    ends_at = _optional_instant(fields, "end_date_time")
    session = Session(
        country_code=_id(fields, "country_code", 2).upper(),
        party_id=_id(fields, "party_id", 3).upper(),
        session_id=_id(fields, "id", LONGEST_ID),
        location_id=_id(fields, "location_id", LONGEST_ID),
        evse_uid=_id(fields, "evse_uid", LONGEST_ID),
        starts_at=starts_at,
        ends_at=ends_at,
        energy_wh=max(round(_number(fields, "kwh") * W_PER_KW), 0),
        status=status,
        last_updated=last_updated,
        card=_text(card, "uid", LONGEST_ID),
        contract=_text(card, "contract_id", LONGEST_ID),
        periods=tuple(
            sorted(_periods(_optional_list(fields, "charging_periods")), key=lambda period: period.starts_at)
        ),
        declared_departure_at=_optional_instant(preferences, "departure_time"),
        declared_energy_wh=(
            round(_number(preferences, "energy_need") * W_PER_KW)
            if preferences.get("energy_need") is not None
            else None
        ),
        declared_at=_optional_instant(preferences, "declared_at"),
        is_discharge_allowed=preferences.get("discharge_allowed") is True,
    )
    _id(fields, "connector_id", LONGEST_ID)
    _text(fields, "auth_method", 20)
    _text(fields, "currency", 3)
    return session


def merged(stored: Mapping[str, Any], patch: Any) -> dict[str, Any]:
    """Return a stored object with a PATCH laid over it; raise `InvalidObject`.

    It needs `last_updated`, and says nothing about which object it is of: the address does.

    Charging periods are appended, once per start: the same patch again changes nothing (mod_sessions, PATCH).
    """
    changes = dict(_object(patch, "the PATCH"))
    if "last_updated" not in changes:
        raise InvalidObject("A PATCH needs last_updated, so that older ones can be told from newer ones.")
    for name in _IDENTITY:
        if name in changes and str(changes[name]).lower() != str(stored.get(name)).lower():
            raise InvalidObject(f"A PATCH cannot change {name}. PUT the other object.")
    if "charging_periods" in changes:
        known = {_start(period): period for period in stored.get("charging_periods") or []}
        known |= {_start(period): period for period in _list(changes["charging_periods"], "charging_periods")}
        changes["charging_periods"] = [known[start] for start in sorted(known)]
    return {**stored, **changes}


def read_location(document: Any) -> Location:
    """Return the location in a document; raise `InvalidObject`."""
    require_storable(document)
    fields = _object(document, "the Location")
    location_id, last_updated = _id(fields, "id", LONGEST_ID), _instant(fields, "last_updated")
    coordinates = _object(fields.get("coordinates"), "coordinates")
    for name in ("latitude", "longitude"):
        _text(coordinates, name, LONGEST_ID)
    _text(fields, "time_zone", 255)
    return Location(
        country_code=_id(fields, "country_code", 2).upper(),
        party_id=_id(fields, "party_id", 3).upper(),
        location_id=location_id,
        evses=tuple(read_evse(evse, location_id=location_id) for evse in _optional_list(fields, "evses")),
        last_updated=last_updated,
    )


def read_evse(document: Any, *, location_id: str) -> Evse:
    """Return the EVSE in a document; raise `InvalidObject`."""
    fields = _object(document, "the EVSE")
    capabilities = _optional_list(fields, "capabilities")
    connectors = [_connector(one) for one in _list(fields.get("connectors"), "connectors")]
    if not connectors:
        raise InvalidObject("connectors is empty. An EVSE has at least one.")
    return Evse(
        location_id=location_id,
        uid=_id(fields, "uid", LONGEST_ID),
        status=_text(fields, "status", 20).upper(),
        is_profile_capable=PROFILE_CAPABLE in capabilities,
        is_v2x_capable=V2X_CAPABLE in capabilities,
        phases=max((phases for phases, _, _ in connectors), default=0),
        max_import_w=max(import_w for _, import_w, _ in connectors),
        max_export_w=max(export_w for _, _, export_w in connectors),
        last_updated=_instant(fields, "last_updated"),
    )


def _connector(document: Any) -> tuple[int, int, int]:
    """Return phases, most power in and most power out of a connector; the last is our V2G extension."""
    fields = _object(document, "the Connector")
    _id(fields, "id", LONGEST_ID)
    power_type = _text(fields, "power_type", 20).upper()
    if power_type not in PHASES:
        raise InvalidObject(f"power_type is not one of {', '.join(PHASES)}.")
    phases = PHASES[power_type]
    limit_w = _number(fields, "max_voltage") * _number(fields, "max_amperage") * max(phases, 1)
    declared = fields.get("max_electric_power")
    import_w = limit_w if declared is None else min(limit_w, _number(fields, "max_electric_power"))
    export = fields.get("max_discharge_power")
    export_w = 0.0 if export is None else _number(fields, "max_discharge_power")
    if not 0 <= import_w <= LARGEST_CONNECTOR_W or not 0 <= export_w <= LARGEST_CONNECTOR_W:
        raise InvalidObject("A connector's power is not within 0 and 100 MW. Check max_voltage (V), max_amperage (A).")
    return phases, round(import_w), round(export_w)


def _periods(documents: list[Any]) -> Iterator[ChargingPeriod]:
    for document in documents:
        fields = _object(document, "a ChargingPeriod")
        dimensions = _list(fields.get("dimensions"), "dimensions")
        rows = [_object(row, "a CdrDimension") for row in dimensions]
        yield ChargingPeriod(_instant(fields, "start_date_time"), dict(map(_volume, rows)))


def _volume(row: Mapping[str, Any]) -> tuple[str, float]:
    dimension, volume = _text(row, "type", 20).upper(), _number(row, "volume")
    least, most = _WITHIN.get(dimension, (volume, volume))
    if not least <= volume <= most:
        raise InvalidObject(f"{dimension} {volume:g} is not within {least:g} and {most:g}. Check its unit.")
    return dimension, volume


def _start(period: Any) -> datetime:
    return _instant(_object(period, "a ChargingPeriod"), "start_date_time")


def _object(value: Any, name: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise InvalidObject(f"{name} is missing or not an object.")
    return value


def _list(value: Any, name: str) -> list[Any]:
    if not isinstance(value, list):
        raise InvalidObject(f"{name} is missing or not a list.")
    return value


def _optional_list(fields: Mapping[str, Any], name: str) -> list[Any]:
    return [] if fields.get(name) is None else _list(fields[name], name)


def _text(fields: Mapping[str, Any], name: str, longest: int) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= longest or not value.isprintable():
        raise InvalidObject(f"{name} is missing or not text of 1 to {longest} printable characters.")
    return value


def _id(fields: Mapping[str, Any], name: str, longest: int) -> str:
    """Return a CiString: printable ASCII, so that its case can be ignored."""
    value = _text(fields, name, longest)
    if not value.isascii():
        raise InvalidObject(f"{name} is not ASCII. Ids are 1 to {longest} printable ASCII characters.")
    return value


def _number(fields: Mapping[str, Any], name: str) -> float:
    value = fields.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= _LARGEST_NUMBER:
        raise InvalidObject(f"{name} is missing or not a number.")
    return float(value)


def _instant(fields: Mapping[str, Any], name: str) -> datetime:
    return instant_of(fields.get(name), field=name)


def _optional_instant(fields: Mapping[str, Any], name: str) -> datetime | None:
    return None if fields.get(name) is None else _instant(fields, name)
