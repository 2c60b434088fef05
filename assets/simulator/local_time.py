"""Wall-clock seconds of a place, for shifting by whole weeks without moving anyone's evening.

A wall-clock second counts from 1970-01-01T00:00 as the place's clocks show it; it has no time zone of its own.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

Seconds = npt.NDArray[np.int64]

HOUR = 3600
DAY = 24 * HOUR
WEEK = 7 * DAY
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MONDAY = 4 * DAY  # 1970-01-05, the first Monday


def wall_clock(utc_seconds: Seconds, zone: ZoneInfo) -> Seconds:
    """Return what clocks in `zone` show at these instants."""
    return utc_seconds + _by_hour(utc_seconds, zone, _offset_at)


def instants(wall_clock_seconds: Seconds, zone: ZoneInfo) -> Seconds:
    """Return when clocks in `zone` show these times: the first time where twice, an hour later where never."""
    return wall_clock_seconds - _by_hour(wall_clock_seconds, zone, _offset_when_shown)


def week_of(wall_clock_seconds: Seconds) -> Seconds:
    """Return the number of the week (Monday first)."""
    weeks: Seconds = (wall_clock_seconds - _MONDAY) // WEEK
    return weeks


def week_starts(week: int) -> int:
    """Return the wall-clock second at which the week starts."""
    return _MONDAY + week * WEEK


def is_weekend(wall_clock_seconds: Seconds) -> npt.NDArray[np.bool_]:
    """Tell which times fall on a Saturday or Sunday."""
    weekend: npt.NDArray[np.bool_] = (wall_clock_seconds - _MONDAY) // DAY % 7 >= 5  # noqa: PLR2004 - Saturday
    return weekend


def _by_hour(seconds: Seconds, zone: ZoneInfo, offset: Callable[[int, ZoneInfo], int]) -> Seconds:
    hours, position = np.unique(seconds // HOUR, return_inverse=True)
    return np.array([offset(hour, zone) for hour in hours.tolist()], dtype=np.int64)[position]


@cache
def _offset_at(hour: int, zone: ZoneInfo) -> int:
    local = datetime.fromtimestamp(hour * HOUR, zone)
    return int((local.utcoffset() or timedelta()).total_seconds())


@cache
def _offset_when_shown(hour: int, zone: ZoneInfo) -> int:
    local = (_EPOCH + timedelta(hours=hour)).replace(tzinfo=zone)
    return int((local.utcoffset() or timedelta()).total_seconds())
