"""What drivers declared, and from when on it was known: the past seen with no more than could be known then."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from bidding.forecast.own_sessions import STRIDE_S

Floats = NDArray[np.float64]
Seconds = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Declarations:
    """n declarations sorted by session, then by when they were told; arrays of shape (n,). Made by `of`.

    Attributes:
        session: charger and plug-in as one number.
        told_s: when it was heard, UTC epoch seconds.
        plug_out_s: the departure declared, UTC epoch seconds; NaN when not said.
        energy_kwh: the energy declared, counted from plug-in; NaN when not said.
    """

    session: Seconds
    told_s: Seconds
    plug_out_s: Floats
    energy_kwh: Floats

    @classmethod
    def of(
        cls,
        *,
        charger: NDArray[np.int32],
        plug_in_s: Seconds,
        told_s: Seconds,
        plug_out_s: Floats,
        energy_kwh: Floats,
    ) -> Self:
        """Return declarations in any order, of sessions named by charger and plug-in."""
        session = _session(charger, plug_in_s)
        order = np.lexsort((told_s, session))
        return cls(session[order], told_s[order], plug_out_s[order], energy_kwh[order])

    @classmethod
    def none(cls) -> Self:
        """Return those of drivers who never say anything."""
        nothing = np.zeros(0)
        return cls(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), nothing, nothing)

    @classmethod
    def joined(cls, groups: "Sequence[Declarations]", *, first_charger: Sequence[int]) -> Self:
        """Return those of groups whose chargers are numbered on from each `first_charger`, ascending."""
        return cls(
            session=np.concatenate(
                [group.session + first * STRIDE_S for group, first in zip(groups, first_charger, strict=True)]
            ),
            told_s=np.concatenate([group.told_s for group in groups]),
            plug_out_s=np.concatenate([group.plug_out_s for group in groups]),
            energy_kwh=np.concatenate([group.energy_kwh for group in groups]),
        )

    def known_at(self, charger: NDArray[np.int32], plug_in_s: Seconds, *, now_s: int) -> tuple[Floats, Floats]:
        """Return the departure and energy last declared of each of m sessions by `now_s`, (m,) each; NaN where none."""
        told = np.flatnonzero(self.told_s <= now_s)
        wanted = _session(charger, plug_in_s)
        place = np.searchsorted(self.session[told], wanted, side="right") - 1
        row = told[np.maximum(place, 0)] if len(told) else np.zeros(len(wanted), dtype=np.intp)
        is_said = (place >= 0) & (self.session[row] == wanted) if len(told) else np.zeros(len(wanted), dtype=np.bool_)
        plug_out_s, energy_kwh = (np.full(len(wanted), np.nan) for _ in range(2))
        plug_out_s[is_said], energy_kwh[is_said] = self.plug_out_s[row[is_said]], self.energy_kwh[row[is_said]]
        return plug_out_s, energy_kwh


def _session(charger: NDArray[np.int32], plug_in_s: Seconds) -> Seconds:
    return np.asarray(charger.astype(np.int64) * STRIDE_S + plug_in_s)
