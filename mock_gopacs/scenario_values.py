"""What all parts of a scenario document share: instants on the local clock, EANs and postcodes."""

import re
from datetime import UTC, date, datetime, time
from typing import Any

from aggregator.core.ean import Ean18
from aggregator.core.ptu import MARKET_ZONE


class InvalidScenario(ValueError):
    """The document cannot be played; the text names the place, the fault and the remedy."""


def local_instant(day: date, clock_time: str) -> datetime:
    """Return a local clock time as a UTC instant; the first of the two when the clock goes back.

    >>> local_instant(date(2026, 1, 14), "17:00").isoformat()
    '2026-01-14T16:00:00+00:00'
    """
    local = datetime.combine(day, time.fromisoformat(clock_time), MARKET_ZONE)
    instant = local.astimezone(UTC)
    if instant.astimezone(MARKET_ZONE).replace(tzinfo=None) != local.replace(tzinfo=None):
        raise InvalidScenario(
            f"{clock_time} does not exist on {day}: the clock goes forward over it. Take another time."
        )
    return instant


def ean18(value: Any) -> str:
    """Return the text of an EAN; its check digit is the participants' business."""
    text = str(value)
    if len(text) != Ean18.length or not (text.isascii() and text.isdigit()):
        raise InvalidScenario(f"{text!r} is no EAN: give exactly 18 digits, in quotes.")
    return text


def postcode4(value: Any) -> str:
    """Return the four digits of a Dutch postcode."""
    digits = re.fullmatch(r"([1-9]\d{3})(?: ?[A-Za-z]{2})?", str(value))
    if not digits:
        raise InvalidScenario(f"{value!r} is no Dutch postcode: give four digits, for example 3511.")
    return digits[1]


def one_of(choices: Any, value: Any, what: str) -> Any:
    """Return a value that is one of those to choose from."""
    if value not in choices:
        raise InvalidScenario(f"{value!r} is no {what}: choose from {[str(choice) for choice in choices]}.")
    return value
