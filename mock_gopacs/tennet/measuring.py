"""Reads a BSP's measurement and judges whether it may be believed.

Pure. Injection is positive, so what was delivered is measured minus reference.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from mock_gopacs.order_form import Problem
from mock_gopacs.tennet.cycles import CYCLE
from mock_gopacs.tennet.terms import Terms

LARGEST_MW = Decimal(9_999)
_DECIMAL = re.compile(r"-?[0-9]{1,9}(\.[0-9]{1,6})?", re.ASCII)
_INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?Z", re.ASCII)


class MeasurementRefused(ValueError):
    """The measurement is not taken; `problems` has every reason."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(problem.message for problem in problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Measured:
    """One measurement of a BSP's pool, in MW."""

    at: datetime
    reference_mw: Decimal
    measured_mw: Decimal
    available_up_mw: Decimal
    available_down_mw: Decimal
    is_in_control: bool


def read_measurement(body: Mapping[str, Any], *, now: datetime, last_at: datetime | None, terms: Terms) -> Measured:
    """Return the measurement of a body; `last_at` is that of the one before. Raises `MeasurementRefused`."""
    problems = [
        Problem("FIELD_REQUIRED", f"{name} is missing: a measurement gives {', '.join(_FIELDS)}.", name)
        for name in _FIELDS
        if name not in body
    ]
    problems += [
        Problem("FIELD_UNKNOWN", f"A measurement has no {name[:60]!r}: it gives {', '.join(_FIELDS)}.", name[:60])
        for name in body
        if name not in _FIELDS
    ]
    values: dict[str, Any] = {}
    for name, read in _FIELDS.items():
        if name in body:
            try:
                values[name] = read(body[name])
            except ValueError as error:
                problems.append(Problem("FIELD_INVALID", f"{name} {error}", name))
    if "at" in values:
        problems += _problems_of_time(values["at"], now=now, last_at=last_at, terms=terms)
    if problems:
        raise MeasurementRefused(problems)
    return Measured(**values)


def _problems_of_time(at: datetime, *, now: datetime, last_at: datetime | None, terms: Terms) -> list[Problem]:
    if at > now + CYCLE:
        text = f"at is {at - now} ahead of this market's time {now.isoformat()}: compare the clocks."
        return [Problem("MEASUREMENT_FUTURE", text, "at")]
    if now - at > terms.stale_after:
        text = f"at is {now - at} ago, more than {terms.stale_after}: send each measurement at once."
        return [Problem("MEASUREMENT_STALE", text, "at")]
    if last_at is not None and at <= last_at:
        text = f"at is not after the measurement before it, of {last_at.isoformat()}: send them in order, each once."
        return [Problem("MEASUREMENT_ORDER", text, "at")]
    return []


def _instant(value: Any) -> datetime:
    if isinstance(value, str) and _INSTANT.fullmatch(value):
        try:
            return datetime.fromisoformat(value).astimezone(UTC)
        except (ValueError, OverflowError):
            pass  # the digits are no date
    raise ValueError("must be an instant in UTC such as 2026-01-14T17:00:04Z.")


def _signed_mw(value: Any) -> Decimal:
    if isinstance(value, str) and _DECIMAL.fullmatch(value) and abs(Decimal(value)) <= LARGEST_MW:
        return Decimal(value)
    raise ValueError(f'must be MW as text such as "-1.250", of at most {LARGEST_MW} and with at most 6 decimals.')


def _mw(value: Any) -> Decimal:
    mw = _signed_mw(value)
    if mw < 0:
        raise ValueError("must not be negative: its direction is in its name.")
    return mw


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("must be true or false.")  # noqa: TRY004 - reported as the others
    return value


_FIELDS: dict[str, Callable[[Any], Any]] = {
    "at": _instant,
    "reference_mw": _signed_mw,
    "measured_mw": _signed_mw,
    "available_up_mw": _mw,
    "available_down_mw": _mw,
    "is_in_control": _boolean,
}
