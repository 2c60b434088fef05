"""The tables of OCPI 2.2.1 for the objects that we send or receive: type, longest text, cardinality of each field.

A test of its own holds them against the schemas of a package that nobody here wrote. `problems` judges a document as
strictly as the specification is written; what we receive is read more leniently (docs/ocpi.md).
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

LONGEST_DATE_TIME = 25
_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z?")


@dataclass(frozen=True)
class Text:
    """CiString (printable ASCII, without case) or string, and how long it may be."""

    longest: int
    is_ascii: bool = False

    def is_fit(self, value: Any) -> bool:
        return (
            isinstance(value, str)
            and len(value) <= self.longest
            and value.isprintable()
            and (value.isascii() or not self.is_ascii)
        )

    def schema(self) -> dict[str, Any]:
        first = "!" if self.is_ascii else " "
        return {"type": "string", "pattern": f"^[{first}-~]{{1,{self.longest}}}$"}


@dataclass(frozen=True)
class DateTime:
    """RFC 3339 in UTC, `Z` or nothing behind it ("+00:00 is not the same as UTC")."""

    longest = LONGEST_DATE_TIME

    def is_fit(self, value: Any) -> bool:
        if not isinstance(value, str) or len(value) > LONGEST_DATE_TIME or not _DATE_TIME.fullmatch(value):
            return False
        return bool(datetime.fromisoformat(value))

    def schema(self) -> dict[str, Any]:
        return {
            "type": "string",
            "pattern": r"^202[45]-(0[1-9]|1[0-2])-([01][1-9]|2[0-8])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z$",
        }


@dataclass(frozen=True)
class Url:
    """An absolute address of at most 255 characters."""

    longest = 255

    def is_fit(self, value: Any) -> bool:
        return isinstance(value, str) and len(value) <= self.longest and bool(urlsplit(value).hostname)

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "format": "uri", "maxLength": self.longest}


@dataclass(frozen=True)
class Number:
    """A number, or a whole one."""

    is_whole: bool = False

    def is_fit(self, value: Any) -> bool:
        return isinstance(value, int if self.is_whole else int | float) and not isinstance(value, bool)

    def schema(self) -> dict[str, Any]:
        return {"type": "integer" if self.is_whole else "number", "minimum": 0, "maximum": 10**6}


@dataclass(frozen=True)
class Truth:
    """True or false."""

    def is_fit(self, value: Any) -> bool:
        return isinstance(value, bool)

    def schema(self) -> dict[str, Any]:
        return {"type": "boolean"}


@dataclass(frozen=True)
class OneOf:
    """One of some words."""

    words: frozenset[str]

    def is_fit(self, value: Any) -> bool:
        return value in self.words

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "enum": sorted(self.words)}


@dataclass(frozen=True)
class Anything:
    """An object that we neither send nor use."""

    def is_fit(self, value: Any) -> bool:
        return isinstance(value, dict | list | str)

    def schema(self) -> dict[str, Any]:
        return {"type": "object"}


@dataclass(frozen=True)
class Field:
    """A field: its type (a table's name for an object), and 1, ?, * or + of it."""

    kind: Any
    cardinality: str = "1"

    @property
    def is_required(self) -> bool:
        return self.cardinality in {"1", "+"}

    @property
    def is_list(self) -> bool:
        return self.cardinality in {"*", "+"}


Table = Mapping[str, Field]


def ci(longest: int, cardinality: str = "1") -> Field:
    return Field(Text(longest, is_ascii=True), cardinality)


def text(longest: int, cardinality: str = "1") -> Field:
    return Field(Text(longest), cardinality)


def one_of(words: str, cardinality: str = "1") -> Field:
    return Field(OneOf(frozenset(words.split())), cardinality)


INSTANT, MAYBE_INSTANT = Field(DateTime()), Field(DateTime(), "?")
URL = Field(Url())
WHOLE, NUMBER, TRUTH = Field(Number(is_whole=True)), Field(Number()), Field(Truth())
UNUSED, UNUSED_LIST = Field(Anything(), "?"), Field(Anything(), "*")
PARTY = {"country_code": ci(2), "party_id": ci(3)}

TABLES: dict[str, Table] = {
    "Version": {"version": one_of("2.0 2.1 2.1.1 2.2 2.2.1"), "url": URL},
    "VersionDetail": {"version": one_of("2.0 2.1 2.1.1 2.2 2.2.1"), "endpoints": Field("Endpoint", "+")},
    "Endpoint": {
        "identifier": one_of(
            "cdrs chargingprofiles commands credentials hubclientinfo locations sessions tariffs tokens"
        ),
        "role": one_of("SENDER RECEIVER"),
        "url": URL,
    },
    "Credentials": {"token": text(64), "url": URL, "roles": Field("CredentialsRole", "+")},
    "CredentialsRole": {
        "role": one_of("CPO EMSP HUB NAP NSP OTHER SCSP"),
        "business_details": Field("BusinessDetails"),
        **PARTY,
    },
    "BusinessDetails": {"name": text(100), "website": Field(Url(), "?"), "logo": UNUSED},
    "Session": {
        **PARTY,
        "id": ci(36),
        "start_date_time": INSTANT,
        "end_date_time": MAYBE_INSTANT,
        "kwh": NUMBER,
        "cdr_token": Field("CdrToken"),
        "auth_method": one_of("AUTH_REQUEST COMMAND WHITELIST"),
        "authorization_reference": ci(36, "?"),
        "location_id": ci(36),
        "evse_uid": ci(36),
        "connector_id": ci(36),
        "meter_id": text(255, "?"),
        "currency": text(3),
        "charging_periods": Field("ChargingPeriod", "*"),
        "total_cost": UNUSED,
        "status": one_of("ACTIVE COMPLETED INVALID PENDING RESERVATION"),
        "last_updated": INSTANT,
    },
    "CdrToken": {**PARTY, "uid": ci(36), "type": one_of("AD_HOC_USER APP_USER OTHER RFID"), "contract_id": ci(36)},
    "ChargingPeriod": {
        "start_date_time": INSTANT,
        "dimensions": Field("CdrDimension", "+"),
        "tariff_id": ci(36, "?"),
    },
    "CdrDimension": {
        "type": one_of(
            "CURRENT ENERGY ENERGY_EXPORT ENERGY_IMPORT MAX_CURRENT MIN_CURRENT MAX_POWER MIN_POWER PARKING_TIME POWER "
            "RESERVATION_TIME STATE_OF_CHARGE TIME"
        ),
        "volume": NUMBER,
    },
    "Location": {
        **PARTY,
        "id": ci(36),
        "publish": TRUTH,
        "publish_allowed_to": UNUSED_LIST,
        "name": text(255, "?"),
        "address": text(45),
        "city": text(45),
        "postal_code": text(10, "?"),
        "state": text(20, "?"),
        "country": text(3),
        "coordinates": Field("GeoLocation"),
        "related_locations": UNUSED_LIST,
        "parking_type": UNUSED,
        "evses": Field("EVSE", "*"),
        "directions": UNUSED_LIST,
        "operator": Field("BusinessDetails", "?"),
        "suboperator": Field("BusinessDetails", "?"),
        "owner": Field("BusinessDetails", "?"),
        "facilities": UNUSED_LIST,
        "time_zone": text(255),
        "opening_times": UNUSED,
        "charging_when_closed": Field(Truth(), "?"),
        "images": UNUSED_LIST,
        "energy_mix": UNUSED,
        "last_updated": INSTANT,
    },
    "GeoLocation": {"latitude": text(10), "longitude": text(11)},
    "EVSE": {
        "uid": ci(36),
        "evse_id": ci(48, "?"),
        "status": one_of("AVAILABLE BLOCKED CHARGING INOPERATIVE OUTOFORDER PLANNED REMOVED RESERVED UNKNOWN"),
        "status_schedule": UNUSED_LIST,
        "capabilities": one_of(
            "CHARGING_PREFERENCES_CAPABLE CHARGING_PROFILE_CAPABLE CHIP_CARD_SUPPORT CONTACTLESS_CARD_SUPPORT "
            "CREDIT_CARD_PAYABLE DEBIT_CARD_PAYABLE PED_TERMINAL REMOTE_START_STOP_CAPABLE RESERVABLE RFID_READER "
            "START_SESSION_CONNECTOR_REQUIRED TOKEN_GROUP_CAPABLE UNLOCK_CAPABLE",
            "*",
        ),
        "connectors": Field("Connector", "+"),
        "floor_level": text(4, "?"),
        "coordinates": Field("GeoLocation", "?"),
        "physical_reference": text(16, "?"),
        "directions": UNUSED_LIST,
        "parking_restrictions": UNUSED_LIST,
        "images": UNUSED_LIST,
        "last_updated": INSTANT,
    },
    "Connector": {
        "id": ci(36),
        "standard": one_of(
            "CHADEMO CHAOJI DOMESTIC_A DOMESTIC_B DOMESTIC_C DOMESTIC_D DOMESTIC_E DOMESTIC_F DOMESTIC_G "
            "DOMESTIC_H DOMESTIC_I DOMESTIC_J DOMESTIC_K DOMESTIC_L DOMESTIC_M DOMESTIC_N DOMESTIC_O GBT_AC "
            "GBT_DC IEC_60309_2_single_16 IEC_60309_2_three_16 IEC_60309_2_three_32 IEC_60309_2_three_64 "
            "IEC_62196_T1 IEC_62196_T1_COMBO IEC_62196_T2 IEC_62196_T2_COMBO IEC_62196_T3A IEC_62196_T3C "
            "NEMA_5_20 NEMA_6_30 NEMA_6_50 NEMA_10_30 NEMA_10_50 NEMA_14_30 NEMA_14_50 PANTOGRAPH_BOTTOM_UP "
            "PANTOGRAPH_TOP_DOWN TESLA_R TESLA_S"
        ),
        "format": one_of("SOCKET CABLE"),
        "power_type": one_of("AC_1_PHASE AC_2_PHASE AC_2_PHASE_SPLIT AC_3_PHASE DC"),
        "max_voltage": WHOLE,
        "max_amperage": WHOLE,
        "max_electric_power": Field(Number(is_whole=True), "?"),
        "tariff_ids": ci(36, "*"),
        "terms_and_conditions": Field(Url(), "?"),
        "last_updated": INSTANT,
    },
    "SetChargingProfile": {"charging_profile": Field("ChargingProfile"), "response_url": URL},
    "ChargingProfile": {
        "start_date_time": MAYBE_INSTANT,
        "duration": Field(Number(is_whole=True), "?"),
        "charging_rate_unit": one_of("W A"),
        "min_charging_rate": Field(Number(), "?"),
        "charging_profile_period": Field("ChargingProfilePeriod", "*"),
    },
    "ChargingProfilePeriod": {"start_period": WHOLE, "limit": NUMBER},
    "ChargingProfileResponse": {
        "result": one_of("ACCEPTED NOT_SUPPORTED REJECTED TOO_OFTEN UNKNOWN_SESSION"),
        "timeout": WHOLE,
    },
    "ChargingProfileResult": {"result": one_of("ACCEPTED REJECTED UNKNOWN")},
    "ActiveChargingProfileResult": {
        "result": one_of("ACCEPTED REJECTED UNKNOWN"),
        "profile": Field("ActiveChargingProfile", "?"),
    },
    "ActiveChargingProfile": {"start_date_time": INSTANT, "charging_profile": Field("ChargingProfile")},
}

EXTENSIONS: dict[str, Table] = {
    "Session": {"charging_preferences": UNUSED},
    "Connector": {"max_discharge_power": WHOLE},
    "ChargingProfilePeriod": {"setpoint": NUMBER, "discharge_limit": NUMBER},
    "EVSE": {},
}
"""Fields of our own, agreed with a partner (docs/ocpi.md)."""


def problems(document: Any, table: str, *, with_extensions: bool = False, where: str = "") -> Iterator[str]:
    """Yield what is wrong with a document, field by field."""
    if not isinstance(document, dict):
        yield f"{where or table} is no object"
        return
    known = {**TABLES[table], **(EXTENSIONS.get(table, {}) if with_extensions else {})}
    for name in document.keys() - known.keys():
        yield f"{where}{name} is no field of {table}"
    for name, field in TABLES[table].items():
        value = document.get(name)
        if value is None:
            if field.is_required:
                yield f"{where}{name} is missing"
            continue
        if field.is_list and (not isinstance(value, list) or (field.cardinality == "+" and not value)):
            yield f"{where}{name} is no list, or empty"
            continue
        for number, one in enumerate(value if field.is_list else [value]):
            path = f"{where}{name}[{number}]" if field.is_list else f"{where}{name}"
            if isinstance(field.kind, str):
                yield from problems(one, field.kind, with_extensions=with_extensions, where=f"{path}.")
            elif not field.kind.is_fit(one):
                yield f"{path} does not fit: {one!r}"


def json_schema(table: str) -> dict[str, Any]:
    """Return a table as JSON schema; lists have at most three members."""
    properties = {}
    for name, field in TABLES[table].items():
        one = json_schema(field.kind) if isinstance(field.kind, str) else field.kind.schema()
        properties[name] = (
            {"type": "array", "items": one, "maxItems": 3, "minItems": int(field.cardinality == "+")}
            if field.is_list
            else one
        )
    required = [name for name, field in TABLES[table].items() if field.is_required]
    return {"type": "object", "properties": properties, "required": required}
