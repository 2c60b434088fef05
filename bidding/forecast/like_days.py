"""Which past days resemble the day of a window, and how much each counts."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bidding.forecast.local_time import DAY_S, day_number, is_day_off, local_seconds, utc_seconds, weekday

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

MOST_DAYS = 60
HALF_LIFE_DAYS = 14.0
"""Charging fleets change within weeks (season, growth, school holidays): two weeks back counts half. Quantile losses
were lower with 14 than with 28 or 45 days in most comparisons (docs/reliability.md)."""

OTHER_WEEKDAY = 0.5
"""A Tuesday for a Friday counts half."""

DATA_GAP_S = 7 * DAY_S
"""Without a single plug-in for longer than this there is no data, rather than an empty day."""

TEMPERATURE_ALIKE_K = 4.0


@dataclass(frozen=True, slots=True, eq=False)
class LikeDays:
    """D past days, ascending; `starts_s` (D,) is the same local window on each, `weight` (D,) adds up to 1."""

    starts_s: Integers
    weight: Floats

    def __len__(self) -> int:
        return len(self.starts_s)

    @property
    def effective_days(self) -> float:
        """Number of equally weighted days that say as much: 1 / Σ w² (Kish)."""
        return float(1 / np.sum(self.weight**2)) if len(self.weight) else 0.0


def like_days(
    plug_in_s: Integers,
    *,
    now_s: int,
    starts_s: int,
    ends_s: int,
    timezone: str,
    outdoor_c: Mapping[int, float] | None = None,
) -> LikeDays:
    """List past days of the same kind (working day or day off) with the same local window over at bidding time.

    Args:
        plug_in_s: all plug-ins known, ascending: there is data where there are any.
        now_s: bidding time.
        starts_s: start of the window.
        ends_s: its end.
        timezone: in which days repeat.
        outdoor_c: mean outdoor temperature by local day number; days unlike the window's in it count less. Days
            missing from it keep their weight.
    """
    local_s = int(local_seconds(starts_s, timezone=timezone))
    today = int(day_number(local_s))
    if not len(plug_in_s):
        return LikeDays(starts_s=np.zeros(0, dtype=np.int64), weight=np.zeros(0))
    first_day = max(today - 2 * MOST_DAYS, int(day_number(local_seconds(plug_in_s[0], timezone=timezone))) + 1)
    days = np.arange(first_day, today)
    days = days[is_day_off(days, timezone=timezone) == is_day_off(today, timezone=timezone)]
    day_starts_s = utc_seconds(local_s + (days - today) * DAY_S, timezone=timezone)
    over = (day_starts_s + (ends_s - starts_s) <= now_s) & ~_in_gap(day_starts_s, plug_in_s)
    days, day_starts_s = days[over][-MOST_DAYS:], day_starts_s[over][-MOST_DAYS:]
    is_same_weekday = weekday(days, timezone=timezone) == weekday(today, timezone=timezone)
    weight = 0.5 ** ((today - days) / HALF_LIFE_DAYS) * np.where(is_same_weekday, 1.0, OTHER_WEEKDAY)
    if outdoor_c is not None and today in outdoor_c:
        apart_k = np.array([outdoor_c.get(int(day), outdoor_c[today]) - outdoor_c[today] for day in days])
        weight = weight * np.exp(-0.5 * (apart_k / TEMPERATURE_ALIKE_K) ** 2)
    return LikeDays(starts_s=day_starts_s, weight=weight / weight.sum() if len(weight) else weight)


def _in_gap(instants_s: Integers, plug_in_s: Integers) -> NDArray[np.bool_]:
    after = np.searchsorted(plug_in_s, instants_s, side="right")
    before_s = plug_in_s[np.maximum(after - 1, 0)]
    next_s = plug_in_s[np.minimum(after, len(plug_in_s) - 1)]
    return np.asarray(next_s - before_s > DATA_GAP_S)
