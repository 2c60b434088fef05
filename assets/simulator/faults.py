"""What goes wrong in the field, each switchable for a share of the fleet.

Every asset has at most one of the physical faults and at most one of the ways in which results come back wrong, drawn
from the seed alone. All but sleeping are worked out from the schedule and the minute, so a simulator that was killed
makes the same faults again. Precedents are named where they are known from the field.
"""

from dataclasses import dataclass, fields
from typing import Protocol

import numpy as np
import numpy.typing as npt

from assets.simulator.sessions import MINUTE, SHORTEST_STAY, Sessions

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]

FOLLOWS_LATE_SECONDS = 6 * MINUTE
RECONNECTS_EVERY_SECONDS = 3600
OFFLINE_EVERY_SECONDS = 2 * 3600
OFFLINE_SECONDS = 30 * MINUTE
SKEW_SECONDS = 3 * MINUTE
RESULT_LATE_SECONDS = 45 * MINUTE
TOO_OFTEN_SECONDS = 5 * MINUTE
ENDS_EARLY_AT = (0.2, 0.6)  # of the stay


@dataclass(frozen=True, slots=True)
class FaultShares:
    """Shares of the fleet, 0 to 1; of sessions for `session_ends`.

    Attributes:
        ignores: accepts every setpoint and does nothing.
        follows_late: does what it is told six minutes later.
        forgets_on_reconnect: reconnects once an hour and charges at full power until it is told again.
        drops_offline: reports nothing and hears nothing for half an hour in every two; keeps what it was told last.
        never_wakes: a car that does not charge again in its session once it was paused.
        clock_skew: its clock is three minutes fast, for what it reports and what it follows.
        too_often: refuses what comes within five minutes of the last (OCPI's TOO_OFTEN).
        results_late, results_twice, results_never: how the verdict on its setpoints comes back.
        session_ends: sessions that end long before anybody expects.
    """

    ignores: float = 0.0
    follows_late: float = 0.0
    forgets_on_reconnect: float = 0.0
    drops_offline: float = 0.0
    never_wakes: float = 0.0
    clock_skew: float = 0.0
    too_often: float = 0.0
    results_late: float = 0.0
    results_twice: float = 0.0
    results_never: float = 0.0
    session_ends: float = 0.0

    def __post_init__(self) -> None:
        """Refuse shares that are none, or that together are more than the fleet."""
        for names in (PHYSICAL, RESULTS, ("session_ends",)):
            shares = [getattr(self, name) for name in names]
            if any(not 0 <= share <= 1 for share in shares) or sum(shares) > 1 + 1e-9:
                raise ValueError(f"faults: {', '.join(names)} are shares from 0 to 1 that add up to at most 1.")

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """Return the names of all faults."""
        return tuple(field.name for field in fields(cls))


PHYSICAL = (
    "ignores",
    "follows_late",
    "forgets_on_reconnect",
    "drops_offline",
    "never_wakes",
    "clock_skew",
    "too_often",
)
RESULTS = ("results_late", "results_twice", "results_never")


def mixed_faults(share: float) -> FaultShares:
    """Return faults of all kinds for a share of the fleet, each as often as the others of its kind."""
    kinds = (PHYSICAL, RESULTS, ("session_ends",))
    return FaultShares(**{name: share / len(names) for names in kinds for name in names})


class Told(Protocol):
    """The schedule as faults need it: what is told, and by which setpoint, in the minute of an instant."""

    def at(self, minute: int) -> Floats:
        """Return the power each asset is told to keep, (n,) kW or NaN."""
        ...

    def owner_at(self, minute: int) -> Integers:
        """Return the setpoint that says so, (n,), -1 without one."""
        ...


class Faults:
    """Which of n assets has which fault, and what it makes of what the assets are told."""

    def __init__(self, *, shares: FaultShares, n: int, seed: int) -> None:
        generator = np.random.default_rng([seed, 3])
        self._has = {
            **_dealt(shares, PHYSICAL, generator.random(n)),
            **_dealt(shares, RESULTS, generator.random(n)),
        }
        self._offset = (generator.random(n) * OFFLINE_EVERY_SECONDS).astype(np.int64) // MINUTE * MINUTE
        self._is_physical = any(self._has[name].any() for name in PHYSICAL)
        self.session_ends = shares.session_ends
        self._seed = seed

    def has(self, fault: str) -> Booleans:
        """Return which assets have a fault, (n,)."""
        return self._has[fault]

    def offline(self, minute: int) -> Booleans:
        """Return which assets cannot be reached in a minute, (n,)."""
        return self._has["drops_offline"] & ((minute - self._offset) % OFFLINE_EVERY_SECONDS < OFFLINE_SECONDS)

    def heard(self, schedule: Told, minute: int) -> Floats:
        """Return what each asset believes it is told in the minute that starts at `minute`, (n,) kW or NaN."""
        if not self._is_physical:
            return schedule.at(minute)
        told = schedule.at(minute).copy()
        for fault, shift in (("follows_late", -FOLLOWS_LATE_SECONDS), ("clock_skew", SKEW_SECONDS)):
            told[self._has[fault]] = schedule.at(minute + shift)[self._has[fault]]
        self._forget(told, schedule, minute)
        for dropped in np.flatnonzero(self.offline(minute) & ~np.isnan(told)).tolist():
            since = (minute - int(self._offset[dropped])) % OFFLINE_EVERY_SECONDS
            told[dropped] = schedule.at(minute - since)[dropped]
        told[self._has["ignores"]] = np.nan
        return told

    def _forget(self, told: Floats, schedule: Told, minute: int) -> None:
        """Drop what was in force before an asset reconnected last (goecharger API, issue 217)."""
        since = (minute - self._offset) % RECONNECTS_EVERY_SECONDS
        for asset in np.flatnonzero(self._has["forgets_on_reconnect"] & ~np.isnan(told)).tolist():
            owner_then = schedule.owner_at(minute - int(since[asset]) - MINUTE)[asset]
            if owner_then >= 0 and owner_then == schedule.owner_at(minute)[asset]:
                told[asset] = np.nan

    def result_delay_s(self, asset: int) -> int:
        """Return how much later than usual the verdict on an asset's setpoint comes."""
        return RESULT_LATE_SECONDS if self._has["results_late"][asset] else 0

    def result_copies(self, asset: int) -> int:
        """Return how often that verdict is sent."""
        if self._has["results_never"][asset]:
            return 0
        return 2 if self._has["results_twice"][asset] else 1

    def cut_short(self, sessions: Sessions, *, since: int) -> Sessions:
        """Return the sessions with a share of those from `since` on ended early; whoever declared another time lied.

        Cars with a timetable or a reservation keep to it.
        """
        generator = np.random.default_rng([self._seed, 4])
        chosen = (generator.random(len(sessions)) < self.session_ends) & np.isnan(sessions.target_kwh)
        chosen &= sessions.plug_in >= since
        part = generator.uniform(*ENDS_EARLY_AT, len(sessions))
        stay = np.maximum((part * (sessions.plug_out - sessions.plug_in)).astype(np.int64), SHORTEST_STAY)
        early = sessions.plug_in + stay // MINUTE * MINUTE
        columns = {field.name: getattr(sessions, field.name) for field in fields(Sessions)}
        return Sessions(**columns | {"plug_out": np.where(chosen, early, sessions.plug_out)})


def _dealt(shares: FaultShares, names: tuple[str, ...], draw: Floats) -> dict[str, Booleans]:
    """Return for each fault which assets have it: consecutive pieces of one draw, so nobody has two."""
    edges = np.cumsum([0.0, *(getattr(shares, name) for name in names)])
    return {name: (draw >= low) & (draw < high) for name, low, high in zip(names, edges[:-1], edges[1:], strict=True)}
