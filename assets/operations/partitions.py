"""The months of the measured tables: made before they are needed, and let go when their time is over."""

import gzip
import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from django.db import OperationalError, connection, transaction
from psycopg import errors, sql

from aggregator.core import locks

logger = logging.getLogger(__name__)

MONTHS_AHEAD = 3

PARTITIONED = ("assets_meterinterval", "assets_minutereading", "assets_readingquarter")
"""The tables that are partitioned by month of `starts_at`."""


@transaction.atomic
def maintain_partitions(*, now: datetime) -> list[str]:
    """Make the months ahead ready, so that no delivery has to; return the names of what was made."""
    months = [_later(_month(now), ahead) for ahead in range(MONTHS_AHEAD + 1)]
    return [name for table in PARTITIONED for name in create_partitions(table, months)]


def drop_old_months(*, now: datetime, keep_months: Mapping[str, int], archive: Path | None) -> list[str]:
    """Let go of what need not be kept any longer, each month in a transaction of its own; return the names.

    Args:
        now: the present instant.
        keep_months: by table, how many whole months before the present one stay; a table not named keeps all.
        archive: folder in which a month is written as `<partition>.csv.gz` before it goes; None: it goes unwritten.

    A month that is in use is left for the next run, so that no delivery waits for upkeep.
    """
    old = [
        name
        for table, months in keep_months.items()
        for name in _partitions(table)
        if name < _partition(table, first_kept(now=now, months=months))
    ]
    return [name for name in old if _let_go(name, archive)]


def first_kept(*, now: datetime, months: int) -> datetime:
    """Return where the oldest month begins that stays: so many whole ones before the present one."""
    return _later(_month(now), -months)


def create_partitions(table: str, months: Sequence[datetime]) -> list[str]:
    """Create what is missing; made apart and then attached, which does not stop readers and writers of other months."""
    names = [_partition(table, month) for month in months]
    if not _missing(names):
        return []
    locks.take(locks.AdvisoryLock.METER_PARTITIONS, 0)
    missing = _missing(names)
    made = []
    with connection.cursor() as cursor:
        for name, month in zip(names, months, strict=True):
            if name not in missing:
                continue
            cursor.execute(f"CREATE TABLE {name} (LIKE {table} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)")
            cursor.execute(
                f"ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES FROM (%s) TO (%s)", [month, _later(month, 1)]
            )
            made.append(name)
    return made


def month_starts(epoch_seconds: Sequence[int]) -> list[datetime]:
    """Return the first instant of every UTC month that some instants lie in."""
    days = {instant - instant % 86_400 for instant in set(epoch_seconds)}
    return sorted({datetime.fromtimestamp(day, UTC).replace(day=1) for day in days})


def _let_go(name: str, archive: Path | None) -> bool:
    """Write a partition down and drop it; tell whether that was possible without waiting for others."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL lock_timeout = '2s'")
            locks.take(locks.AdvisoryLock.METER_PARTITIONS, 0)
            if _missing([name]):
                return False  # another run was quicker
            if archive is not None:
                # From here on nothing is added, so that the file holds all there was.
                cursor.execute(f"LOCK TABLE {name} IN SHARE MODE")
                _write_down(name, archive)
            cursor.execute(f"DROP TABLE {name}")
    except OperationalError as error:
        if not isinstance(error.__cause__, errors.LockNotAvailable):
            raise
        logger.info("Partition %s is in use; the next run tries again", name)
        return False
    return True


def _write_down(name: str, archive: Path) -> None:
    archive.mkdir(parents=True, exist_ok=True)
    fresh, final = archive / f"{name}.csv.gz.part", archive / f"{name}.csv.gz"
    statement = sql.SQL("COPY {} TO STDOUT (FORMAT csv, HEADER)").format(sql.Identifier(name))
    with connection.cursor() as cursor, gzip.open(fresh, "wb") as file, cursor.copy(statement) as copy:
        for block in copy:
            file.write(block)
    fresh.replace(final)


def _month(instant: datetime) -> datetime:
    return instant.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def _partition(table: str, month: datetime) -> str:
    return f"{table}_{month:%Y_%m}"


def _later(month: datetime, months: int) -> datetime:
    years, number = divmod(month.month - 1 + months, 12)
    return month.replace(year=month.year + years, month=number + 1)


def _partitions(table: str) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT child.relname FROM pg_inherits JOIN pg_class AS child ON child.oid = inhrelid
            WHERE inhparent = %s::regclass ORDER BY child.relname
            """,
            [table],
        )
        return [name for (name,) in cursor.fetchall()]


def _missing(names: Sequence[str]) -> set[str]:
    with connection.cursor() as cursor:
        # Not to_regclass(): it answers from a cache that waiting for an advisory lock does not bring up to date.
        cursor.execute(
            """
            SELECT name FROM unnest(%s::text[]) AS name
            WHERE NOT EXISTS (
                SELECT FROM pg_class WHERE relname = name AND relnamespace = current_schema()::regnamespace)
            """,
            [list(names)],
        )
        return {name for (name,) in cursor.fetchall()}
