"""Strict reading of the JSON that TenneT answers: numbers are decimal strings, instants are UTC and end in Z.

Fields that we do not know are left alone.
"""

import json
import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

_is_decimal = re.compile(r"-?\d{1,12}(\.\d{1,30})?", re.ASCII).fullmatch
_is_instant = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z", re.ASCII).fullmatch
_NOT_FINITE = frozenset({"NaN", "Infinity", "-Infinity"})
_SHOWN_CHARACTERS = 60
_MOST_WHOLE = 2**63 - 1


class UnreadableMessage(ValueError):
    """TenneT's answer does not say what it must say; the text names what is missing or wrong."""


def parse_object(body: bytes, what: str) -> Mapping[str, Any]:
    """Return the JSON object in `body`; raise `UnreadableMessage`."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise UnreadableMessage(f"{what} is not JSON: {error}") from error
    return require_object(document, what)


def require_object(document: object, what: str) -> Mapping[str, Any]:
    """Return `document` where it is an object; raise `UnreadableMessage`."""
    if not isinstance(document, dict):
        raise UnreadableMessage(f"{what} is no JSON object but {shown(document)}.")
    return document


def decimal_of(document: Mapping[str, Any], name: str, *, is_signed: bool = True) -> Decimal:
    """Return a decimal; raise `UnreadableMessage`, also for a sign where none belongs."""
    text = document.get(name)
    if not isinstance(text, str) or not _is_decimal(text) or (text.startswith("-") and not is_signed):
        raise _unreadable(name, text, "a decimal string such as " + ("-1.250" if is_signed else "1.250"))
    return Decimal(text)


def number_of(document: Mapping[str, Any], name: str) -> Decimal:
    """Return a decimal, or what says that it is no number; raise `UnreadableMessage`."""
    text = document.get(name)
    return Decimal(text) if isinstance(text, str) and text in _NOT_FINITE else decimal_of(document, name)


def whole_of(document: Mapping[str, Any], name: str) -> int:
    """Return a whole number of at least 0; raise `UnreadableMessage`."""
    value = document.get(name)
    if type(value) is not int or not 0 <= value <= _MOST_WHOLE:
        raise _unreadable(name, value, "a whole number")
    return value


def flag_of(document: Mapping[str, Any], name: str) -> bool:
    """Return true or false; raise `UnreadableMessage`."""
    value = document.get(name)
    if not isinstance(value, bool):
        raise _unreadable(name, value, "true or false")
    return value


def instant_of(document: Mapping[str, Any], name: str) -> datetime:
    """Return an instant in UTC; raise `UnreadableMessage`."""
    text = document.get(name)
    try:
        if isinstance(text, str) and _is_instant(text):
            return datetime.fromisoformat(text)
    except ValueError:  # a day that no calendar has
        pass
    raise _unreadable(name, text, "an instant such as 2026-01-14T17:00:04Z")


def shown(value: object) -> str:
    """Return `value` short enough for an error message, with whatever no terminal should get spelled out."""
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    text = ascii(value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"


def _unreadable(name: str, value: object, looks_like: str) -> UnreadableMessage:
    return UnreadableMessage(f"{name} is {shown(value)}, where {looks_like} belongs.")
