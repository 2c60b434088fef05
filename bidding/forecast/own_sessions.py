"""What a car's card, or else its charger, did before: earlier sessions, latest first."""

import numpy as np
from numpy.typing import NDArray

from bidding.forecast.sessions import NO_CARD, SessionTable
from bidding.forecast.stays import Cars

STRIDE_S = 2**36
"""More seconds than two thousand years: charger or card and plug-in fit in one sortable number."""

Rows = NDArray[np.intp]
Mask = NDArray[np.bool_]


class OwnSessions:
    """A history sorted by charger, and by card where cards are told, each then by plug-in."""

    def __init__(self, history: SessionTable) -> None:
        self._by_charger = _Sorted(history.charger, history.plug_in_s)
        self._by_card = None if history.card is None else _Sorted(history.card, history.plug_in_s)

    def before(self, cars: Cars, count: int) -> tuple[Rows, Mask]:
        """Return the rows of the last `count` sessions before each car came, and whether there are so many.

        Those of the card, wherever it charged, when it was told and has charged before; else those at the charger.
        Shapes (m, count), the latest first; rows where there is none point anywhere.
        """
        rows, is_own = self._by_charger.before(cars.charger, cars.plug_in_s, count)
        if self._by_card is not None and cars.card is not None:
            of_card, is_cards = self._by_card.before(cars.card, cars.plug_in_s, count)
            knows = (cars.card != NO_CARD) & is_cards[:, 0]
            rows[knows], is_own[knows] = of_card[knows], is_cards[knows]
        return rows, is_own


class _Sorted:
    """Sessions sorted by who, then when."""

    def __init__(self, who: NDArray[np.int32], plug_in_s: NDArray[np.int64]) -> None:
        key = who.astype(np.int64) * STRIDE_S + plug_in_s
        self._who = who
        self._row = np.argsort(key, kind="stable")
        self._key = key[self._row]

    def before(self, who: NDArray[np.int32], plug_in_s: NDArray[np.int64], count: int) -> tuple[Rows, Mask]:
        place = np.searchsorted(self._key, who.astype(np.int64) * STRIDE_S + plug_in_s, side="left")
        places = place[:, None] - 1 - np.arange(count)
        rows = self._row[np.maximum(places, 0)]
        return rows, (places >= 0) & (self._who[rows] == who[:, None])
