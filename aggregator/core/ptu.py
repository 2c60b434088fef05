"""Programme time units: the Dutch 15-minute imbalance settlement periods.

A PTU is numbered from 1 within its local day in Europe/Amsterdam. A day has 96 of them, 92 when summer time
starts and 100 when it ends. UFTP calls the same thing an ISP.
"""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from aggregator.core.interval import Interval, InvalidInterval, utc

PTU = timedelta(minutes=15)
PTU_SECONDS = 900
MARKET_ZONE = ZoneInfo("Europe/Amsterdam")


def day_interval(day: date) -> Interval:
    """Return the local day as UTC instants (23, 24 or 25 hours)."""
    midnight = datetime.combine(day, time(), MARKET_ZONE)
    next_midnight = datetime.combine(day + timedelta(days=1), time(), MARKET_ZONE)
    return Interval(midnight.astimezone(UTC), next_midnight.astimezone(UTC))


def ptus_of_day(day: date) -> tuple[datetime, ...]:
    """Return the UTC start of every PTU of a local day: 92, 96 or 100 instants."""
    return ptu_range(day_interval(day))


def ptu_start(instant: datetime) -> datetime:
    """Return the start of the PTU that holds `instant`."""
    seconds = int(utc(instant).timestamp())
    return datetime.fromtimestamp(seconds - seconds % PTU_SECONDS, UTC)


def ptu_number(instant: datetime) -> int:
    """Return the PTU's number within its local day, from 1.

    Subtracting two local times of one zone ignores the clock change, so both are taken to UTC first.
    """
    midnight = datetime.combine(utc(instant).astimezone(MARKET_ZONE).date(), time(), MARKET_ZONE).astimezone(UTC)
    return (utc(instant) - midnight) // PTU + 1


def ptu_range(interval: Interval) -> tuple[datetime, ...]:
    """Return the starts of the PTUs that fill `interval`; raise `InvalidInterval` unless its ends lie on the grid."""
    for instant in (interval.starts_at, interval.ends_at):
        if ptu_start(instant) != instant:
            raise InvalidInterval(
                f"{instant.isoformat()} does not lie on a quarter hour. Periods on the market start and end at "
                ":00, :15, :30 or :45."
            )
    return tuple(piece.starts_at for piece in interval.steps(PTU))


def dutch_time(instant: datetime, pattern: str = "%Y-%m-%d %H:%M") -> str:
    """Write an instant in Dutch time; in the hour that comes twice in October the zone is added.

    >>> dutch_time(datetime(2026, 1, 14, 16, tzinfo=UTC))
    '2026-01-14 17:00'
    >>> dutch_time(datetime(2026, 10, 25, 1, 15, tzinfo=UTC), "%H:%M")
    '02:15 CET'
    """
    local = instant.astimezone(MARKET_ZONE)
    comes_twice = local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset()
    return local.strftime(f"{pattern} %Z" if comes_twice else pattern)
