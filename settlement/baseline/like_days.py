"""The baseline of assets without sessions: the mean of the same PTU on the last like days.

This is High X of Y with X = Y, the "10 in 10" of CAISO (4 in 4 for weekends and holidays): the simplest member of the
family, and without the upward bias of taking only the highest days. Days on which the group was activated are left out,
because they show the response and not the habit. No same-day adjustment is made: it could be steered.
"""

from collections.abc import Callable, Collection
from datetime import date, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from aggregator.core.holidays import public_holidays
from aggregator.core.ptu import MARKET_ZONE

Integers = NDArray[np.int64]
Mask = NDArray[np.bool_]

WORKDAYS = 10
DAYS_OFF = 4
FURTHEST_BACK_DAYS = 45
_SATURDAY = 5


def is_day_off(day: date) -> bool:
    """Tell whether a day is of a weekend or a public holiday."""
    return day.weekday() >= _SATURDAY or day in public_holidays(MARKET_ZONE.key)


def like_days(day: date, *, leave_out: Collection[date]) -> list[date]:
    """Return the last days of the same kind (workday or day off) before `day`, newest first."""
    wanted = DAYS_OFF if is_day_off(day) else WORKDAYS
    days = (day - timedelta(days=back) for back in range(1, FURTHEST_BACK_DAYS + 1))
    return [other for other in days if is_day_off(other) == is_day_off(day) and other not in leave_out][:wanted]


def same_ptus(ptu_starts: list[datetime], *, like: Callable[[date], list[date]]) -> list[list[datetime]]:
    """Return, for each PTU, the PTUs at the same local time on its like days (UTC, newest first).

    The hour that a clock change skips is read as the hour after it, the hour it repeats as its first pass.
    """
    found = []
    for start in ptu_starts:
        local = start.astimezone(MARKET_ZONE)
        found.append(
            [datetime.combine(day, local.time(), MARKET_ZONE).astimezone(start.tzinfo) for day in like(local.date())]
        )
    return found


def mean_wh(history_wh: Integers, is_known: Mask) -> tuple[Integers, Mask]:
    """Average over days, rounded down; shapes (days, assets, ptus) to (assets, ptus).

    Returns:
        The mean of the known values, and where there is one; a mean of nothing is zero and not known.
    """
    count = is_known.sum(axis=0)
    total = np.where(is_known, history_wh, 0).sum(axis=0)
    return total // np.maximum(count, 1), count > 0
