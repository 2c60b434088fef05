"""Cars and buses at their plugs: power limits, the 6 A floor, energy back to the grid, drivers first.

One vectorised model for all kinds. A car whose battery nobody knows is a store that is empty at plug-in and content at
its need; a shared car or bus has its real level and must reach its target by departure. Powers are at the charger, in
kW, positive from the grid; levels are in the store, in kWh.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Booleans = npt.NDArray[np.bool_]
Integers = npt.NDArray[np.int64]

NO_DEPARTURE = np.iinfo(np.int64).max
_TOLERANCE_KWH = 1e-9


@dataclass(frozen=True, slots=True)
class PlugTraits:
    """What never changes of n plugs, each (n,). `efficiency` is one way: the root of the round trip."""

    max_export_kw: Floats
    floor_kwh: Floats
    efficiency: Floats
    can_pause: Booleans


@dataclass(slots=True)
class PlugState:
    """What changes of n plugs, each (n,).

    `session` is the row of the session at the plug, or -1. `level_kwh` stays after plug-out: the next trip starts with
    it. `minimum_kw` is the 6 A floor of the car, 0 where it has none. `departure` is when a car that must reach its
    target leaves, in UTC seconds, and `NO_DEPARTURE` for the others.
    """

    session: Integers
    level_kwh: Floats
    arrival_kwh: Floats
    target_kwh: Floats
    max_import_kw: Floats
    minimum_kw: Floats
    departure: Integers
    imported_kwh: Floats
    exported_kwh: Floats

    @classmethod
    def empty(cls, n: int) -> "PlugState":
        """Return n plugs without cars."""
        zeros = [np.zeros(n) for _ in range(7)]
        return cls(
            session=np.full(n, -1, dtype=np.int64),
            level_kwh=zeros[0],
            arrival_kwh=zeros[1],
            target_kwh=zeros[2],
            max_import_kw=zeros[3],
            minimum_kw=zeros[4],
            departure=np.full(n, NO_DEPARTURE, dtype=np.int64),
            imported_kwh=zeros[5],
            exported_kwh=zeros[6],
        )


def step(*, state: PlugState, traits: PlugTraits, limit_kw: Floats, now: int, hours: float) -> Floats:
    """Move all plugs through one step that starts at `now` (UTC seconds) and return their mean power, (n,).

    `limit_kw` is NaN where no setpoint is in force; >= 0: take at most this; < 0: feed in this much. A car that must
    reach its target never falls so low that full power until departure would not do, and never below its floor.
    """
    plugged = state.session >= 0
    efficiency = traits.efficiency
    room = np.where(plugged, np.maximum(state.target_kwh - state.level_kwh, 0.0), 0.0)
    wanted = np.minimum(state.max_import_kw, room / (efficiency * hours))
    limit = np.where(np.isnan(limit_kw), np.inf, limit_kw)

    power = _above_the_floor(
        np.minimum(wanted, np.maximum(limit, 0.0)), wanted=wanted, minimum=state.minimum_kw, can_pause=traits.can_pause
    )

    left_hours = np.maximum((state.departure - now) / 3600 - hours, 0.0)
    needed_level = np.where(
        state.departure == NO_DEPARTURE, 0.0, state.target_kwh - efficiency * state.max_import_kw * left_hours
    )
    must_take = np.clip((needed_level - state.level_kwh) / (efficiency * hours), 0.0, wanted)
    power = np.maximum(power, must_take)

    spare = np.maximum(state.level_kwh - np.maximum(needed_level, traits.floor_kwh), 0.0)
    feed_in = np.minimum(np.minimum(np.maximum(-limit, 0.0), traits.max_export_kw), spare * efficiency / hours)
    power = np.where(plugged & (limit < 0) & (power <= 0), -feed_in, power)

    state.level_kwh += np.where(power >= 0, power * efficiency, power / efficiency) * hours
    state.imported_kwh += np.maximum(power, 0.0) * hours
    state.exported_kwh += np.maximum(-power, 0.0) * hours
    return power


def _above_the_floor(power: Floats, *, wanted: Floats, minimum: Floats, can_pause: Booleans) -> Floats:
    """Return the power where no car charges with less than 6 A: it pauses, or keeps its floor when it cannot.

    A car that takes all it wants is not limited, so the last minute of a charge may be below the floor.
    """
    is_squeezed = (power < wanted) & (power < minimum)
    return np.where(is_squeezed, np.where(can_pause, 0.0, np.minimum(minimum, wanted)), power)


def shortfall_kwh(*, state: PlugState, traits: PlugTraits, plug: int, stay_hours: float) -> float:
    """Return what the leaving car misses at the charger, of what full power all its stay could have given."""
    efficiency = float(traits.efficiency[plug])
    arrival = float(state.arrival_kwh[plug])
    reachable = min(float(state.target_kwh[plug]), arrival + efficiency * float(state.max_import_kw[plug]) * stay_hours)
    missing = (reachable - float(state.level_kwh[plug])) / efficiency
    return missing if missing > _TOLERANCE_KWH else 0.0
