"""Replays a file of real sessions: each simulated charger lives the life of a charger of the file."""

import csv
import gzip
import io
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np

from aggregator.core.interval import Interval, InvalidInterval, utc
from aggregator.core.ptu import MARKET_ZONE
from aggregator.core.words import cause
from assets.simulator.local_time import DAY, HOUR, instants, wall_clock, week_of, week_starts
from assets.simulator.sessions import (
    SHORTEST_STAY,
    Floats,
    Integers,
    Seconds,
    Sessions,
    one_car_at_a_time,
    plain_sessions,
    whole_minutes,
)

REQUIRED_COLUMNS = ("charger_id", "category", "plug_in_utc", "plug_out_utc", "energy_kwh")
NOT_FLEXIBLE = {"public_dc"}
"""Fast chargers: half an hour at full power, so they are no flexible load and no charger of this fleet."""

_PLACE_OF_CATEGORY = {"residential": "home", "public_ac": "public", "workplace_council": "workplace"}
_GAP_DAYS = 3


class InvalidSessionFile(ValueError):
    """The file cannot be replayed; the text says which row, what is wrong and how to fix it."""


@dataclass(frozen=True, slots=True)
class FileCharger:
    """One charger of the file: its rows and the weeks in which it was surely there and the file has no gap."""

    place: str
    rows: slice
    weeks: Integers


@dataclass(frozen=True, slots=True)
class SessionFile:
    """Sessions ordered by charger and plug-in, in wall-clock seconds of their place; power is NaN where not known."""

    plug_in: Seconds
    plug_out: Seconds
    energy_kwh: Floats
    power_kw: Floats
    chargers: tuple[FileCharger, ...]

    def rows_of_week(self, charger: FileCharger, week: int) -> Integers:
        """Return the rows of the charger whose plug-in lies in the week."""
        edges = np.searchsorted(self.plug_in[charger.rows], [week_starts(week), week_starts(week + 1)])
        return np.arange(*(edges + charger.rows.start))


@dataclass(frozen=True, slots=True)
class _Row:
    charger: str
    place: str
    plug_in: int
    plug_out: int
    energy_kwh: float
    power_kw: float


def read_session_file(path: Path, zone: ZoneInfo) -> SessionFile:
    """Return the AC sessions of a CSV or CSV.gz with the columns of the reference data; raise `InvalidSessionFile`."""
    rows = sorted(
        (row for row in _rows(path) if row.place not in NOT_FLEXIBLE), key=lambda row: (row.charger, row.plug_in)
    )
    if not rows:
        raise InvalidSessionFile(
            f"{path} has no sessions at AC chargers. Give a file with at least some weeks of them."
        )
    plug_in = wall_clock(np.array([row.plug_in for row in rows]), zone)
    usable = _weeks_without_gap(plug_in)
    chargers = []
    _, first_rows = np.unique([row.charger for row in rows], return_index=True)
    for first, end in zip(first_rows, [*first_rows[1:], len(rows)], strict=True):
        is_present = (_starts_of(usable) >= plug_in[first] - DAY) & (usable < week_of(plug_in[end - 1 : end])[0])
        if is_present.any():
            place = _PLACE_OF_CATEGORY.get(rows[first].place, "")
            chargers.append(FileCharger(place, slice(int(first), int(end)), usable[is_present]))
    if not chargers:
        raise InvalidSessionFile(
            f"No charger in {path} has a whole week (Monday to Sunday) of data. Give a longer file."
        )
    return SessionFile(
        plug_in=plug_in,
        plug_out=wall_clock(np.array([row.plug_out for row in rows]), zone),
        energy_kwh=np.array([row.energy_kwh for row in rows]),
        power_kw=np.array([row.power_kw for row in rows]),
        chargers=tuple(chargers),
    )


def replay(
    *,
    file: SessionFile,
    places: Mapping[str, Integers],
    max_power_kw: Floats,
    period: Interval,
    generator: np.random.Generator,
) -> Sessions:
    """Return the sessions of `period` for the assets in `places` (category -> positions in the portfolio).

    An asset replays a charger of its own category where the file has one, else any. Where the file has fewer chargers
    than the fleet, a charger is replayed again starting from another of its weeks; after its last week comes its first.
    Sessions move by whole weeks of local time, so an evening stays an evening, also across a clock change.
    """
    first, last = (int(instant.timestamp()) for instant in (period.starts_at, period.ends_at))
    first_week, last_week = week_of(wall_clock(np.array([first, last]), MARKET_ZONE))
    chosen: list[Integers] = []
    moves: list[int] = []
    positions_of_moves: list[int] = []
    for place, positions in places.items():
        pool = [charger for charger in file.chargers if charger.place == place] or list(file.chargers)
        order = generator.permutation(len(pool))
        rounds = math.ceil(len(positions) / len(pool))
        for number, position in enumerate(positions):
            charger = pool[order[number % len(pool)]]
            shift = number // len(pool) * len(charger.weeks) // rounds
            # One week earlier too, for stays that reach into the period.
            for target in range(first_week - 1, last_week + 1):
                source = int(charger.weeks[(shift + target - first_week) % len(charger.weeks)])
                chosen.append(file.rows_of_week(charger, source))
                moves.append(week_starts(target) - week_starts(source))
                positions_of_moves.append(int(position))
    counts = [len(rows) for rows in chosen]
    sessions = _moved(
        file=file,
        rows=np.concatenate(chosen),
        move=np.repeat(np.array(moves, dtype=np.int64), counts),
        asset=np.repeat(np.array(positions_of_moves, dtype=np.int64), counts),
        max_power_kw=max_power_kw,
    )
    return one_car_at_a_time(sessions.take((sessions.plug_out > first) & (sessions.plug_in < last)))


def _moved(*, file: SessionFile, rows: Integers, move: Seconds, asset: Integers, max_power_kw: Floats) -> Sessions:
    plug_in = whole_minutes(instants(file.plug_in[rows] + move, MARKET_ZONE))
    plug_out = whole_minutes(instants(file.plug_out[rows] + move, MARKET_ZONE))
    plug_out = np.maximum(plug_out, plug_in + SHORTEST_STAY)
    energy, known, most = file.energy_kwh[rows], file.power_kw[rows], max_power_kw[asset]
    # Where the stated power could not have carried the measured energy, the energy is believed.
    needed = energy / ((plug_out - plug_in) / HOUR)
    power = np.minimum(np.maximum(np.where(np.isnan(known), most, known), needed), most)
    return plain_sessions(
        asset=asset, plug_in=plug_in, plug_out=plug_out, need_kwh=energy, power_kw=power, driver=asset
    )


def _starts_of(weeks: Integers) -> Seconds:
    """Return the wall-clock second at which each week starts."""
    return np.array([week_starts(int(week)) for week in weeks], dtype=np.int64)


def _weeks_without_gap(plug_in: Seconds) -> Integers:
    """Return the weeks that no run of three or more days without any session in the whole file touches."""
    days = np.unique(plug_in // DAY)
    weeks = np.arange(week_of(plug_in.min(keepdims=True))[0], week_of(plug_in.max(keepdims=True))[0] + 1)
    gap = np.flatnonzero(np.diff(days) > _GAP_DAYS)
    touched = np.zeros(len(weeks), dtype=bool)
    for index in gap:
        from_week, to_week = week_of(np.array([days[index] + 1, days[index + 1] - 1]) * DAY)
        touched |= (weeks >= from_week) & (weeks <= to_week)
    return weeks[~touched]


def _rows(path: Path) -> Iterator[_Row]:
    try:
        raw = path.read_bytes()
        text = (gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw).decode("utf-8-sig")
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise InvalidSessionFile(f"{path} cannot be read as CSV or gzipped CSV in UTF-8: {cause(error)}.") from error
    reader = csv.DictReader(io.StringIO(text))
    missing = [column for column in REQUIRED_COLUMNS if column not in (reader.fieldnames or ())]
    if missing:
        hint = (
            " It tells when cars were plugged in but not what they charged, so it cannot be played."
            if missing == ["energy_kwh"]
            else ""
        )
        raise InvalidSessionFile(
            f"{path} lacks the columns {', '.join(missing)}.{hint} Needed: {', '.join(REQUIRED_COLUMNS)}; "
            "max_power_kw is used where present."
        )
    for number, row in enumerate(reader, start=2):
        try:
            yield _row(row)
        except (InvalidInterval, TypeError, ValueError) as error:
            raise InvalidSessionFile(f"{path}, line {number}: {error} Correct the line or leave it out.") from error


def _row(row: Mapping[str, str]) -> _Row:
    plug_in, plug_out = (utc(datetime.fromisoformat(row[name])) for name in ("plug_in_utc", "plug_out_utc"))
    if plug_out <= plug_in:
        raise ValueError(f"the session ends at {row['plug_out_utc']}, not after it starts at {row['plug_in_utc']}.")
    energy, power = float(row["energy_kwh"]), float(row.get("max_power_kw") or "nan")
    if not 0 <= energy < math.inf:
        raise ValueError(f"energy_kwh {row['energy_kwh']!r} is not an amount of energy.")
    starts, ends = int(plug_in.timestamp()), int(plug_out.timestamp())
    return _Row(row["charger_id"], row["category"], starts, ends, energy, power or math.nan)
