"""Meter values: in by COPY, kept by month, never overwritten."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

from aggregator.core import locks
from assets.models import MeterInterval
from assets.operations.reports import Rows
from assets.operations.resolve import asset_ids
from assets.staging import staged_integers
from assets.validation import kinds
from assets.validation.rows import InvalidRows, RowError

MONTHS_AHEAD = 3


@dataclass(frozen=True, slots=True)
class MeterValuesStored:
    """How many values were new, and how many were known already with the same content."""

    stored: int
    duplicates: int


@transaction.atomic
def store_meter_values(*, partner_id: int, rows: Rows, now: datetime) -> MeterValuesStored:
    """Store 15-minute energy per asset; sending it again is harmless, a correction is a higher `revision`.

    Raises `InvalidRows` (nothing stored), also when a value is known with other content under the same revision.
    Rows as in `assets.validation.kinds.METER_VALUE`.
    """
    columns = kinds.METER_VALUE.read(rows)
    starts: list[int] = columns["starts_at"]
    errors = list(kinds.outside_meter_window(starts, now=now))
    if errors:
        raise InvalidRows(errors)
    assets = asset_ids(partner_id=partner_id, names=columns["asset"])
    _create_partitions(_months(starts))
    values = {
        "row_index": range(len(rows)),
        "asset_id": assets,
        "start": starts,
        "revision": columns["revision"],
        "import_wh": columns["import_wh"],
        "export_wh": columns["export_wh"],
        "is_estimated": [quality == MeterInterval.Quality.ESTIMATED for quality in columns["quality"]],
    }
    with staged_integers("metered", values), connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO assets_meterinterval (asset_id, starts_at, revision, import_wh, export_wh, quality, known_at)
            SELECT asset_id, to_timestamp(start), revision, import_wh, export_wh,
                   CASE is_estimated WHEN 1 THEN 'estimated' ELSE 'measured' END, %s
            FROM metered
            ON CONFLICT DO NOTHING
            """,
            [now],
        )
        stored = cursor.rowcount
        if stored < len(rows):
            errors = list(_contradictions(cursor))
            if errors:
                raise InvalidRows(errors)
    return MeterValuesStored(stored, len(rows) - stored)


@transaction.atomic
def maintain_partitions(*, now: datetime) -> list[str]:
    """Make the months ahead ready, so that no delivery has to; return the names of what was made."""
    month = now.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    months = [month]
    for _ in range(MONTHS_AHEAD):
        months.append(_next_month(months[-1]))
    return _create_partitions(months)


def _contradictions(cursor: CursorWrapper) -> Iterable[RowError]:
    cursor.execute(
        """
        SELECT new.row_index, known.import_wh, known.export_wh, known.quality, known.revision
        FROM metered AS new
        JOIN assets_meterinterval AS known
          ON known.asset_id = new.asset_id AND known.starts_at = to_timestamp(new.start)
         AND known.revision = new.revision
        WHERE (known.import_wh, known.export_wh, known.quality = 'estimated')
              <> (new.import_wh, new.export_wh, new.is_estimated = 1)
        """
    )
    for index, import_wh, export_wh, quality, revision in cursor.fetchall():
        yield RowError(
            index,
            "revision",
            "revision-conflict",
            f"Revision {revision} is already known as {import_wh} Wh import, {export_wh} Wh export, {quality}. "
            f"A correction needs a higher revision, such as {revision + 1}.",
        )


def _months(starts: Sequence[int]) -> list[datetime]:
    days = {start - start % 86_400 for start in set(starts)}
    return sorted({datetime.fromtimestamp(day, UTC).replace(day=1) for day in days})


def _next_month(month: datetime) -> datetime:
    return month.replace(year=month.year + month.month // 12, month=month.month % 12 + 1)


def _create_partitions(months: Sequence[datetime]) -> list[str]:
    """Create what is missing; made apart and then attached, which does not stop readers and writers of other months."""
    names = [f"assets_meterinterval_{month:%Y_%m}" for month in months]
    if not _missing(names):
        return []
    locks.take(locks.AdvisoryLock.METER_PARTITIONS, 0)
    made = []
    missing = _missing(names)
    with connection.cursor() as cursor:
        for name, month in zip(names, months, strict=True):
            if name not in missing:
                continue
            cursor.execute(f"CREATE TABLE {name} (LIKE assets_meterinterval INCLUDING DEFAULTS INCLUDING CONSTRAINTS)")
            cursor.execute(
                f"ALTER TABLE assets_meterinterval ATTACH PARTITION {name} FOR VALUES FROM (%s) TO (%s)",
                [month, _next_month(month)],
            )
            made.append(name)
    return made


def _missing(names: Sequence[str]) -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT name FROM unnest(%s::text[]) AS name WHERE to_regclass(name) IS NULL", [list(names)])
        return {name for (name,) in cursor.fetchall()}
