"""The words of a command line, turned into values; what cannot be read is told with an example of what can."""

from argparse import ArgumentTypeError
from datetime import date, time
from decimal import Decimal, InvalidOperation
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


def parse_day(text: str) -> date:
    """Read `2026-07-01`."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"a day reads like 2026-07-01, not {text!r}") from None


def parse_local_time(text: str) -> time:
    """Read `17:00`."""
    try:
        local = time.fromisoformat(text)
    except ValueError:
        local = None
    if local is None or local.tzinfo is not None:
        raise ArgumentTypeError(f"a local time reads like 17:00, not {text!r}")
    return local


def parse_decimal(text: str) -> Decimal:
    """Read `95.00`."""
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite():
        raise ArgumentTypeError(f"a number reads like 95.00, not {text!r}")
    return number


def parse_timezone(text: str) -> str:
    """Read the name of a time zone that there is."""
    try:
        ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # unknown, no name at all, or a folder of zones
        raise ArgumentTypeError(f"there is no time zone {text!r}; write one like Europe/Amsterdam") from None
    return text
