"""Reading outdoor temperatures: CSV with `utc` (start of the hour, ISO 8601) and `celsius`."""

import csv
import math
from collections.abc import Iterable
from datetime import datetime

HOUR_S = 3600
COLUMNS = ("utc", "celsius")
COLDEST_C, WARMEST_C = -60.0, 60.0
SHOWN_ERRORS = 20


class TemperaturesInvalid(ValueError):
    """The file cannot be taken; the text names each row that is wrong and how to mend it."""


def read_temperatures(lines: Iterable[str]) -> dict[int, float]:
    """Return the temperature [°C] of each hour, by its start in UTC epoch seconds.

    Raises:
        TemperaturesInvalid: a column is missing, a time has no offset or is no full hour, a temperature is none, an
            hour stands twice, or there are no rows.
    """
    reader = csv.DictReader(lines)
    missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
    if missing:
        raise TemperaturesInvalid(f"The first line lacks {', '.join(missing)}: it must name the columns utc,celsius.")
    found: dict[int, float] = {}
    errors = []
    for row in reader:
        try:
            starts_s, celsius = _read_row(row)
        except TemperaturesInvalid as error:
            errors.append(f"line {reader.line_num}: {error}")
            continue
        if starts_s in found:
            errors.append(f"line {reader.line_num}: {row['utc']} stands in an earlier line too; keep one of them.")
        found[starts_s] = celsius
    if errors:
        more = f" … and {len(errors) - SHOWN_ERRORS} more" if len(errors) > SHOWN_ERRORS else ""
        raise TemperaturesInvalid("; ".join(errors[:SHOWN_ERRORS]) + more)
    if not found:
        raise TemperaturesInvalid("The file has no temperatures below its first line.")
    return found


def _read_row(row: dict[str, str]) -> tuple[int, float]:
    try:
        start = datetime.fromisoformat(row["utc"] or "")
        celsius = float(row["celsius"] or "")
    except (TypeError, ValueError):
        raise TemperaturesInvalid(
            f"{row.get('utc')!r}, {row.get('celsius')!r} is not a time and a temperature; "
            "write 2026-01-14T16:00:00Z,3.5."
        ) from None
    if start.tzinfo is None:
        raise TemperaturesInvalid(f"{row['utc']} has no offset, so it could mean two instants; add Z or +01:00.")
    if start.timestamp() % HOUR_S:
        raise TemperaturesInvalid(f"{row['utc']} is not the start of an hour.")
    if not math.isfinite(celsius) or not COLDEST_C <= celsius <= WARMEST_C:
        raise TemperaturesInvalid(f"{celsius:g} is not a temperature between {COLDEST_C:g} and {WARMEST_C:g} °C.")
    return int(start.timestamp()), celsius
