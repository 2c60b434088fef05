"""Reading what was told for each period: CSV with `utc` (start of the period, ISO 8601) and one value."""

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

SHOWN_ERRORS = 20


class ValuesInvalid(ValueError):
    """The file cannot be taken; the text names each row that is wrong and how to mend it."""


@dataclass(frozen=True, slots=True)
class ValueColumn:
    """What a file tells.

    Attributes:
        header: its name in the first line.
        noun: what one value is called.
        example: one value.
        grid: every period starts on a multiple of this.
        off_grid: said of a start that does not.
        least, greatest: beyond these a value is a slip.
        decimals: the most it may have; None where more are rounded later.
        unit: written after a number.
    """

    header: str
    noun: str
    example: str
    grid: timedelta
    off_grid: str
    least: Decimal
    greatest: Decimal
    decimals: int | None = None
    unit: str = ""

    def is_value(self, value: Decimal) -> bool:
        """Tell whether a number can be one of these."""
        if not value.is_finite() or not self.least <= value <= self.greatest:
            return False
        return self.decimals is None or value == round(value, self.decimals)

    @property
    def bounds(self) -> str:
        """What a value must be, in words."""
        exactly = "" if self.decimals is None else f" with at most {self.decimals} decimals"
        return f"a {self.noun} between {self.least} and {self.greatest}{self.unit}{exactly}"


def read_values(lines: Iterable[str], column: ValueColumn) -> dict[datetime, Decimal]:
    """Return the value of each row by the start of its period, UTC.

    Raises:
        ValuesInvalid: a column is missing, a time has no offset or is off the grid, a value is none, a row has more
            values than columns, a period stands twice, or there are no rows.
    """
    reader = csv.DictReader(lines)
    missing = [name for name in ("utc", column.header) if name not in (reader.fieldnames or ())]
    if missing:
        raise ValuesInvalid(f"The first line lacks {', '.join(missing)}: it must name the columns utc,{column.header}.")
    rows: dict[datetime, Decimal] = {}
    errors = []
    for row in reader:
        try:
            starts_at, value = _read_row(row, column)
        except ValuesInvalid as error:
            errors.append(f"line {reader.line_num}: {error}")
            continue
        if starts_at in rows:
            errors.append(f"line {reader.line_num}: {row['utc']} stands in an earlier line too; keep one of them.")
        rows[starts_at] = value
    if errors:
        more = f" … and {len(errors) - SHOWN_ERRORS} more" if len(errors) > SHOWN_ERRORS else ""
        raise ValuesInvalid("; ".join(errors[:SHOWN_ERRORS]) + more)
    if not rows:
        raise ValuesInvalid(f"The file has no {column.noun}s below its first line.")
    return rows


def _read_row(row: Mapping[str | None, Any], column: ValueColumn) -> tuple[datetime, Decimal]:
    if None in row:  # what is left over; a decimal comma would be cut off in silence
        raise ValuesInvalid(f"{row['utc']} has more values than columns; write {column.example} with a point.")
    try:
        starts_at = datetime.fromisoformat(row["utc"] or "")
        value = Decimal(row[column.header] or "")
    except (ValueError, TypeError, InvalidOperation):
        raise ValuesInvalid(
            f"{row.get('utc')!r}, {row.get(column.header)!r} is not a time and a {column.noun}; "
            f"write 2026-01-14T16:00:00Z,{column.example}."
        ) from None
    if starts_at.tzinfo is None:
        raise ValuesInvalid(f"{row['utc']} has no offset, so it could mean two instants; add Z or +01:00.")
    if starts_at.timestamp() % column.grid.total_seconds():
        raise ValuesInvalid(f"{row['utc']} is {column.off_grid}.")
    if not column.is_value(value):
        raise ValuesInvalid(f"{value} is not {column.bounds}.")
    return starts_at.astimezone(UTC), value
