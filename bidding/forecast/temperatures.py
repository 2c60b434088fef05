"""Outdoor temperatures in the two forms that forecasts take them: a mean per day, and what heat pumps need of power."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bidding.flexibility.heat_pump import cop_at
from bidding.forecast.local_time import day_number, local_seconds

Floats = NDArray[np.float64]

INDOORS_C = 20.0
FEWEST_HOURS = 12
"""Of a day, before its mean says something of the day."""


def day_means_c(hours_c: Mapping[int, float], *, timezone: str) -> dict[int, float]:
    """Return the mean temperature by local day number, from temperatures by the start of their hour.

    Days of which too little is known are left out.
    """
    if not hours_c:
        return {}
    day = day_number(local_seconds(list(hours_c), timezone=timezone))
    days, place, hours = np.unique(day, return_inverse=True, return_counts=True)
    means_c = np.bincount(place, weights=list(hours_c.values())) / hours
    return {int(one): float(mean) for one, mean, many in zip(days, means_c, hours, strict=True) if many >= FEWEST_HOURS}


def heating_need(outdoor_c: ArrayLike) -> Floats:
    """Return what keeping a house warm takes of electric power, up to a factor that is the house's own.

    Heat lost goes with the difference to indoors, and a heat pump gives less of it for a kilowatt when it is cold out:
    at -5 °C a house takes four times what it takes at 10 °C.
    """
    outdoor = np.asarray(outdoor_c, dtype=np.float64)
    return np.maximum(INDOORS_C - outdoor, 0.0) / cop_at(outdoor)
