"""Rules for single values that partners, files and people hand in: each returns the value we keep, or refuses.

A rule says what is wrong, why, and how to fix it, in the same words whichever door the value came through.
"""

import re
from collections.abc import Callable, Collection
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from aggregator.core.ean import Ean18, InvalidEan
from aggregator.core.interval import InvalidInterval, utc

LARGEST_INTEGER = 10**15
"""Far above any power or energy in W or Wh, and far below what 64 bits hold, so that sums never overflow."""

LONGEST_NAME = 64
_NOT_STORABLE = re.compile("[\x00\ud800-\udfff]")

type_name = {bool: "true or false", int: "a number", float: "a number", str: "text", list: "a list", dict: "an object"}

Rule = Callable[[Any], Any]


class Unacceptable(ValueError):
    """A value breaks a rule; `code` names the rule and stays the same when the words change."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def instant(value: Any) -> datetime:
    """Return an aware instant in UTC, from an aware datetime or RFC 3339 text."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError as error:
            raise Unacceptable(
                "not-an-instant",
                f"{value[:40]!r} is not a date and time. Write 2026-01-14T17:00:00+01:00 or 2026-01-14T16:00:00Z.",
            ) from error
    if not isinstance(value, datetime):
        raise Unacceptable(
            "not-an-instant",
            f"{_short(value)} is {_kind(value)}, not a date and time. Write text like 2026-01-14T16:00:00Z.",
        )
    try:
        return utc(value)
    except InvalidInterval as error:
        raise Unacceptable("naive-instant", str(error)) from error
    except OverflowError as error:
        raise Unacceptable(
            "not-an-instant", f"{value.isoformat()} cannot be expressed in UTC. Check the year."
        ) from error


def non_negative_integer(value: Any) -> int:
    """Return a whole number from 0."""
    if type(value) is int and 0 <= value <= LARGEST_INTEGER:
        return value
    number = integer(value)
    raise Unacceptable(
        "negative",
        f"{number} is negative. Energy and limits count from 0 in each direction; import and export are apart.",
    )


def integer(value: Any) -> int:
    """Return a whole number; its sign is the direction."""
    if type(value) is int and -LARGEST_INTEGER <= value <= LARGEST_INTEGER:
        return value
    if type(value) is int:
        raise Unacceptable(
            "out-of-range", f"The number is larger than {LARGEST_INTEGER}. Check the unit: watt or watt-hour."
        )
    if isinstance(value, float):
        raise Unacceptable("not-an-integer", f"{value} is not a whole number. Round it to whole watt or watt-hour.")
    raise Unacceptable(
        "not-an-integer", f"{_short(value)} is {_kind(value)}, not a whole number. Write digits without quotes."
    )


def boolean(value: Any) -> bool:
    """Return true or false."""
    if isinstance(value, bool):
        return value
    raise Unacceptable(
        "not-a-boolean", f"{_short(value)} is neither true nor false. Write true or false without quotes."
    )


def text(value: Any) -> str:
    """Return text of any length up to 2,000 characters that the database can hold."""
    return _text(value, 2_000)


def word(value: Any) -> str:
    """Return text of up to 64 characters; empty means not told."""
    return _text(value, LONGEST_NAME)


def name(value: Any) -> str:
    """Return a partner's own name for something: 1 to 64 characters."""
    kept = _text(value, LONGEST_NAME)
    if not kept.strip():
        raise Unacceptable("blank", "The name is empty. Give your own, stable identifier of 1 to 64 characters.")
    return kept


def ean18(value: Any) -> str:
    """Return an 18-digit EAN with a correct check digit; empty text means not known."""
    if value == "":
        return ""
    try:
        return str(Ean18(value))
    except InvalidEan as error:
        raise Unacceptable("wrong-ean", str(error)) from error


def share(value: Any) -> Decimal:
    """Return a decimal above 0 and up to 1, with at most three decimals, from text."""
    if not isinstance(value, str | Decimal):
        raise Unacceptable("not-a-decimal", f'{_short(value)} is {_kind(value)}. Write the share as text, like "0.92".')
    try:
        number = Decimal(value)
    except InvalidOperation as error:
        raise Unacceptable(
            "not-a-decimal", f'{_short(value)} is not a decimal number. Write the share like "0.92".'
        ) from error
    if not number.is_finite() or not 0 < number <= 1:
        raise Unacceptable("out-of-range", f'{_short(value)} is not above 0 and at most 1. 92 % is "0.92".')
    if number != number.quantize(Decimal("0.001")):
        raise Unacceptable("out-of-range", f"{_short(value)} has more than three decimals. Round it.")
    return number


def percentage(value: Any) -> Decimal:
    """Return a number from 0 to 100 with at most one decimal."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise Unacceptable("not-a-number", f"{_short(value)} is {_kind(value)}, not a number. Write 63.5 for 63.5 %.")
    number = Decimal(str(value))
    if not number.is_finite() or not 0 <= number <= 100:  # noqa: PLR2004 - a percentage
        raise Unacceptable("out-of-range", f"{_short(value)} is not from 0 to 100. Give percent: 63.5 is 63.5 %.")
    if number != number.quantize(Decimal("0.1")):
        raise Unacceptable("out-of-range", f"{_short(value)} has more than one decimal. Round it.")
    return number.quantize(Decimal("0.1"))


def one_of(choices: Collection[str]) -> Rule:
    """Return a rule that accepts one of `choices`."""
    wanted = frozenset(choices)
    listed = ", ".join(sorted(wanted))

    def rule(value: Any) -> str:
        if isinstance(value, str) and value in wanted:
            return value
        raise Unacceptable("not-a-choice", f"{_short(value)} is not one of: {listed}.")

    return rule


def _text(value: Any, longest: int) -> str:
    if not isinstance(value, str):
        raise Unacceptable("not-text", f"{_short(value)} is {_kind(value)}, not text. Put it in quotes.")
    if len(value) > longest:
        raise Unacceptable("too-long", f"The text has {len(value)} characters; at most {longest} are kept. Shorten it.")
    if _NOT_STORABLE.search(value):
        raise Unacceptable(
            "not-text", "The text holds a character that cannot be stored (NUL or half a surrogate). Remove it."
        )
    return value


def _kind(value: Any) -> str:
    return type_name.get(type(value), type(value).__name__)


def _short(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= LONGEST_NAME else f"{shown[: LONGEST_NAME - 1]}…"
