"""The calendar of a backtest: one window per like day of the data, in local time, without the holes in the data."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from bidding.backtest.options import BacktestOptions

GAP = timedelta(days=7)
"""Without a single plug-in in the whole set for longer than this, the set has no data: not an empty day."""

SATURDAY = 5


@dataclass(frozen=True, slots=True)
class BacktestWindow:
    """One block of one local day."""

    starts_s: int
    ends_s: int
    is_weekend: bool
    is_warm_up: bool


@dataclass(frozen=True, slots=True)
class Calendar:
    """Windows in order of time, how many fell in a hole of the data, and the plug-ins of the whole set, sorted."""

    windows: tuple[BacktestWindow, ...]
    skipped_in_gaps: int
    set_plug_in_s: NDArray[np.int64]


def calendar(*, first_plug_in_s: int, set_plug_in_s: NDArray[np.int64], options: BacktestOptions) -> Calendar:
    """List the windows from the first plug-in to the last plug-in of the set.

    Args:
        first_plug_in_s: first plug-in of the sessions replayed; the warm-up counts from here.
        set_plug_in_s: plug-ins of the whole set, sorted: it has data where it has any.
        options: window, days, timezone and warm-up.
    """
    last_s = int(set_plug_in_s[-1])
    warm_from_s = first_plug_in_s + int(options.warm_up.total_seconds())
    windows: list[BacktestWindow] = []
    skipped = 0
    for day in _days(first_plug_in_s, last_s, options):
        starts_s = _local_s(day, options.window.starts_minute, options.timezone)
        crosses_midnight = options.window.ends_minute <= options.window.starts_minute
        ends_on = day + timedelta(days=1) if crosses_midnight else day
        ends_s = _local_s(ends_on, options.window.ends_minute, options.timezone)
        if starts_s < first_plug_in_s or ends_s > last_s or ends_s <= starts_s:
            continue
        if _in_gap(starts_s, ends_s, set_plug_in_s):
            skipped += 1
            continue
        windows.append(
            BacktestWindow(
                starts_s=starts_s,
                ends_s=ends_s,
                is_weekend=day.weekday() >= SATURDAY,
                is_warm_up=starts_s < warm_from_s,
            )
        )
    return Calendar(windows=tuple(windows), skipped_in_gaps=skipped, set_plug_in_s=set_plug_in_s)


def _days(first_s: int, last_s: int, options: BacktestOptions) -> Iterator[date]:
    zone = ZoneInfo(options.timezone)
    day = datetime.fromtimestamp(first_s, zone).date()
    last = datetime.fromtimestamp(last_s, zone).date()
    wanted = {"weekdays": (False,), "weekends": (True,), "all": (False, True)}[options.days]
    while day <= last:
        if (day.weekday() >= SATURDAY) in wanted:
            yield day
        day += timedelta(days=1)


def _local_s(day: date, minute: int, timezone: str) -> int:
    days, minutes = divmod(minute, 24 * 60)
    local = datetime.combine(day + timedelta(days=days), time(minutes // 60, minutes % 60), ZoneInfo(timezone))
    return int(local.astimezone(UTC).timestamp())


def _in_gap(starts_s: int, ends_s: int, set_plug_in_s: NDArray[np.int64]) -> bool:
    """Tell whether some of the window lies between two plug-ins of the set that are too far apart."""
    first = max(int(np.searchsorted(set_plug_in_s, starts_s, side="right")) - 1, 0)
    last = min(int(np.searchsorted(set_plug_in_s, ends_s, side="left")), len(set_plug_in_s) - 1)
    return bool(np.any(np.diff(set_plug_in_s[first : last + 1]) > GAP.total_seconds()))
