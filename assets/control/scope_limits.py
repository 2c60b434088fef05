"""What a group, a partner, a connection and the whole fleet may be asked at once: caps over many assets. Pure.

Power *moved* is how far a setpoint may take an asset from what it does by itself: the worst case, because a limit of
0 W moves nothing at an empty charger. Counting it needs no forecast, so it holds whatever a forecast says.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from aggregator.core.units import kilowatt
from assets.control.reversals import may_turn

Integers = NDArray[np.int64]
Names = NDArray[np.str_]

SECONDS_PER_MINUTE = 60


class ScopeKind(StrEnum):
    """What a limit is about."""

    FLEET = "fleet"
    GROUP = "group"
    PARTNER = "partner"
    CONNECTION = "connection"


@dataclass(frozen=True, slots=True)
class ScopeLimit:
    """One row of `SteeringLimit`; None sets no limit. `key` names the part, empty for the fleet."""

    kind: ScopeKind
    key: str = ""
    max_moved_w: int | None = None
    max_step_w: int | None = None
    max_ramp_w_per_minute: int | None = None
    max_reversals_per_hour: int | None = None
    ramp_s: int | None = None
    max_import_w: int | None = None
    max_export_w: int | None = None


FLEET_DEFAULT = ScopeLimit(
    ScopeKind.FLEET,
    max_moved_w=100_000_000,
    max_step_w=20_000_000,
    max_ramp_w_per_minute=10_000_000,
    max_reversals_per_hour=4,
    ramp_s=120,
)
"""Safe for a fleet of some ten thousand assets; a simulated attack by 30 MW of cars upset a grid that bore 48 MW of
ordinary load (Sayed et al.), so more than this should be somebody's decision, in a row with a reason."""


@dataclass(frozen=True, slots=True, eq=False)
class Standing:
    """n assets as they stand when a plan is made for them; arrays of shape (n,), in the order of `asset_ids`.

    Attributes:
        alone_w: the setpoint that leaves each to its own ways.
        told_w: what it is told for the moment the plan starts.
        before_w: what it is told just before that, or now when the plan starts at once.
        moved_w: the most that its standing setpoint moves in the plan's period.
        reversals: turns in the past hour.
        last_change: sign of its last change, 0 without one.
        keys: the part each asset belongs to, per kind of scope.
        others_w: what assets outside the plan are moved by, per scope.
        others_step_w: by how much they are taken further out when the plan starts, per scope.
    """

    asset_ids: Integers
    alone_w: Integers
    told_w: Integers
    before_w: Integers
    moved_w: Integers
    reversals: Integers
    last_change: Integers
    keys: Mapping[ScopeKind, Names]
    others_w: Mapping[tuple[ScopeKind, str], int]
    others_step_w: Mapping[tuple[ScopeKind, str], int] = field(default_factory=dict)

    def is_in(self, limit: ScopeLimit) -> NDArray[np.bool_]:
        """Return which assets a limit is about, shape (n,)."""
        return _is_in(limit, self.keys, len(self.asset_ids))

    def moved_room_w(self, limit: ScopeLimit) -> float:
        """Return what these assets together may be moved by under a limit."""
        if limit.max_moved_w is None:
            return np.inf
        return max(limit.max_moved_w - self.others_w.get((limit.kind, limit.key), 0), 0)

    def step_room_w(self, limit: ScopeLimit, *, ramp_s: int) -> float:
        """Return what these assets together may change at once under a limit."""
        return max(step_room_w(limit, ramp_s=ramp_s) - self.others_step_w.get((limit.kind, limit.key), 0), 0.0)


def ramp_of(limits: Iterable[ScopeLimit]) -> int:
    """Return the seconds in which assets may start and return at random: the shortest ramp of those that apply."""
    return min((limit.ramp_s for limit in limits if limit.ramp_s is not None), default=0)


def reversals_of(limits: Iterable[ScopeLimit]) -> int | None:
    """Return how often an asset may be turned in an hour, None without a limit."""
    return min((one.max_reversals_per_hour for one in limits if one.max_reversals_per_hour is not None), default=None)


def step_room_w(limit: ScopeLimit, *, ramp_s: int) -> float:
    """Return how much may change at one moment: within the step, and within the slope over the ramp.

    Without a ramp everything would change at once, in any slope whatever; a minute is the least that counts.
    """
    step_w = np.inf if limit.max_step_w is None else limit.max_step_w
    if limit.max_ramp_w_per_minute is None:
        return step_w
    return min(step_w, limit.max_ramp_w_per_minute * max(ramp_s / SECONDS_PER_MINUTE, 1.0))


def most_moved_w(
    *, limits: Sequence[ScopeLimit], keys: Mapping[ScopeKind, Names], taken_w: Integers, fed_in_w: Integers
) -> float:
    """Return the most that assets may be moved by together from one moment on: an upper bound of what can be sold.

    Orders for other assets may take from the same room, and limits of two kinds may hold back different assets.

    Args:
        limits: all that apply to any of the assets.
        keys: as in `Standing`.
        taken_w: what each can be moved by in what it takes, shape (n,).
        fed_in_w: what each can be moved by beyond that, by feeding in, shape (n,).
    """
    ramp_s = ramp_of(limits)
    rated_w = taken_w + fed_in_w
    held_back_w = dict.fromkeys(ScopeKind, 0.0)
    for limit in limits:
        room_w = min(np.inf if limit.max_moved_w is None else limit.max_moved_w, step_room_w(limit, ramp_s=ramp_s))
        inside = _is_in(limit, keys, len(rated_w))
        carried_w = _within(taken_w[inside], limit.max_import_w) + _within(fed_in_w[inside], limit.max_export_w)
        held_back_w[limit.kind] += max(float(rated_w[inside].sum()) - min(room_w, carried_w), 0.0)
    return float(rated_w.sum()) - max(held_back_w.values())


def _within(power_w: Integers, most_w: int | None) -> int:
    total_w = int(power_w.sum())
    return total_w if most_w is None else min(total_w, most_w)


def _is_in(limit: ScopeLimit, keys: Mapping[ScopeKind, Names], count: int) -> NDArray[np.bool_]:
    if limit.kind == ScopeKind.FLEET:
        return np.ones(count, dtype=np.bool_)
    return np.asarray(keys[limit.kind] == limit.key)


def outward_w(*, alone_w: Integers, told_w: Integers, power_w: Integers) -> Integers:
    """Return by how much a change takes each asset further from its own ways; returning counts for nothing."""
    load_w, stood_w = np.abs(power_w - alone_w), np.abs(told_w - alone_w)
    crosses = (power_w - alone_w) * (told_w - alone_w) < 0
    return np.asarray(np.where(crosses, load_w, np.maximum(load_w - stood_w, 0)))


def overloads(
    *, limits: Sequence[ScopeLimit], standing: Standing, first_w: Integers, moved_w: Integers, ramp_s: int
) -> Iterable[str]:
    """Yield a text for every limit that a plan would pass.

    A plan that moves its assets no further than they stand already is never refused: the safe side stays open.

    Args:
        limits: all that apply to any of the assets.
        standing: how the assets stand.
        first_w: what each is asked first, shape (n,).
        moved_w: the most each is moved by, shape (n,).
        ramp_s: in which they start at random, 0 when all start at once.
    """
    step_w = outward_w(alone_w=standing.alone_w, told_w=standing.before_w, power_w=first_w)
    for limit in limits:
        inside = standing.is_in(limit)
        name = f"{limit.kind} {limit.key}".strip()
        moved, stood = int(moved_w[inside].sum()), int(standing.moved_w[inside].sum())
        if limit.max_moved_w is not None and moved > max(standing.moved_room_w(limit), stood):
            others = standing.others_w.get((limit.kind, limit.key), 0)
            yield f"The {name} would be moved by {_kw(moved + others)}; at most {_kw(limit.max_moved_w)} is allowed."
        stepped = int(step_w[inside].sum())
        if stepped > standing.step_room_w(limit, ramp_s=ramp_s):
            others, most = standing.others_step_w.get((limit.kind, limit.key), 0), step_room_w(limit, ramp_s=ramp_s)
            yield f"The {name} would change by {_kw(stepped + others)} at once; at most {_kw(most)} is allowed."


def steps_too_far(*, limits: Sequence[ScopeLimit], standing: Standing, step_w: Integers) -> Iterable[str]:
    """Yield a text for every limit that a change of all assets at one moment, without a ramp, would pass."""
    for limit in limits:
        stepped, most = int(step_w[standing.is_in(limit)].sum()), step_room_w(limit, ramp_s=0)
        if stepped > most:
            name = f"{limit.kind} {limit.key}".strip()
            yield f"The {name} would change by {_kw(stepped)} at once; at most {_kw(most)} is allowed."


def _kw(power_w: float) -> str:
    return f"{kilowatt(round(power_w)):,} kW"


def turned_too_often(*, limits: Sequence[ScopeLimit], standing: Standing, first_w: Integers) -> Integers:
    """Return the assets that a plan would turn round once too often.

    To be left alone, or to rest after feeding in, is always allowed.
    """
    most = reversals_of(limits)
    if most is None:
        return np.zeros(0, dtype=np.int64)
    may = may_turn(
        reversals=standing.reversals,
        last_change=standing.last_change.astype(np.float64),
        change_kw=(first_w - standing.told_w).astype(np.float64),
        most_per_hour=most,
    )
    is_safe = (first_w == standing.alone_w) | ((standing.told_w < 0) & (first_w == 0))
    return np.asarray(standing.asset_ids[~may & ~is_safe])
