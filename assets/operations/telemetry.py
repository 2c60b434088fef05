"""What was measured, on its way in: by COPY, kept by month, never overwritten."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from django.conf import settings
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

from aggregator.core import locks
from aggregator.core.ptu import PTU_SECONDS
from assets.operations.movements import note_movements
from assets.operations.partitions import create_partitions, first_kept, month_starts
from assets.operations.reports import Rows
from assets.operations.resolve import asset_ids
from assets.staging import staged_integers
from assets.validation import kinds
from assets.validation.rows import Columns, InvalidRows, RowError


@dataclass(frozen=True, slots=True)
class ValuesStored:
    """How many values were new, and how many were known already with the same content."""

    stored: int
    duplicates: int


@dataclass(frozen=True, slots=True)
class _Series:
    """A measured table: its value columns, each as made from the whole numbers of the temporary table `measured`."""

    table: str
    length_s: int
    values: Mapping[str, str]


_METER_VALUES = _Series(
    "assets_meterinterval",
    PTU_SECONDS,
    {
        "import_wh": "import_wh",
        "export_wh": "export_wh",
        "quality": "CASE is_estimated WHEN 1 THEN 'estimated' ELSE 'measured' END",
    },
)
_READINGS = _Series("assets_minutereading", kinds.MINUTE_SECONDS, {"power_w": "power_w"})


@transaction.atomic
def store_meter_values(*, partner_id: int, rows: Rows, now: datetime) -> ValuesStored:
    """Store 15-minute energy per asset; sending it again is harmless, a correction is a higher `revision`.

    Raises `InvalidRows` (nothing stored), also when a value is known with other content under the same revision.
    Rows as in `assets.validation.kinds.METER_VALUE`.
    """
    columns = kinds.METER_VALUE.read(rows)
    measured = _key_columns(_METER_VALUES, partner_id, columns, now) | {
        "import_wh": columns["import_wh"],
        "export_wh": columns["export_wh"],
        "is_estimated": [quality == "estimated" for quality in columns["quality"]],
    }
    with staged_integers("measured", measured):
        return _insert_new(_METER_VALUES, measured, now)


@transaction.atomic
def store_readings(*, partner_id: int, rows: Rows, now: datetime) -> ValuesStored:
    """Store the mean power of assets in single minutes, and add up the quarter hours they fall in.

    Repeats, corrections and refusals as with meter values. Rows as in `assets.validation.kinds.READING`.
    """
    columns = kinds.READING.read(rows)
    measured = _key_columns(_READINGS, partner_id, columns, now) | {"power_w": columns["power_w"]}
    # One at a time per partner: two batches that touch a quarter must not each add it up without the other's minutes.
    locks.take(locks.AdvisoryLock.READINGS, partner_id)
    with staged_integers("measured", measured):
        done = _insert_new(_READINGS, measured, now)
        if done.stored:
            create_partitions("assets_readingquarter", month_starts(columns["starts_at"]))
            _add_up_quarters()
            note_movements(partner_id=partner_id)
    return done


DerivedValue = tuple[int, datetime, int, int]
"""Asset, start of the PTU, import and export [Wh]."""


def store_derived_values(*, values: Sequence[DerivedValue], now: datetime) -> int:
    """Store quarter hours that we derived ourselves, in the caller's transaction; return how many are new.

    They are estimates with revisions below 0, so whatever the partner delivers counts instead; where it has delivered,
    nothing is stored. The same value again changes nothing, another one is a correction.
    """
    if not values:
        return 0
    assets, starts, imports, exports = zip(*values, strict=True)
    derived = {
        "asset_id": assets,
        "start": [int(start.timestamp()) for start in starts],
        "import_wh": imports,
        "export_wh": exports,
    }
    create_partitions(_METER_VALUES.table, month_starts(derived["start"]))
    with staged_integers("derived", derived), connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO assets_meterinterval (asset_id, starts_at, revision, import_wh, export_wh, quality, known_at)
            SELECT new.asset_id, to_timestamp(new.start), COALESCE(old.revision + 1, %(first)s),
                   new.import_wh, new.export_wh, 'estimated', %(now)s
            FROM (SELECT DISTINCT ON (asset_id, start) * FROM derived) AS new
            LEFT JOIN LATERAL (
                SELECT revision, import_wh, export_wh FROM assets_meterinterval
                WHERE asset_id = new.asset_id AND starts_at = to_timestamp(new.start)
                ORDER BY revision DESC LIMIT 1
            ) AS old ON true
            WHERE COALESCE(old.revision, %(first)s) < -1
              AND (old.import_wh, old.export_wh) IS DISTINCT FROM (new.import_wh, new.export_wh)
            ORDER BY new.asset_id, new.start
            ON CONFLICT DO NOTHING
            """,
            {"first": -kinds.LAST_REVISION, "now": now},
        )
        return int(cursor.rowcount)


def withdraw_derived_values(*, ptus: Collection[tuple[int, datetime]]) -> int:
    """Drop what was derived of assets' quarter hours, by asset and start; return how many rows. Delivered values stay.

    For a quarter hour that proves to hold more than was known: it counts as missing again, not as too little.
    """
    if not ptus:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(
            """
            DELETE FROM assets_meterinterval AS derived
            USING unnest(%s::bigint[], %s::timestamptz[]) AS ptu (asset_id, starts_at)
            WHERE derived.asset_id = ptu.asset_id AND derived.starts_at = ptu.starts_at AND derived.revision < 0
            """,
            [list(column) for column in zip(*ptus, strict=True)],
        )
        return int(cursor.rowcount)


def _key_columns(series: _Series, partner_id: int, columns: Columns, now: datetime) -> dict[str, Sequence[int]]:
    starts: list[int] = columns["starts_at"]
    outside = kinds.outside_meter_window(starts, length_s=series.length_s, now=now)
    errors = list(outside) or list(_let_go(series, starts, now))
    if errors:
        raise InvalidRows(errors)
    return {
        "row_index": range(len(starts)),
        "asset_id": asset_ids(partner_id=partner_id, names=columns["asset"]),
        "start": starts,
        "revision": columns["revision"],
    }


def _let_go(series: _Series, starts: Sequence[int], now: datetime) -> Iterable[RowError]:
    """Yield an error for every value of a month that is kept no longer.

    Its others are gone: a quarter hour would be added up from this one alone, and the month be written over in the
    archive with nothing else in it.
    """
    months = settings.KEEP_MONTHS.get(series.table)
    if months is None or not starts:
        return
    first = first_kept(now=now, months=months)
    if min(starts) >= first.timestamp():
        return
    for index, start in enumerate(starts):
        if start < first.timestamp():
            at = datetime.fromtimestamp(start, UTC).isoformat()
            message = (
                f"{at} lies in a month that is kept no longer. Send only what begins at {first.isoformat()} or later."
            )
            yield RowError(index, "starts_at", "too-old", message)


def _insert_new(series: _Series, measured: Mapping[str, Sequence[int]], now: datetime) -> ValuesStored:
    """Insert what is not known yet; raise `InvalidRows` when something is known with other content."""
    create_partitions(series.table, month_starts(measured["start"]))
    with connection.cursor() as cursor:
        # In the order of the key: two batches with the same rows then wait for each other instead of locking up.
        cursor.execute(
            f"""
            INSERT INTO {series.table} (asset_id, starts_at, revision, {", ".join(series.values)}, known_at)
            SELECT asset_id, to_timestamp(start), revision, {", ".join(series.values.values())}, %s FROM measured
            ORDER BY asset_id, start, revision
            ON CONFLICT DO NOTHING
            """,  # noqa: S608 - names and expressions are ours
            [now],
        )
        stored, rows = cursor.rowcount, len(measured["start"])
        if stored < rows:
            errors = list(_contradictions(cursor, series))
            if errors:
                raise InvalidRows(errors)
    return ValuesStored(stored, rows - stored)


def _contradictions(cursor: CursorWrapper, series: _Series) -> Iterable[RowError]:
    known = ", ".join(f"known.{name}" for name in series.values)
    cursor.execute(
        f"""
        SELECT new.row_index, known.revision, {known}
        FROM (SELECT row_index, asset_id, to_timestamp(start) AS starts_at, revision,
                     {", ".join(f"{made} AS {name}" for name, made in series.values.items())} FROM measured) AS new
        JOIN {series.table} AS known USING (asset_id, starts_at, revision)
        WHERE ({known}) IS DISTINCT FROM ({", ".join(f"new.{name}" for name in series.values)})
        """  # noqa: S608 - names and expressions are ours
    )
    for index, revision, *values in cursor.fetchall():
        content = ", ".join(f"{name} {value}" for name, value in zip(series.values, values, strict=True))
        yield RowError(
            index,
            "revision",
            "revision-conflict",
            f"Revision {revision} is already known as {content}. "
            f"A correction needs a higher revision, such as {revision + 1}.",
        )


def _add_up_quarters() -> None:
    """Add up every quarter that a stored minute falls in from all its minutes, each at its latest revision."""
    with connection.cursor() as cursor:
        # The lateral sum is what makes PostgreSQL walk the index per quarter, whatever it guesses of `measured`.
        cursor.execute(
            """
            INSERT INTO assets_readingquarter AS old (asset_id, starts_at, minutes, import_wmin, export_wmin)
            SELECT touched.asset_id, touched.starts_at, summed.*
            FROM (
                SELECT DISTINCT asset_id, to_timestamp(start - start %% %(ptu)s) AS starts_at FROM measured
            ) AS touched
            CROSS JOIN LATERAL (
                SELECT count(*), sum(greatest(power_w, 0)), sum(greatest(-power_w, 0))
                FROM (
                    SELECT DISTINCT ON (starts_at) power_w FROM assets_minutereading
                    WHERE asset_id = touched.asset_id AND starts_at >= touched.starts_at
                      AND starts_at < touched.starts_at + interval '15 minutes'
                    ORDER BY starts_at, revision DESC
                ) AS latest
            ) AS summed
            ORDER BY touched.asset_id, touched.starts_at
            ON CONFLICT (asset_id, starts_at) DO UPDATE SET
                (minutes, import_wmin, export_wmin) = (excluded.minutes, excluded.import_wmin, excluded.export_wmin)
            """,
            {"ptu": PTU_SECONDS},
        )
