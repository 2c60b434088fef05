"""Least and most energy a group can take in every subset of a window's steps: the exact form all devices share.

A group's reachable profiles are {u : p(A) ≤ u(A) ≤ b(A) for every set A of steps}, a generalised polymatroid, when
each device has bounds on power and on cumulative energy. Such sets add up by adding p and b, and stay of this kind when
each step is capped (a connection's limit).

Source: Mukhi et al. on generalised polymatroids of distributed resources (sum theorem); intersection with a box: Frank,
"Connections in combinatorial optimization", 2011, chapter 14.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import ArrayLike

from bidding.flexibility.ul import Floats


@dataclass(frozen=True, slots=True)
class SubsetBounds:
    """p and b as arrays (..., 2^T): bit t of the last index says whether the set holds step t."""

    least_kwh: Floats
    most_kwh: Floats

    @property
    def steps(self) -> int:
        """T, the number of steps."""
        return int(self.least_kwh.shape[-1]).bit_length() - 1

    def __add__(self, other: "SubsetBounds") -> "SubsetBounds":
        return SubsetBounds(
            least_kwh=self.least_kwh + other.least_kwh,
            most_kwh=self.most_kwh + other.most_kwh,
        )

    def total(self) -> "SubsetBounds":
        """The groups of the first axis taken together."""
        return SubsetBounds(least_kwh=self.least_kwh.sum(axis=0), most_kwh=self.most_kwh.sum(axis=0))

    def deliverable_reduce_kw(self, *, baseline_kw: ArrayLike, step_hours: float) -> Floats:
        """Most power by which consumption can stay below the baseline (..., T) in every step."""
        baseline_kwh = subset_sums(np.asarray(baseline_kw, np.float64) * step_hours)
        return least_mean_kw(baseline_kwh - self.least_kwh, step_hours=step_hours)

    def deliverable_increase_kw(self, *, baseline_kw: ArrayLike, step_hours: float) -> Floats:
        """Most power by which consumption can stay above the baseline (..., T) in every step."""
        baseline_kwh = subset_sums(np.asarray(baseline_kw, np.float64) * step_hours)
        return least_mean_kw(self.most_kwh - baseline_kwh, step_hours=step_hours)

    def flat_cap_kw(self, *, step_hours: float) -> Floats:
        """Lowest power that never needs to be exceeded in any step."""
        return -least_mean_kw(-self.least_kwh, step_hours=step_hours)

    def max_constant_kw(self, *, step_hours: float) -> Floats:
        """Largest power that can be held in every step."""
        return least_mean_kw(self.most_kwh, step_hours=step_hours)

    def within_limits(self, *, max_import_kw: ArrayLike, max_export_kw: ArrayLike, step_hours: float) -> "SubsetBounds":
        """The same group behind a connection with limits per direction, scalars or (T,).

        p'(A) = max over B of p(B) - import(B without A) - export(A without B), b' likewise:
        one step at a time, since the limits add up over steps.
        """
        imports = np.broadcast_to(np.asarray(max_import_kw, np.float64) * step_hours, (self.steps,))
        exports = np.broadcast_to(np.asarray(max_export_kw, np.float64) * step_hours, (self.steps,))
        most = _boxed(self.most_kwh, upper=imports, lower=-exports)
        least = -_boxed(-self.least_kwh, upper=exports, lower=-imports)
        return SubsetBounds(least_kwh=least, most_kwh=most)


def subset_sums(values: Floats) -> Floats:
    """Sum of (..., T) values over every subset of the last axis: (..., 2^T)."""
    sums = np.zeros((*values.shape[:-1], 1))
    for step in range(values.shape[-1]):
        sums = np.concatenate((sums, sums + values[..., step : step + 1]), axis=-1)
    return sums


@cache
def subset_sizes(steps: int) -> Floats:
    """Number of steps in every subset: (2^T,)."""
    sizes = subset_sums(np.ones(steps))
    sizes.flags.writeable = False
    return sizes


def least_mean_kw(room_kwh: Floats, *, step_hours: float) -> Floats:
    """Most power that fits in every step when each subset A of them leaves `room_kwh` (..., 2^T).

    min over A of room(A) / (|A|·Δt).
    """
    steps = int(room_kwh.shape[-1]).bit_length() - 1
    return np.asarray(np.min(room_kwh[..., 1:] / (subset_sizes(steps)[1:] * step_hours), axis=-1))


def _boxed(most: Floats, *, upper: Floats, lower: Floats) -> Floats:
    result = most.copy()
    for step in range(len(upper)):
        pairs = result.reshape(*result.shape[:-1], -1, 2, 2**step)
        without, including = pairs[..., 0, :].copy(), pairs[..., 1, :]
        np.minimum(without, including - lower[step], out=pairs[..., 0, :])
        np.minimum(including, without + upper[step], out=including)
    return result
