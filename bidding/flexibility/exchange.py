"""Improve a capped charging plan by exchanging energy between steps: exact for a group cap.

Energy moves from step a to step b through a car that draws in a and has room in b. Along a chain of such moves a dear
step gives to a cheap one that still has room under its cap, while the capped steps in between keep their totals. The
gain is the difference of the end prices alone, so only reachability matters: a small graph over the steps. "Not
served yet" is one more step, dearer than all; when it cannot reach any step with room, the cars cannot be served
(minimum cut). With connection limits every move keeps them, but a chain that needs room at a full connection is not
found.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from bidding.flexibility.ul import Floats, Integers

NEGLIGIBLE_KWH = 1e-7
"""Amounts below a tenth of a milliwatt-hour are not worth a move."""

Bits = NDArray[np.uint64]


@dataclass(slots=True)
class Plan:
    """Energy above the floor, as it is being improved; arrays (steps, devices) unless said otherwise.

    Attributes:
        drawn_kwh: Energy per step; the last row is what each device is short of.
        room_kwh: What could still be added; zero in the last row.
        spare_kwh: Room under the group cap (steps,).
        price: Price per step, and infinity for being short (steps + 1,).
        site: Connection of each device (devices,), or None.
        site_spare_kwh: Room under each connection's limit (sites, steps).
    """

    drawn_kwh: Floats
    room_kwh: Floats
    spare_kwh: Floats
    price: Floats
    site: Integers | None
    site_spare_kwh: Floats


def improve(plan: Plan) -> None:
    """Move energy to cheaper steps, in place, until no chain of moves gains anything."""
    graph = _Graph(plan)
    for target in np.argsort(plan.price[:-1], kind="stable"):
        while plan.spare_kwh[target] > NEGLIGIBLE_KWH:
            chain = graph.dearest_chain_to(int(target))
            if len(chain) == 0 or not _push(plan, chain):
                break
            graph.refresh(chain)


class _Graph:
    """Which step can give to which, as bits over devices so that an update costs microseconds."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._gives = _as_bits(plan.drawn_kwh > NEGLIGIBLE_KWH)
        self._takes = _as_bits(self._can_take(slice(None)))
        self._edges = _any_common(self._gives, self._takes)

    def dearest_chain_to(self, target: int) -> list[int]:
        """Steps from the dearest that can reach the target, to the target; empty when none is dearer."""
        price = self._plan.price
        toward = np.full(len(price), -1)
        toward[target] = target
        frontier = np.array([target])
        while frontier.size:
            reaching = self._edges[:, frontier]
            new = np.flatnonzero(reaching.any(axis=1) & (toward < 0))
            toward[new] = frontier[np.argmax(reaching[new], axis=1)]
            frontier = new
        reached = np.flatnonzero(toward >= 0)
        source = int(reached[np.argmax(price[reached])])
        if price[source] <= price[target]:
            return []
        chain = [source]
        while chain[-1] != target:
            chain.append(int(toward[chain[-1]]))
        return chain

    def refresh(self, steps: list[int]) -> None:
        """Follow changes in some steps."""
        plan = self._plan
        self._gives[steps] = _as_bits(plan.drawn_kwh[steps] > NEGLIGIBLE_KWH)
        self._takes[steps] = _as_bits(self._can_take(steps))
        self._edges[steps] = _any_common(self._gives[steps], self._takes)
        self._edges[:, steps] = _any_common(self._gives, self._takes[steps])

    def _can_take(self, steps: slice | list[int]) -> NDArray[np.bool_]:
        plan = self._plan
        room = plan.room_kwh[steps] > NEGLIGIBLE_KWH
        if plan.site is not None:
            spare = np.column_stack((plan.site_spare_kwh, np.zeros(len(plan.site_spare_kwh))))
            room &= (spare.T > NEGLIGIBLE_KWH)[steps][:, plan.site]
        return np.asarray(room)


def _as_bits(flags: NDArray[np.bool_]) -> Bits:
    """Rows of flags (…, devices), 64 in a number."""
    packed = np.zeros((len(flags), -(-flags.shape[1] // 64) * 8), np.uint8)
    packed[:, : -(-flags.shape[1] // 8)] = np.packbits(flags, axis=1)
    return packed.view(np.uint64)


def _any_common(rows: Bits, columns: Bits) -> NDArray[np.bool_]:
    """Whether any device has its bit set in both, for every pair: (rows, columns)."""
    result = np.empty((len(rows), len(columns)), np.bool_)
    few, many, out = (rows, columns, result) if len(rows) <= len(columns) else (columns, rows, result.T)
    for place, bits in enumerate(few):
        out[place] = (bits & many).any(axis=1)
    return result


def _push(plan: Plan, chain: list[int]) -> bool:
    """Move as much as the chain allows, beginning at its end; says whether that was worth it.

    What a link can move only grows when the link after it has moved, so all links are measured first.
    """
    links = [(source, target, _movable(plan, source, target)) for source, target in pairwise(chain)]
    running = [np.cumsum(movable) for *_, movable in links]
    amount = min(plan.spare_kwh[chain[-1]], *(total[-1] for total in running))
    if amount <= NEGLIGIBLE_KWH:
        return False
    for (source, target, movable), total in zip(reversed(links), reversed(running), strict=True):
        enough = int(np.searchsorted(total, amount)) + 1
        cars = np.flatnonzero(movable[:enough])
        moved = np.minimum(movable[cars], amount - (total[cars] - movable[cars]))
        plan.drawn_kwh[source, cars] -= moved
        plan.drawn_kwh[target, cars] += moved
        plan.room_kwh[target, cars] -= moved
        if source < len(plan.spare_kwh):
            plan.room_kwh[source, cars] += moved
        if plan.site is not None:
            by_site = np.bincount(plan.site[cars], weights=moved, minlength=len(plan.site_spare_kwh))
            plan.site_spare_kwh[:, target] -= by_site
            if source < len(plan.spare_kwh):
                plan.site_spare_kwh[:, source] += by_site
    plan.spare_kwh[chain[-1]] -= amount
    if chain[0] < len(plan.spare_kwh):
        plan.spare_kwh[chain[0]] += amount
    return True


def _movable(plan: Plan, source: int, target: int) -> Floats:
    movable: Floats = np.minimum(plan.drawn_kwh[source], plan.room_kwh[target])
    if plan.site is None:
        return movable
    return first_in_order(
        movable, np.argsort(plan.site, kind="stable"), plan.site_spare_kwh[plan.site, target], plan.site
    )


def first_in_order(want: Floats, order: Integers, limit: Floats | float, group: Integers | None) -> Floats:
    """Serve wants (n,) in order until a limit is used up: one for all, or (n,) one per group in turn."""
    sorted_want = want[order]
    before = np.cumsum(sorted_want) - sorted_want
    if group is not None:
        starts = np.flatnonzero(np.diff(group[order], prepend=-1))
        before = before - np.repeat(before[starts], np.diff(starts, append=len(order)))
    own_limit = limit[order] if isinstance(limit, np.ndarray) else limit
    take = np.empty(want.shape)
    take[order] = np.clip(own_limit - before, 0.0, sorted_want)
    return take
