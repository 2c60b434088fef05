"""A made-up Dutch outdoor temperature: season, day and slow weather, the same for the same seed and instant."""

import numpy as np
import numpy.typing as npt

_YEAR = 365.25 * 86_400
_COLDEST = 20 * 86_400
_PERIODS_DAYS = (3.3, 5.1, 8.7)
_SLOW_KELVIN = 1.6


def outdoor_c(utc_seconds: npt.NDArray[np.int64], *, seed: int) -> npt.NDArray[np.float64]:
    """Return the temperature at each instant, in degrees Celsius: yearly mean 10.5, coldest around 20 January."""
    seconds = utc_seconds.astype(np.float64)
    season = 10.5 - 7.5 * np.cos(2 * np.pi * (seconds - _COLDEST) / _YEAR)
    day = -2.2 * np.cos(2 * np.pi * (seconds / 86_400 - 3 / 24))
    phases = np.random.default_rng([seed, 2]).uniform(0, 2 * np.pi, len(_PERIODS_DAYS))
    slow = sum(
        _SLOW_KELVIN * np.sin(2 * np.pi * seconds / (period * 86_400) + phase)
        for period, phase in zip(_PERIODS_DAYS, phases, strict=True)
    )
    total: npt.NDArray[np.float64] = season + day + slow
    return total
