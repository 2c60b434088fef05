"""Reading how cold it was and will be, as far as it is known at a moment."""

from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from aggregator.core.interval import Interval
from aggregator.core.ptu import PTU
from bidding.forecast.temperatures import heating_need
from bidding.models import OutdoorTemperature

Floats = NDArray[np.float64]

HOUR = timedelta(hours=1)
MOST_FACTOR = 3.0
"""After warm days what ran was hot water, which says little of how much heating takes."""


def hours_c(*, period: Interval, now: datetime) -> dict[int, float]:
    """Return the temperature of each hour of a period as known at `now`, by its start in epoch seconds (1 query)."""
    known = (
        OutdoorTemperature.objects.filter(
            starts_at__gt=period.starts_at - HOUR, starts_at__lt=period.ends_at, known_at__lte=now
        )
        .order_by("starts_at", "-known_at")
        .distinct("starts_at")
        .values_list("starts_at", "celsius")
    )
    return {int(starts_at.timestamp()): float(celsius) for starts_at, celsius in known}


def heating_factor(*, period: Interval, days: int, now: datetime) -> Floats:
    """Return by how much more heat pumps take in each PTU of `period` than they took on average in the days before.

    One where temperatures are not known for it and for each of those days.
    """
    reach = Interval(period.starts_at - timedelta(days=days), period.ends_at)
    known_c = hours_c(period=reach, now=now)
    hours_s = np.array([int(piece.starts_at.timestamp()) // 3600 * 3600 for piece in period.steps(PTU)])
    needs = np.array(
        [[known_c.get(int(hour_s) - day * 86_400, np.nan) for hour_s in hours_s] for day in range(days + 1)]
    )
    need = heating_need(needs)
    usual = need[1:].mean(axis=0)
    is_known = np.isfinite(need[0]) & (usual > 0)
    return np.where(is_known, np.minimum(need[0] / np.where(is_known, usual, 1.0), MOST_FACTOR), 1.0)
