"""Local wall-clock time for arrays of instants: days and hours repeat in local time, across the clock changes.

Kinds of days are those of the place: a public holiday counts as a Sunday.
"""

from bisect import bisect_left
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aggregator.core.holidays import FIRST_YEAR, LAST_YEAR, public_holidays

DAY_S = 86_400
WEEK_S = 7 * DAY_S
HOUR_S = 3_600
QUARTER_S = 900
EPOCH = date(1970, 1, 1)
SATURDAY = 5
SUNDAY = 6
"""Monday is 0."""


def local_seconds(instants_s: ArrayLike, *, timezone: str) -> NDArray[np.int64]:
    """Return instants (UTC epoch seconds) as local wall-clock seconds since local 1970-01-01 00:00; same shape."""
    starts_s, offsets_s = _offsets(timezone)
    instants = np.asarray(instants_s, dtype=np.int64)
    place = np.maximum(np.searchsorted(starts_s, instants, side="right") - 1, 0)
    return np.asarray(instants + offsets_s[place])


def utc_seconds(local_s: ArrayLike, *, timezone: str) -> NDArray[np.int64]:
    """Return local wall-clock seconds as UTC epoch seconds; an hour that the clock skips becomes the one beside it."""
    local = np.asarray(local_s, dtype=np.int64)
    guess = local - (local_seconds(local, timezone=timezone) - local)
    return np.asarray(local - (local_seconds(guess, timezone=timezone) - guess))


def day_number(local_s: ArrayLike) -> NDArray[np.int64]:
    """Return the local day, counted from 1970-01-01."""
    return np.asarray(np.asarray(local_s, dtype=np.int64) // DAY_S)


def weekday(day: ArrayLike, *, timezone: str) -> NDArray[np.int64]:
    """Return the weekday of local days, Monday 0 to Sunday 6; a public holiday is lived as a Sunday."""
    days = np.asarray(day, dtype=np.int64)
    return np.where(np.isin(days, _holidays(timezone)), SUNDAY, (days + EPOCH.weekday()) % 7)


def is_day_off(day: ArrayLike, *, timezone: str) -> NDArray[np.bool_]:
    """Tell which local days are weekends or public holidays."""
    return np.asarray(weekday(day, timezone=timezone) >= SATURDAY)


def hour_of_day(local_s: ArrayLike) -> NDArray[np.float64]:
    """Return hours since local midnight, in [0, 24)."""
    return np.asarray((np.asarray(local_s, dtype=np.int64) % DAY_S) / HOUR_S, dtype=np.float64)


@lru_cache(maxsize=32)
def _holidays(timezone: str) -> NDArray[np.int64]:
    return np.array(sorted((day - EPOCH).days for day in public_holidays(timezone)), dtype=np.int64)


@lru_cache(maxsize=32)
def _offsets(timezone: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Instants from which a UTC offset holds, and the offsets; to the quarter hour, one change in a week at most."""
    zone = ZoneInfo(timezone)

    def offset_s(instant_s: int) -> int:
        offset = datetime.fromtimestamp(instant_s, UTC).astimezone(zone).utcoffset() or timedelta(0)
        return int(offset.total_seconds())

    first = int(datetime(FIRST_YEAR, 1, 1, tzinfo=UTC).timestamp())
    last = int(datetime(LAST_YEAR, 1, 1, tzinfo=UTC).timestamp())
    starts, offsets = [first], [offset_s(first)]
    for week in range(first + WEEK_S, last, WEEK_S):
        if offset_s(week) != offsets[-1]:
            quarters = range(week - WEEK_S + QUARTER_S, week + 1, QUARTER_S)
            starts.append(quarters[bisect_left(quarters, True, key=lambda at: offset_s(at) != offsets[-1])])
            offsets.append(offset_s(week))
    return np.array(starts, dtype=np.int64), np.array(offsets, dtype=np.int64)
