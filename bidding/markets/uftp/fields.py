"""How one attribute looks on the wire: a `Kind` reads it, writes it and says what is allowed, for both directions.

The messages name a kind per attribute (`Annotated[int, Attribute("Power", WATT)]`); nothing else knows the format.
Kinds follow the simple types of UFTP-common.xsd. Where the schema is wider than any sane message the kind is
narrower on purpose: integers fit 64 bits, instants carry an offset, durations have a fixed length, domains the length
of real ones.
"""

import re
from binascii import Error as Base64Error
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Context, Decimal
from enum import StrEnum
from functools import lru_cache
from typing import Any

from pybase64 import b64decode, b64encode

from bidding.markets.uftp.vocabulary import (
    Disposition,
    MeteringUnit,
    Profile,
    Result,
    Role,
    SettlementDisposition,
)

BIGINT = 2**63
PTU_NUMBERS = 100  # of the longest day, when summer time ends
_FIRST_DAY, _LAST_DAY = date(1970, 1, 1), date(9998, 12, 31)  # days whose every hour exists in UTC
_EXACT = Context(prec=60)  # enough for 20 digits on both sides of the point, whatever the thread's own context


class NotAllowed(ValueError):
    """A text on the wire or a value of ours that its kind does not allow."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One way to write a value; `looks_like` completes "give …".

    Reading and writing raise `NotAllowed`, or `TypeError` for something of another type, such as None. What is written
    is ready to stand between double quotes: kinds whose texts can hold markup escape it.
    """

    looks_like: str
    read: Callable[[str], Any]
    write: Callable[[Any], str]
    read_all: Callable[[Sequence[str]], list[Any]]
    write_all: Callable[[Sequence[Any]], list[str]]


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute's name and kind, and how that differs between versions of the specification."""

    name: str
    kind: Kind
    since: tuple[int, int] = (3, 0)
    required_before: tuple[int, int] = (3, 0)


@dataclass(frozen=True, slots=True)
class Children:
    """Child elements of one name, all of one class, at least `minimum` of them."""

    name: str
    row: type
    minimum: int = 1


def _kind(
    looks_like: str, read: Callable[[str], Any], write: Callable[[Any], str], common: Mapping[str, Any] | None = None
) -> Kind:
    """Return a kind that reads a list one by one, or at once when it holds only `common` texts."""
    known = (common or {}).get

    def read_all(texts: Sequence[str]) -> list[Any]:
        if common:
            values = list(map(known, texts))
            if None not in values:
                return values
        return list(map(read, texts))

    return Kind(looks_like, read, write, read_all, lambda values: list(map(write, values)))


# Parties, places, days and prices come back in message after message: remember what they mean. Keyed by type as well,
# because True, 1 and Decimal(1) are equal but only one of them is a price.
_remember = lru_cache(maxsize=4096, typed=True)
_needs_escape = re.compile(r"[&<>\"\t\n\r]").search
# Written raw, a line break or tab in an attribute would be read back as a space.
_ESCAPES = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\t": "&#9;", "\n": "&#10;", "\r": "&#13;"}
)


def _text(pattern: str, looks_like: str, *, recurring: bool = False) -> Kind:
    matches = re.compile(pattern).fullmatch

    def read(text: str) -> str:
        if matches(text) is None:
            raise NotAllowed
        return text

    def write(value: str) -> str:
        if matches(value) is None:
            raise NotAllowed
        return value.translate(_ESCAPES) if _needs_escape(value) else value

    return _kind(looks_like, _remember(read), _remember(write)) if recurring else _kind(looks_like, read, write)


def _choice(choices: type[StrEnum]) -> Kind:
    by_text: dict[str, StrEnum] = {choice.value: choice for choice in choices}

    def read(text: str) -> StrEnum:
        try:
            return by_text[text]
        except KeyError:
            raise NotAllowed from None

    return _kind("one of " + ", ".join(by_text), read, lambda value: read(value).value, by_text)


_plain_integers = re.compile(r"(?:-?[0-9]{1,18},)*-?[0-9]{1,18}").fullmatch


def _integer(looks_like: str, lowest: int, common: Mapping[str, int] | None = None) -> Kind:
    matches = re.compile(r"\s{0,9}[+-]?[0-9]{1,25}\s{0,9}").fullmatch

    def read(text: str) -> int:
        if matches(text) is None or not lowest <= (value := int(text)) < BIGINT:
            raise NotAllowed
        return value

    def write(value: int) -> str:
        return write_all([value])[0]

    one_by_one = _kind(looks_like, read, write, common).read_all

    def read_all(texts: Sequence[str]) -> list[int]:
        # Powers differ from ISP to ISP. Checking a day's worth as one text takes a third of the time.
        together = ",".join(texts)
        if not common and together.count(",") == len(texts) - 1 and _plain_integers(together):
            return list(map(int, texts))
        return one_by_one(texts)

    def write_all(values: Sequence[int]) -> list[str]:
        if set(map(type, values)) != {int} or min(values) < lowest or max(values) >= BIGINT:
            raise NotAllowed
        return list(map(str, values))

    return Kind(looks_like, read, write, read_all, write_all)


def _decimal(looks_like: str, *, lowest: Decimal, highest: Decimal, digits: int, shown_digits: int = 0) -> Kind:
    matches = re.compile(r"\s{0,9}[+-]?([0-9]{1,20}(\.[0-9]{0,20})?|\.[0-9]{1,20})\s{0,9}").fullmatch
    step, shown = Decimal(1).scaleb(-digits), Decimal(1).scaleb(-shown_digits)

    def check(value: Decimal) -> Decimal:
        if not isinstance(value, Decimal) or not value.is_finite() or not lowest <= value <= highest:
            raise NotAllowed
        if _EXACT.quantize(value, step) != value:
            raise NotAllowed
        return value

    def read(text: str) -> Decimal:
        if matches(text) is None:
            raise NotAllowed
        return check(Decimal(text.strip()))

    def write(value: Decimal) -> str:
        rounded = _EXACT.quantize(check(value), shown)
        return f"{rounded if rounded == value else _EXACT.normalize(value):f}"

    return _kind(looks_like, _remember(read), _remember(write))


def _boolean() -> Kind:
    by_text = {"true": True, "1": True, "false": False, "0": False}

    def read(text: str) -> bool:
        try:
            return by_text[str.strip(text)]
        except KeyError:
            raise NotAllowed from None

    def write(value: object) -> str:
        if not isinstance(value, bool):
            raise NotAllowed
        return "true" if value else "false"

    return _kind("true or false", read, write, by_text)


_instant = re.compile(r"\s{0,9}[0-9]{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)\s{0,9}", re.ASCII).fullmatch


def _read_instant(text: str) -> datetime:
    try:
        if _instant(text) is None:
            raise NotAllowed
        value = datetime.fromisoformat(text.strip())
        return value if value.tzinfo is UTC else value.astimezone(UTC)
    except (ValueError, OverflowError):
        raise NotAllowed from None


def _write_instant(value: datetime) -> str:
    try:
        if value.utcoffset() is None:
            raise NotAllowed
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    except (AttributeError, ValueError, OverflowError):
        raise NotAllowed from None


# The schema lets a date carry an offset; the day is counted in the message's own TimeZone, so the offset says nothing.
_day = re.compile(r"\s{0,9}([0-9]{4}-\d\d-\d\d)(Z|[+-]\d\d:\d\d)?\s{0,9}", re.ASCII).fullmatch


@_remember
def _read_day(text: str) -> date:
    match = _day(text)
    try:
        value = date.fromisoformat(match[1] if match else "")
    except ValueError:
        raise NotAllowed from None
    return _check_day(value)


def _check_day(value: date) -> date:
    if type(value) is not date or not _FIRST_DAY <= value <= _LAST_DAY:
        raise NotAllowed
    return value


@_remember
def _write_day(value: date) -> str:
    return _check_day(value).isoformat()


_duration = re.compile(
    r"\s{0,9}P(?:(\d{1,5})D)?(?:T(?=\d)(?:(\d{1,6})H)?(?:(\d{1,6})M)?(?:(\d{1,6})S)?)?\s{0,9}", re.ASCII
)


@_remember
def _read_duration(text: str) -> timedelta:
    match = _duration.fullmatch(text)
    if match is None or not any(match.groups()):
        raise NotAllowed
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


@_remember
def _write_duration(value: timedelta) -> str:
    if not isinstance(value, timedelta) or value <= timedelta() or value % timedelta(minutes=1):
        raise NotAllowed
    return f"PT{value // timedelta(minutes=1)}M"


def _read_base64(text: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except Base64Error:
        pass
    except ValueError:
        raise NotAllowed from None
    try:  # the schema allows white space between the digits, as mail programs and pretty printers add
        return b64decode("".join(text.split()), validate=True)
    except Base64Error:
        raise NotAllowed from None


def _write_base64(value: bytes) -> str:
    if not isinstance(value, bytes):
        raise NotAllowed
    return b64encode(value).decode("ascii")


_PTU_COUNTS = {str(number): number for number in range(1, PTU_NUMBERS + 1)}
_USUAL_DURATIONS = {"PT15M": timedelta(minutes=15)}
_UNBOUNDED = Decimal(10) ** 20


_any_text = _text(r"[\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]*", "text without control characters")
# Whatever the XML parser let through is text; only what we send needs the check.
TEXT = _kind(_any_text.looks_like, str.__str__, _any_text.write)
VERSION = _text(r"[0-9]{1,9}\.[0-9]{1,9}\.[0-9]{1,9}", "a version such as 3.0.0", recurring=True)
UUID = _text(
    r"[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}",
    "a UUID such as 5f0a4a5e-2d3a-4bb0-9a2b-1f2e3d4c5b6a",
)
DOMAIN = _text(
    r"(?=.{1,253}\Z)([a-z0-9]+(-[a-z0-9]+)*\.)+[a-z]{2,}",
    "a lower-case internet domain such as agr.example.com",
    recurring=True,
)
ENTITY_ADDRESS = _text(
    r"ea1\.[0-9]{4}-[0-9]{2}\.[^\n\r]{1,244}:[^\n\r]{1,244}|ean\.[0-9]{12,34}",
    "an entity address such as ean.871685900012636543 or ea1.2013-11.com.example:id",
    recurring=True,
)
TIME_ZONE = _text(
    r"(Africa|America|Australia|Europe|Pacific)/[a-zA-Z0-9_/]{3,60}",
    "a time zone such as Europe/Amsterdam",
    recurring=True,
)
CURRENCY = _text(r"[A-Z]{3}", "an ISO 4217 code such as EUR", recurring=True)
# The official schema wants 16 digits, where no connection has that many; both open libraries use the 18 of a real EAN.
METER_EAN = _text(r"[Ee]([0-9]{16}|[0-9]{18})", "E followed by the 18 digits of the EAN (16 in the official schema)")
ROLE = _choice(Role)
RESULT = _choice(Result)
DISPOSITION = _choice(Disposition)
SETTLEMENT_DISPOSITION = _choice(SettlementDisposition)
PROFILE = _choice(Profile)
METERING_UNIT = _choice(MeteringUnit)
WATT = _integer("a whole number of Watt such as -100000", -BIGINT)
INTEGER = _integer("a whole number", -BIGINT, _PTU_COUNTS)
COUNT = _integer("a whole number of at least 1", 1, _PTU_COUNTS)
# Two decimals where they suffice: the reference library refuses a price with more or fewer decimals than its currency.
PRICE = _decimal(
    "an amount with at most 4 decimals such as 12.50",
    lowest=-_UNBOUNDED, highest=_UNBOUNDED, digits=4, shown_digits=2,
)  # fmt: skip
ACTIVATION_FACTOR = _decimal(
    "a factor from 0.01 to 1.00 with at most 2 decimals",
    lowest=Decimal("0.01"), highest=Decimal("1.00"), digits=2, shown_digits=2,
)  # fmt: skip
QUANTITY = _decimal("a decimal number such as 12.375", lowest=-_UNBOUNDED, highest=_UNBOUNDED, digits=20)
BOOLEAN = _boolean()
INSTANT = _kind("an instant with an offset such as 2026-06-30T15:00:00+02:00", _read_instant, _write_instant)
DAY = _kind("a day such as 2026-07-01", _read_day, _write_day)
DURATION = _kind("a duration of whole minutes such as PT15M", _read_duration, _write_duration, _USUAL_DURATIONS)
BASE64 = _kind("base64", _read_base64, _write_base64)
