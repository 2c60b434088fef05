"""Sessions around a window, known, planned or drawn for its scenarios, and what they draw when nobody intervenes."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Self

import numpy as np
from numpy.typing import NDArray

from bidding.forecast.baselines import PriceCurve, arrival_kwh, price_kwh

Floats = NDArray[np.float64]
Seconds = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Sessions:
    """n sessions whose energy fits their stay; arrays of shape (n,). `floor_kw` is 0 for cars that can pause."""

    plug_in_s: Seconds
    plug_out_s: Seconds
    energy_kwh: Floats
    power_kw: Floats
    floor_kw: Floats
    v2g: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.plug_in_s)

    @classmethod
    def joined(cls, parts: Sequence["Sessions"]) -> Self:
        """Return the rows of all parts, one after the other."""
        return cls(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(cls)))

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_] | slice) -> "Sessions":
        """Return the chosen rows."""
        return Sessions(*(getattr(self, field.name)[rows] for field in fields(self)))

    def cheapest_kwh(self, edges_s: Seconds, prices: PriceCurve) -> Floats:
        """Return the energy per period in the cheapest PTUs of each stay, (n, periods); on arrival without a pause."""
        columns = self.plug_in_s, self.energy_kwh, self.power_kw, edges_s
        cheapest_kwh = price_kwh(self.plug_in_s, self.plug_out_s, *columns[1:], prices=prices)
        return np.where(self.floor_kw[:, None] > 0, arrival_kwh(*columns), cheapest_kwh)
