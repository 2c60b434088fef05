"""Charging sessions as columns: what drivers, reservations and timetables ask of the fleet."""

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Seconds = npt.NDArray[np.int64]
Integers = npt.NDArray[np.int64]

MINUTE = 60
SHORTEST_STAY = 3 * MINUTE
NOT_DECLARED = 0


@dataclass(frozen=True, slots=True)
class Sessions:
    """n sessions ordered by plug-in; every column has shape (n,).

    `asset` is the position in the portfolio's order. Instants are UTC seconds on whole minutes. `need_kwh` is what the
    car takes at the charger until it is content, `power_kw` what car and charger can do together. Cars with a known
    battery (shared cars, buses) also have the level they arrive with when they left content before, the level they must
    leave with, and the energy of the trip before. The others have NaN there, and 0 for the trip.
    """

    asset: Integers
    plug_in: Seconds
    plug_out: Seconds
    need_kwh: Floats
    power_kw: Floats
    arrival_kwh: Floats
    target_kwh: Floats
    trip_kwh: Floats
    declared_departure: Seconds
    driver: Integers

    def __len__(self) -> int:
        return len(self.asset)

    def take(self, chosen: npt.NDArray[np.bool_] | Integers) -> "Sessions":
        """Return the chosen rows."""
        return Sessions(*(getattr(self, field.name)[chosen] for field in fields(self)))

    @property
    def possible_kwh(self) -> Floats:
        """What each car could take in its stay at full power: min(need, power x stay)."""
        return np.minimum(self.need_kwh, self.power_kw * (self.plug_out - self.plug_in) / 3600)


def plain_sessions(
    *, asset: Integers, plug_in: Seconds, plug_out: Seconds, need_kwh: Floats, power_kw: Floats, driver: Integers
) -> Sessions:
    """Return sessions of cars whose battery nobody knows."""
    unknown = np.full(len(asset), np.nan)
    return Sessions(
        asset=asset,
        plug_in=plug_in,
        plug_out=plug_out,
        need_kwh=need_kwh,
        power_kw=power_kw,
        arrival_kwh=unknown,
        target_kwh=unknown,
        trip_kwh=np.zeros(len(asset)),
        declared_departure=np.full(len(asset), NOT_DECLARED, dtype=np.int64),
        driver=driver,
    )


def joined(parts: list[Sessions]) -> Sessions:
    """Return all sessions of `parts` ordered by plug-in, then asset."""
    columns = {field.name: np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Sessions)}
    everything = Sessions(**columns)
    return everything.take(np.lexsort((everything.asset, everything.plug_in)))


def whole_minutes(seconds: Seconds) -> Seconds:
    """Return the instants cut to the minute."""
    cut: Seconds = seconds // MINUTE * MINUTE
    return cut


def one_car_at_a_time(sessions: Sessions) -> Sessions:
    """Return the sessions with each cut off where the next car plugs in at the same charger; very short ones go."""
    order = np.lexsort((sessions.plug_in, sessions.asset))
    ordered = sessions.take(order)
    is_same = np.append(ordered.asset[1:] == ordered.asset[:-1], False)
    following = np.append(ordered.plug_in[1:], 0)
    ends = np.where(is_same, np.minimum(ordered.plug_out, following), ordered.plug_out)
    columns = {field.name: getattr(ordered, field.name) for field in fields(Sessions)} | {"plug_out": ends}
    return joined([Sessions(**columns).take(ends - ordered.plug_in >= SHORTEST_STAY)])


def with_declarations(sessions: Sessions, *, share: float, generator: np.random.Generator) -> Sessions:
    """Return the sessions where a `share` of drivers says when they leave (rounded to a quarter, 20 minutes off)."""
    n = len(sessions)
    guess = sessions.plug_out + generator.normal(0, 20 * MINUTE, n)
    rounded = (np.round(guess / 900) * 900).astype(np.int64)
    declared = np.maximum(rounded, (sessions.plug_in // 900 + 1) * 900)
    columns = {field.name: getattr(sessions, field.name) for field in fields(Sessions)}
    columns["declared_departure"] = np.where(generator.random(n) < share, declared, NOT_DECLARED)
    return Sessions(**columns)
