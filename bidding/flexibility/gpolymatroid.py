"""Exact aggregation of devices with energy bounds inside the window: two-way cars, batteries, buses, heat pumps.

For each device the least and most energy in a set of steps follow from a recursion over the steps; sums over devices
are exact. Enumerating all sets is meant for windows up to `ENUMERATED_STEPS`; longer ones go to the linear programme.

Source: Mukhi et al., generalised polymatroids of distributed energy resources (recursion and sum theorem).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from bidding.flexibility import lp
from bidding.flexibility.corridor import Corridor
from bidding.flexibility.subsets import SubsetBounds
from bidding.flexibility.ul import Floats, Integers

ENUMERATED_STEPS = 12
"""4,096 sets; 1,000 devices take about 0.2 s. Each step more doubles it."""

CHUNK_VALUES = 2**18
"""Table entries handled at once, 2 MB: the recursion is bound by memory, not arithmetic."""


@dataclass(frozen=True, slots=True)
class Deliverable:
    """What a fleet can hold in every step of a window."""

    reduce_kw: float
    increase_kw: float
    flat_cap_kw: float


def subset_bounds(
    corridor: Corridor, *, step_hours: float, group: Integers | None = None, groups: int = 1
) -> SubsetBounds:
    """Least (p) and most (b) energy of every group: arrays (groups, 2^T).

    Args:
        corridor: Devices (n, T) that each have at least one profile; see `Corridor.tightened`.
        step_hours: Length of a step.
        group: Group of each device (n,), for instance its scenario or site; None puts all in one.
        groups: Number of groups.
    """
    size = 2**corridor.steps
    least, most = np.zeros((groups, size)), np.zeros((groups, size))
    for rows in _chunks(corridor.devices, max(1, CHUNK_VALUES // size)):
        p, b = _recursion(corridor.select(rows), step_hours=step_hours)
        if group is None:
            least[0] += p.sum(axis=0)
            most[0] += b.sum(axis=0)
        else:
            np.add.at(least, group[rows], p)
            np.add.at(most, group[rows], b)
    return SubsetBounds(least_kwh=least, most_kwh=most)


def window_corridor(
    corridor: Corridor,
    *,
    start: int,
    stop: int,
    step_hours: float,
    lead_steps: int = 0,
    baseline_kw: Floats | None = None,
) -> Corridor:
    """Fold a horizon into its window: one step for what happens before, then the window's own (n, 1 + stop - start).

    The devices follow their baseline (n, T) until `lead_steps` before the window and are free from then on. What must
    or can still be done after the window is in the energy bounds. The first step of the result is not part of the
    window: leave it out with `window_bounds`.

    Raises:
        InfeasibleDeviceError: a device cannot get from its baseline to its own goals.
    """
    fixed = max(0, start - lead_steps)
    if fixed and baseline_kw is None:
        raise ValueError("devices follow their baseline before the lead begins; pass baseline_kw (n, T)")
    lower, upper = corridor.power_min_kw.copy(), corridor.power_max_kw.copy()
    if baseline_kw is not None:
        lower[:, :fixed] = upper[:, :fixed] = baseline_kw[:, :fixed]
    tight = Corridor(
        power_min_kw=lower,
        power_max_kw=upper,
        energy_min_kwh=corridor.energy_min_kwh,
        energy_max_kwh=corridor.energy_max_kwh,
    ).tightened(step_hours=step_hours)
    before = slice(start - 1, start) if start else slice(0, 0)
    zero = np.zeros((corridor.devices, 0 if start else 1))
    first_least = np.hstack((tight.energy_min_kwh[:, before], zero))
    first_most = np.hstack((tight.energy_max_kwh[:, before], zero))
    return Corridor(
        power_min_kw=np.hstack((first_least / step_hours, lower[:, start:stop])),
        power_max_kw=np.hstack((first_most / step_hours, upper[:, start:stop])),
        energy_min_kwh=np.hstack((first_least, tight.energy_min_kwh[:, start:stop])),
        energy_max_kwh=np.hstack((first_most, tight.energy_max_kwh[:, start:stop])),
    )


def window_bounds(
    folded: Corridor, *, step_hours: float, group: Integers | None = None, groups: int = 1
) -> SubsetBounds:
    """Bounds over the window's steps of corridors folded by `window_corridor`."""
    bounds = subset_bounds(folded, step_hours=step_hours, group=group, groups=groups)
    return SubsetBounds(least_kwh=bounds.least_kwh[..., ::2], most_kwh=bounds.most_kwh[..., ::2])


def deliverable(*, corridor: Corridor, baseline_kw: ArrayLike, step_hours: float) -> Deliverable:
    """What the fleet can hold in every step against a group baseline (T,), exactly: by enumeration, or LP when long."""
    if corridor.steps <= ENUMERATED_STEPS:
        bounds = subset_bounds(corridor, step_hours=step_hours).total()
        return Deliverable(
            reduce_kw=float(bounds.deliverable_reduce_kw(baseline_kw=baseline_kw, step_hours=step_hours)),
            increase_kw=float(bounds.deliverable_increase_kw(baseline_kw=baseline_kw, step_hours=step_hours)),
            flat_cap_kw=float(bounds.flat_cap_kw(step_hours=step_hours)),
        )
    return Deliverable(
        reduce_kw=lp.max_reduce_kw(corridor=corridor, baseline_kw=baseline_kw, step_hours=step_hours),
        increase_kw=lp.max_increase_kw(corridor=corridor, baseline_kw=baseline_kw, step_hours=step_hours),
        flat_cap_kw=lp.min_flat_cap_kw(corridor=corridor, step_hours=step_hours),
    )


def _chunks(count: int, size: int) -> Iterator[slice]:
    return (slice(start, start + size) for start in range(0, count, size))


def _recursion(corridor: Corridor, *, step_hours: float) -> tuple[Floats, Floats]:
    """Step by step (n, 2^T): add the step with its power bounds, then cut by the energy bounds at its end.

    Reversing the last axis turns a set into its complement among the steps so far.
    """
    p = b = np.zeros((corridor.devices, 1))
    for step in range(corridor.steps):
        lower = corridor.power_min_kw[:, step, None] * step_hours
        upper = corridor.power_max_kw[:, step, None] * step_hours
        p_open, b_open = np.hstack((p, p + lower)), np.hstack((b, b + upper))
        p = np.maximum(p_open, corridor.energy_min_kwh[:, step, None] - b_open[:, ::-1])
        b = np.minimum(b_open, corridor.energy_max_kwh[:, step, None] - p_open[:, ::-1])
    return p, b
