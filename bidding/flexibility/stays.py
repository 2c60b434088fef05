"""Aggregation of one-way devices that may come and go inside the window.

Devices are grouped by the steps they take part in (their stay). Within a stay UL-flexibility is exact, and bounds on
the energy in a set A of steps add up over stays: p(A) = Σ_stays l[|A ∩ stay|], b(A) = Σ_stays u[|A ∩ stay|].
There are at most T(T+1)/2 stays, so everything after grouping is independent of the number of devices.

Source: Mukhi et al., aggregate flexibility as generalised polymatroids (the charging-only short form, grouped by
arrival and departure); UL vectors from arXiv 2310.02729.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np

from bidding.flexibility.subsets import SubsetBounds, subset_sums
from bidding.flexibility.ul import Floats, Integers, ul_vectors_by_group, weighted_counts
from bidding.flexibility.window import Sessions, Window, window_devices

MOST_STEPS = 20
"""2^20 subsets take 8 MB and about 30 ms per scenario; longer windows are for the linear programme."""


class WindowTooLongError(ValueError):
    """The window has more steps than subsets of steps can be enumerated for."""


@dataclass(frozen=True, slots=True)
class StayVectors:
    """UL vectors per scenario and stay, and energy that cannot move.

    `u_kwh` and `l_kwh` are (S, T+1, T+1, T+1): scenario, first step, last step (exclusive), k. `fixed_kwh` is (S, T).
    """

    u_kwh: Floats
    l_kwh: Floats
    fixed_kwh: Floats

    @property
    def steps(self) -> int:
        """T, the number of steps of the window."""
        return int(self.fixed_kwh.shape[-1])

    def __add__(self, other: "StayVectors") -> "StayVectors":
        return StayVectors(
            u_kwh=self.u_kwh + other.u_kwh,
            l_kwh=self.l_kwh + other.l_kwh,
            fixed_kwh=self.fixed_kwh + other.fixed_kwh,
        )

    def select(self, scenarios: slice | Integers) -> "StayVectors":
        """Some of the scenarios."""
        return StayVectors(
            u_kwh=self.u_kwh[scenarios], l_kwh=self.l_kwh[scenarios], fixed_kwh=self.fixed_kwh[scenarios]
        )

    def least_kwh(self) -> Floats:
        """Least energy in every subset of the steps, (S, 2^T)."""
        return _over_subsets(self.l_kwh, self.fixed_kwh)

    def most_kwh(self) -> Floats:
        """Most energy in every subset of the steps, (S, 2^T)."""
        return _over_subsets(self.u_kwh, self.fixed_kwh)

    def bounds(self) -> SubsetBounds:
        """Least and most energy in every subset of the steps, (S, 2^T)."""
        return SubsetBounds(least_kwh=self.least_kwh(), most_kwh=self.most_kwh())


def stay_vectors(sessions: Sessions, window: Window) -> StayVectors:
    """Aggregate sessions by scenario and stay."""
    devices = window_devices(sessions, window)
    scenario, scenarios, steps = sessions.scenario, sessions.scenarios, window.steps
    edges = steps + 1
    stay = devices.first_step * edges + devices.last_step
    occurs = np.bincount(stay, minlength=edges * edges) > 0
    first, last = np.divmod(np.flatnonzero(occurs), edges)
    place = (np.cumsum(occurs) - 1)[stay]
    vectors = ul_vectors_by_group(
        group=place if scenario is None else scenario * len(first) + place,
        groups=scenarios * len(first),
        power_min_kw=devices.power_min_kw,
        power_max_kw=devices.power_max_kw,
        energy_min_kwh=devices.energy_min_kwh,
        energy_max_kwh=devices.energy_max_kwh,
        steps=np.tile(last - first, scenarios),
        step_hours=window.step_hours,
    )

    def by_stay(occurring_kwh: Floats) -> Floats:
        result = np.zeros((scenarios, edges, edges, edges))
        flat_after = np.pad(occurring_kwh, ((0, 0), (0, edges - occurring_kwh.shape[1])), mode="edge")
        result[:, first, last] = flat_after.reshape(scenarios, len(first), edges)
        return result

    row = 0 if scenario is None else scenario * steps
    arrival_step = np.maximum(devices.first_step - 1, 0)
    fixed = weighted_counts(row + arrival_step, devices.fixed_first_kwh, scenarios * steps)
    fixed += weighted_counts(row + devices.departure_step, devices.fixed_last_kwh, scenarios * steps)
    return StayVectors(u_kwh=by_stay(vectors.u_kwh), l_kwh=by_stay(vectors.l_kwh), fixed_kwh=fixed.reshape(-1, steps))


def _over_subsets(vectors: Floats, fixed: Floats) -> Floats:
    """Evaluate Σ_stays vectors[|A ∩ stay|] for all A, the window cut in a low and a high half.

    A stay inside one half depends on that half of A alone. A stay across the cut depends on how many steps A has
    between its start and the cut and between the cut and its end, which makes it a bilinear form of one-hot counts: two
    matrix products instead of 2^T lookups per stay.
    """
    steps = fixed.shape[-1]
    if steps > MOST_STEPS:
        raise WindowTooLongError(
            f"a window of {steps} steps has too many subsets to enumerate (at most {MOST_STEPS} steps); "
            "use longer steps or the linear programme"
        )
    scenarios = fixed.shape[0]
    cut = steps // 2
    low, high = _stays_within(cut), _stays_within(steps - cut)
    low_part = vectors[:, low.first, low.last, : cut + 1].reshape(scenarios, -1) @ low.counts
    high_part = vectors[:, cut + high.first, cut + high.last, : steps - cut + 1].reshape(scenarios, -1) @ high.counts
    total = high_part[:, :, None] + low_part[:, None, :]
    if cut:
        across = _across_cut(vectors, cut)
        from_start, to_end = _counts_to_cut(cut), _counts_from_cut(steps - cut)
        total += to_end.T @ (across @ from_start)
    return total.reshape(scenarios, -1) + subset_sums(fixed)


def _across_cut(vectors: Floats, cut: int) -> Floats:
    """Weights (S, ends·counts, starts·counts) of stays that begin before and end after the cut."""
    steps = vectors.shape[-1] - 1
    after = steps - cut
    first = np.arange(cut)[None, None, :, None]
    last = np.arange(cut + 1, steps + 1)[:, None, None, None]
    count = np.arange(after + 1)[None, :, None, None] + np.arange(cut + 1)[None, None, None, :]
    weights: Floats = vectors[:, first, last, np.minimum(count, steps)]
    return weights.reshape(len(vectors), after * (after + 1), cut * (cut + 1))


@dataclass(frozen=True, slots=True)
class _HalfStays:
    first: Integers
    last: Integers
    counts: Floats


@cache
def _stays_within(steps: int) -> _HalfStays:
    """All stays inside a half, with one-hot counts (stays·(steps+1), 2^steps)."""
    pairs = np.array([(first, last) for first in range(steps) for last in range(first + 1, steps + 1)], np.int64)
    first, last = pairs.reshape(-1, 2).T
    return _HalfStays(first=first, last=last, counts=_one_hot_counts(first, last, steps))


@cache
def _counts_to_cut(steps: int) -> Floats:
    first = np.arange(steps)
    return _one_hot_counts(first, np.full(steps, steps), steps)


@cache
def _counts_from_cut(steps: int) -> Floats:
    return _one_hot_counts(np.zeros(steps, np.int64), np.arange(1, steps + 1), steps)


def _one_hot_counts(first: Integers, last: Integers, steps: int) -> Floats:
    inside = (np.arange(steps) >= first[:, None]) & (np.arange(steps) < last[:, None])
    count = subset_sums(inside.astype(np.float64))
    one_hot: Floats = (count[:, None, :] == np.arange(steps + 1)[None, :, None]).astype(np.float64)
    return one_hot.reshape(-1, 2**steps)
