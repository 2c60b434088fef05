"""Reading session files: every row is checked, every problem is named, and nothing is read by half.

The format is CSV with a header: `charger_id`, `plug_in_utc`, `plug_out_utc` (ISO 8601 with an offset), `energy_kwh`,
and optionally `category` and `max_power_kw`. Other columns are ignored.
"""

import csv
import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from aggregator.core.holidays import FIRST_YEAR, LAST_YEAR
from bidding.forecast.sessions import SessionTable

REQUIRED_COLUMNS = ("charger_id", "plug_in_utc", "plug_out_utc", "energy_kwh")
OPTIONAL_COLUMNS = ("category", "max_power_kw")
ENERGY_TOLERANCE_KWH = 1e-6

MOST_POWER_KW = 10_000
"""Beyond what any vehicle charges with, so a slip of the unit."""


@dataclass(frozen=True, slots=True)
class RowProblem:
    """One reason why a row cannot be used; `row` counts data rows from 1, so it is the line number minus one."""

    row: int
    reason: str

    def __str__(self) -> str:
        return f"row {self.row}: {self.reason}"


class SessionFileInvalid(ValueError):
    """The file cannot be used as a whole; `problems` lists the rows and the reasons."""

    def __init__(self, message: str, problems: tuple[RowProblem, ...] = ()) -> None:
        super().__init__(message)
        self.problems = problems


@dataclass(frozen=True, slots=True, eq=False)
class SessionFile:
    """What a file held.

    Attributes:
        table: the usable sessions of the category.
        set_plug_in_s: plug-ins of the whole set, every category, sorted: when there was data at all.
        skipped: rows left out because they are invalid, with the reasons (empty unless asked to skip).
        clipped_energy_rows: sessions whose energy did not fit in power times stay and was cut to it.
        default_power_rows: sessions without a power of their own.
    """

    table: SessionTable
    set_plug_in_s: NDArray[np.int64]
    skipped: tuple[RowProblem, ...]
    clipped_energy_rows: int
    default_power_rows: int


@dataclass(frozen=True, slots=True)
class _Row:
    number: int
    charger_id: str
    plug_in_s: int
    plug_out_s: int
    energy_kwh: float
    power_kw: float | None


class _Unusable(ValueError):
    pass


def read_sessions(
    lines: Iterable[str],
    *,
    default_power_kw: float,
    category: str | None = None,
    skip_invalid: bool = False,
) -> SessionFile:
    """Read a session file of one category (or all of it).

    Overlaps of two sessions at one charger are a problem of the one that began later. Only rows of the category are
    checked; the others only tell when the set has data. A row with more values than columns is a problem whatever its
    category, for that may be another value that was pushed there by a decimal comma.

    Args:
        lines: the lines of the file, header first (an open text file).
        default_power_kw: power of sessions that have none.
        category: keep only rows with this value in the `category` column, spaces around it aside.
        skip_invalid: leave invalid rows out and report them, instead of raising.

    Raises:
        SessionFileInvalid: a column is missing or stands twice, no session is left, or (unless skipping) any row is
            invalid.
    """
    reader = csv.DictReader(lines)
    _check_columns(reader.fieldnames, category)
    wanted = None if category is None else category.strip()
    rows: list[_Row] = []
    problems: list[RowProblem] = []
    set_plug_in_s: list[int] = []
    categories: set[str] = set()
    for number, fields in enumerate(reader, start=1):
        if surplus := [value for value in fields.get(None, ()) if value.strip()]:
            reason = f"has more values than the header has columns: {', '.join(surplus)}; is it a decimal comma?"
            problems.append(RowProblem(number, reason))
            continue
        row_category = (fields.get("category") or "").strip()
        categories.add(row_category)
        if wanted not in (None, row_category):
            _remember_plug_in(fields.get("plug_in_utc"), set_plug_in_s)
            continue
        try:
            row = _parse(number, fields)
        except _Unusable as unusable:
            problems.append(RowProblem(number, str(unusable)))
        else:
            rows.append(row)
    usable, overlaps = _without_overlaps(rows)
    problems = sorted(problems + overlaps, key=lambda problem: problem.row)
    if problems and not skip_invalid:
        raise SessionFileInvalid(
            f"{len(problems)} of the rows cannot be used; mend them, or leave them out with --skip-invalid.",
            tuple(problems),
        )
    if not usable:
        known = ", ".join(sorted(categories - {""})) or "none"
        chosen = f" of category {category!r} (the file has: {known})" if category is not None else ""
        raise SessionFileInvalid(f"No usable session{chosen} in the file.", tuple(problems))
    power = np.array([default_power_kw if row.power_kw is None else row.power_kw for row in usable])
    energy = np.array([row.energy_kwh for row in usable])
    stay_h = np.array([row.plug_out_s - row.plug_in_s for row in usable]) / 3600
    return SessionFile(
        table=SessionTable.from_columns(
            charger_ids=[row.charger_id for row in usable],
            plug_in_s=[row.plug_in_s for row in usable],
            plug_out_s=[row.plug_out_s for row in usable],
            energy_kwh=energy,
            power_kw=power,
        ),
        set_plug_in_s=np.sort(np.array(set_plug_in_s + [row.plug_in_s for row in usable], dtype=np.int64)),
        skipped=tuple(problems),
        clipped_energy_rows=int(np.count_nonzero(energy > power * stay_h + ENERGY_TOLERANCE_KWH)),
        default_power_rows=sum(row.power_kw is None for row in usable),
    )


def _check_columns(found: Iterable[str] | None, category: str | None) -> None:
    columns = tuple(found or ())
    required = REQUIRED_COLUMNS if category is None else (*REQUIRED_COLUMNS, "category")
    missing = [name for name in required if name not in columns]
    if missing:
        raise SessionFileInvalid(
            f"Missing column{'s' if len(missing) > 1 else ''} {', '.join(missing)}; "
            f"the header has: {', '.join(columns) or 'nothing'}."
        )
    for name in (*REQUIRED_COLUMNS, *OPTIONAL_COLUMNS):
        if columns.count(name) > 1:
            raise SessionFileInvalid(f"Column {name} stands in the header more than once; keep one of them.")


def _remember_plug_in(text: str | None, plug_ins_s: list[int]) -> None:
    try:
        plug_ins_s.append(_instant_s("plug_in_utc", text))
    except _Unusable:
        return


def _parse(number: int, fields: dict[str, str]) -> _Row:
    charger_id = (fields["charger_id"] or "").strip()
    if not charger_id:
        raise _Unusable("charger_id is empty")
    plug_in_s = _instant_s("plug_in_utc", fields["plug_in_utc"])
    plug_out_s = _instant_s("plug_out_utc", fields["plug_out_utc"])
    if plug_out_s <= plug_in_s:
        raise _Unusable(f"plug-out {fields['plug_out_utc']} is not after plug-in {fields['plug_in_utc']}")
    energy_kwh = _number("energy_kwh", fields["energy_kwh"])
    if energy_kwh < 0:
        raise _Unusable(f"energy_kwh is negative: {fields['energy_kwh']}")
    power_text = (fields.get("max_power_kw") or "").strip()
    power_kw = _number("max_power_kw", power_text) if power_text else None
    if power_kw is not None and power_kw <= 0:
        raise _Unusable(f"max_power_kw is not above zero: {power_text}")
    if power_kw is not None and power_kw > MOST_POWER_KW:
        raise _Unusable(f"max_power_kw is above {MOST_POWER_KW}: {power_text}; watts?")
    return _Row(number, charger_id, plug_in_s, plug_out_s, energy_kwh, power_kw)


def _instant_s(column: str, text: str | None) -> int:
    try:
        instant = datetime.fromisoformat((text or "").strip())
    except ValueError:
        raise _Unusable(f"{column} is not an ISO 8601 time: {text!r}") from None
    if instant.tzinfo is None:
        raise _Unusable(f"{column} has no offset: {text!r}; write Z or +00:00")
    if not FIRST_YEAR <= instant.year < LAST_YEAR:
        raise _Unusable(f"{column} is not in the years {FIRST_YEAR} to {LAST_YEAR - 1}: {text!r}")
    return math.floor(instant.timestamp())


def _number(column: str, text: str | None) -> float:
    try:
        value = float(text or "")
    except ValueError:
        raise _Unusable(f"{column} is not a number: {text!r}") from None
    if not math.isfinite(value):
        raise _Unusable(f"{column} is not a finite number: {text!r}")
    return value


def _without_overlaps(rows: list[_Row]) -> tuple[list[_Row], list[RowProblem]]:
    kept: list[_Row] = []
    problems: list[RowProblem] = []
    latest: dict[str, _Row] = {}
    for row in sorted(rows, key=lambda row: (row.plug_in_s, row.number)):
        earlier = latest.get(row.charger_id)
        if earlier is not None and row.plug_in_s < earlier.plug_out_s:
            problems.append(
                RowProblem(
                    row.number,
                    f"overlaps row {earlier.number} at charger {row.charger_id}: plugged in "
                    f"{earlier.plug_out_s - row.plug_in_s} s before that session ended",
                )
            )
            continue
        kept.append(row)
        latest[row.charger_id] = row
    return kept, problems
