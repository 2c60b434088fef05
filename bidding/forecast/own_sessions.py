"""Earlier sessions at the same charger, latest first."""

import numpy as np
from numpy.typing import NDArray

from bidding.forecast.sessions import SessionTable
from bidding.forecast.stays import Cars

CHARGER_STRIDE_S = 2**36
"""More seconds than two thousand years: charger and plug-in fit in one sortable number."""


class OwnSessions:
    """A history sorted by charger, then plug-in."""

    def __init__(self, history: SessionTable) -> None:
        key = history.charger.astype(np.int64) * CHARGER_STRIDE_S + history.plug_in_s
        self._history = history
        self._row = np.argsort(key, kind="stable")
        self._key = key[self._row]

    def before(self, cars: Cars, count: int) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
        """Return the rows of the last `count` sessions that began before each car came, and whether there are so many.

        Shapes (m, count), the latest first; rows where there is none point anywhere.
        """
        key = cars.charger.astype(np.int64) * CHARGER_STRIDE_S + cars.plug_in_s
        place = np.searchsorted(self._key, key, side="left")[:, None] - 1 - np.arange(count)
        rows = self._row[np.maximum(place, 0)]
        return rows, (place >= 0) & (self._history.charger[rows] == cars.charger[:, None])
