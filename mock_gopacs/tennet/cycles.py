"""The 4 s cycles in which TenneT activates, numbered since 1970: a number never comes twice, whatever restarts."""

from datetime import UTC, datetime, timedelta

from aggregator.core.ptu import PTU

CYCLE_SECONDS = 4
CYCLE = timedelta(seconds=CYCLE_SECONDS)
CYCLES_PER_PTU = PTU // CYCLE


def cycle_of(instant: datetime) -> int:
    """Return the cycle that holds an instant."""
    return int(instant.timestamp()) // CYCLE_SECONDS


def start_of(cycle: int) -> datetime:
    """Return when a cycle starts.

    >>> start_of(cycle_of(datetime(2026, 1, 14, 17, 0, 7, tzinfo=UTC))).isoformat()
    '2026-01-14T17:00:04+00:00'
    """
    return datetime.fromtimestamp(cycle * CYCLE_SECONDS, UTC)


def cycles_of(ptu: datetime) -> range:
    """Return the 225 cycles of the PTU that starts then."""
    first = cycle_of(ptu)
    return range(first, first + CYCLES_PER_PTU)
