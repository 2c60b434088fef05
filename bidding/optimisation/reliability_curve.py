"""Kilowatts against probability: the distribution of what a group can deliver in every PTU of a window."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bidding.optimisation.small_samples import STANDARD_NORMAL

Floats = NDArray[np.float64]

DECIMALS = 3
"""Kept to the watt: enough for any product, short in JSON."""


@dataclass(frozen=True)
class ReliabilityCurve:
    """S scenarios of the block-minimum [kW], ascending and non-negative.

    The chance of delivering less than the k-th smallest is taken as k / (S + 1); between order statistics the curve
    is linear. Below the smallest it goes on as a normal law of the square root of the power, with the spread that lies
    between the smallest and the median: power is a sum over cars, and the root of a count of cars has nearly the same
    spread at any size (Bartlett 1936). Without it what is asked below the scenarios, as 99 % of few, would be no power,
    and a promise a little under the worst scenario would be one that no scenario breaks.
    """

    scenarios_kw: tuple[float, ...]

    @classmethod
    def of(cls, block_minimum_kw: ArrayLike) -> Self:
        """Build a curve from scenarios in any order; negative powers count as zero."""
        ordered = np.sort(np.maximum(np.asarray(block_minimum_kw, dtype=np.float64), 0.0))
        return cls(tuple(np.round(ordered, DECIMALS).tolist()))

    @cached_property
    def _powers(self) -> Floats:
        return np.concatenate([[0.0], np.asarray(self.scenarios_kw, dtype=np.float64)])

    @property
    def mean_kw(self) -> float:
        """Mean over the scenarios."""
        return float(np.mean(self._powers[1:])) if self.scenarios_kw else 0.0

    @property
    def largest_kw(self) -> float:
        """What the best scenario delivers."""
        return float(self._powers[-1])

    @cached_property
    def _tail(self) -> tuple[float, float, float]:
        """Score and root [sqrt(kW)] of the smallest scenario, and the roots per score below it."""
        count = len(self.scenarios_kw)
        if not count:
            return 0.0, 0.0, 0.0
        middle = (count + 1) // 2
        score, middle_score = (STANDARD_NORMAL.inv_cdf(place / (count + 1)) for place in (1, middle))
        root, middle_root = np.sqrt(self._powers[[1, middle]]).tolist()
        return score, root, (middle_root - root) / (middle_score - score) if middle > 1 else 0.0

    def power_kw(self, miss_share: ArrayLike) -> Floats:
        """Return the power that falls short with this probability; shape as given, 0 at no probability."""
        share = np.clip(np.asarray(miss_share, dtype=np.float64), 0.0, 1.0)
        place = share * len(self._powers)
        powers_kw = np.asarray(np.interp(place, np.arange(len(self._powers)), self._powers))
        below = (place < 1) & (share > 0)
        if below.any():
            score, root, slope = self._tail
            scores = np.fromiter(map(STANDARD_NORMAL.inv_cdf, share[below]), dtype=np.float64)
            powers_kw[below] = np.maximum(root + slope * (scores - score), 0.0) ** 2
        return np.where(share > 0, powers_kw, 0.0)

    def miss_share(self, power_kw: float) -> float:
        """Return the largest miss share whose power is still at most `power_kw`: the inverse of `power_kw`."""
        place = int(np.searchsorted(self._powers, power_kw + 10.0**-DECIMALS / 2, side="right")) - 1
        if place >= len(self._powers) - 1:
            return (len(self._powers) - 1) / len(self._powers)
        if place == 0:
            score, root, slope = self._tail
            return STANDARD_NORMAL.cdf(score + (math.sqrt(max(power_kw, 0.0)) - root) / slope) if slope > 0 else 0.0
        low, high = self._powers[place], self._powers[place + 1]
        part = min(max(power_kw - low, 0.0) / (high - low), 1.0)
        return float((place + part) / len(self._powers))

    def scaled(self, factor: float, *, at_most_kw: float = math.inf) -> "ReliabilityCurve":
        """Return the curve with every power multiplied, and cut off at a most."""
        return ReliabilityCurve(tuple(np.round(np.minimum(factor * self._powers[1:], at_most_kw), DECIMALS).tolist()))

    def points(self, probabilities: Sequence[float]) -> tuple[tuple[float, float], ...]:
        """Return (probability of delivering, kW) pairs, for charts."""
        powers = self.power_kw(1.0 - np.asarray(probabilities, dtype=np.float64))
        return tuple((float(p), round(float(kw), DECIMALS)) for p, kw in zip(probabilities, powers, strict=True))
