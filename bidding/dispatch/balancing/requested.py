"""What TenneT's setpoints of a time come to: energy in W*s, exact. Pure.

A setpoint counts from its instant to that of the next one, and no longer than a setpoint may be old. Instants count by
their whole second, so that every stretch of a quarter hour is whole and they add up.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TypeVar

from aggregator.core.interval import Interval
from bidding.dispatch.balancing.shares import asked_w, shares_w

K = TypeVar("K")


@dataclass(frozen=True, slots=True)
class Told:
    """A setpoint that came in one or more cycles: in that at `at` first, in that at `last_at` last.

    `delta_w` is by how much to consume more (above 0) or less; `cycles` is in how many it came.
    """

    at: datetime
    last_at: datetime
    delta_w: int
    cycles: int


@dataclass(frozen=True, slots=True)
class Requested:
    """The energy of a period per direction, in W*s, at least 0."""

    reduce_ws: int
    increase_ws: int


def stretches(told: Sequence[Told], period: Interval, *, longest_age: timedelta) -> Iterator[tuple[int, int]]:
    """Return for how many seconds each setpoint counts in `period`, and what it asks.

    `told` is in order, and has what came just before the period too. Where nothing was heard there is no stretch.
    """
    starts_s, ends_s = _second(period.starts_at), _second(period.ends_at)
    limits = [_second(after.at) for _, after in pairwise(told)] + [ends_s] * min(len(told), 1)
    for one, limit_s in zip(told, limits, strict=True):
        until_s = min(limit_s, _second(one.last_at + longest_age), ends_s)
        seconds = until_s - max(_second(one.at), starts_s)
        if seconds > 0:
            yield seconds, one.delta_w


def requested(told: Sequence[Told], period: Interval, *, longest_age: timedelta) -> Requested:
    """Return what the pool was asked in a period; arguments as for `stretches`."""
    found = list(stretches(told, period, longest_age=longest_age))
    return Requested(
        reduce_ws=sum(seconds * asked_w(delta_w, "reduce") for seconds, delta_w in found),
        increase_ws=sum(seconds * asked_w(delta_w, "increase") for seconds, delta_w in found),
    )


def shares_ws(
    told: Sequence[Told], period: Interval, *, direction: str, parts_w: Mapping[K, int], longest_age: timedelta
) -> dict[K, int]:
    """Return what each group was asked in a period, never beyond its part; arguments as for `stretches`."""
    total_ws = dict.fromkeys(parts_w, 0)
    for seconds, delta_w in stretches(told, period, longest_age=longest_age):
        for key, share_w in shares_w(asked_w(delta_w, direction), parts_w).items():
            total_ws[key] += seconds * share_w
    return total_ws


def least_asked_w(told: Sequence[Told], period: Interval, *, direction: str, longest_age: timedelta) -> int:
    """Return the least that was asked in a direction all through a period; 0 where nothing was heard for a while."""
    found = list(stretches(told, period, longest_age=longest_age))
    if sum(seconds for seconds, _ in found) < _second(period.ends_at) - _second(period.starts_at):
        return 0
    return min((asked_w(delta_w, direction) for _, delta_w in found), default=0)


def most_asked_w(told: Sequence[Told], period: Interval, *, direction: str, longest_age: timedelta) -> int:
    """Return the most that was heard to be asked in a direction at any moment of a period."""
    return max(
        (asked_w(delta_w, direction) for _, delta_w in stretches(told, period, longest_age=longest_age)), default=0
    )


def lost_cycles(told: Sequence[Told], period: Interval, *, cycle: timedelta) -> int:
    """Return how many of the cycles of a period never came; those of `told` that began in it did."""
    came = sum(one.cycles for one in told if period.starts_at <= one.at < period.ends_at)
    return max(-(-period.duration // cycle) - came, 0)


def _second(instant: datetime) -> int:
    return int(instant.timestamp() // 1)
