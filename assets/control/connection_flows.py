"""What setpoints ask of a connection, either way: power that is fed in, and power that assets are charged with. Pure.

From 0 a setpoint is a ceiling: it only takes away from what an asset takes by itself, so it asks nothing of the
connection, and to be left alone is always open. A battery rests by itself: what it is charged with is asked.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from aggregator.core.units import kilowatt

Integers = NDArray[np.int64]
Names = NDArray[np.str_]


class Flow(IntEnum):
    """A way through a connection; its value is the sign of the power."""

    FEEDING_IN = -1
    CHARGING = 1

    def part_w(self, asked_w: Integers) -> Integers:
        """Return what of some powers flows this way, never negative."""
        return np.asarray(np.maximum(self.value * asked_w, 0))


@dataclass(frozen=True, slots=True, eq=False)
class ConnectionFlow:
    """One way through one connection in T quarter hours.

    Attributes:
        ean: the connection.
        flow: which way.
        most_w: what setpoints may ask together.
        told_w: what each asset is told so far, (T,), by its id; who is told nothing may be absent.
    """

    ean: str
    flow: Flow
    most_w: int
    told_w: Mapping[int, Integers]

    def taken_w(self, asset_ids: Collection[int]) -> Integers:
        """Return what some assets take of it by what they are told, (T,)."""
        return np.asarray(sum((self.flow.part_w(self.told_w[one]) for one in asset_ids if one in self.told_w), ZERO))

    def room_w(self, asset_ids: Collection[int]) -> Integers:
        """Return what some assets may take of it beside what all others are told, (T,)."""
        return np.asarray(np.maximum(self.most_w - self.taken_w(self.told_w.keys() - set(asset_ids)), 0))

    def too_much_for_it(self, asked_w: Mapping[int, Integers]) -> dict[int, str]:
        """Return which assets would take it beyond what it carries, and why.

        Who asks no more than it is told already is never among them: the safe side stays open.

        Args:
            asked_w: what a plan asks of assets behind it, (T,), by their id.
        """
        planned_w = np.asarray(sum((self.flow.part_w(power_w) for power_w in asked_w.values()), ZERO))
        is_over = planned_w > np.maximum(self.room_w(asked_w), self.taken_w(asked_w))
        if not is_over.any():
            return {}
        total_w = _kw(int((planned_w + self.taken_w(self.told_w.keys() - asked_w.keys()))[is_over].max()))
        why = f"Connection {self.ean}: " + (
            f"{total_w} would be fed in; at most {_kw(self.most_w)} is allowed."
            if self.flow == Flow.FEEDING_IN
            else f"batteries would be charged with {total_w}; at most {_kw(self.most_w)} is left beside what"
            " the other assets there may take."
        )
        return {
            one: why
            for one, power_w in asked_w.items()
            if (self.flow.part_w(power_w) > self.taken_w([one]))[is_over].any()
        }


ZERO = np.zeros(1, dtype=np.int64)


def asked_of_connection_w(*, power_w: Integers, alone_w: Integers | int) -> Integers:
    """Return what setpoints ask: below 0 fed in, above 0 charged with, and 0 for a ceiling.

    Args:
        power_w: what assets are told.
        alone_w: the setpoint that would leave each to its own ways.
    """
    return np.asarray(np.where(power_w < 0, power_w, np.maximum(power_w - alone_w, 0)))


def fitting_w(*, wanted_w: Integers, places: Names, room_w: Mapping[str, int]) -> Integers:
    """Return what fits of what assets want, shape (n,), first come first: the last that fits gets a part.

    Args:
        wanted_w: what each would take, shape (n,).
        places: the connection of each, shape (n,).
        room_w: what each connection has left; one that is not named has room for all.
    """
    fits_w = wanted_w.copy()
    for ean, most_w in room_w.items():
        inside = np.flatnonzero(places == ean)
        before_w = np.cumsum(wanted_w[inside]) - wanted_w[inside]
        fits_w[inside] = np.clip(most_w - before_w, 0, wanted_w[inside])
    return fits_w


def _kw(power_w: int) -> str:
    return f"{kilowatt(power_w):,} kW"
