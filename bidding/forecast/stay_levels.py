"""Calibration of forecasts made of weighted samples: levels mean what they say when past outcomes fell evenly in them.

Share R(p) of past outcomes fell in the lowest part p of their forecasts. Giving the samples that hold that part the
weight R(p) instead of p makes every level true on the past (recalibration by the probability integral transform,
Kuleshov, Fenner and Ermon 2018; Gneiting, Balabdaoui and Raftery 2007 for the transform). A prior of forecasts that are
right keeps few outcomes from bending much.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

GRID = np.linspace(0.0, 1.0, 41)
PRIOR_OUTCOMES = 40


@dataclass(frozen=True, slots=True, eq=False)
class Levels:
    """`share[i]` of past outcomes fell in the lowest `GRID[i]` of their forecast; from 0 to 1."""

    share: Floats

    @classmethod
    def of(cls, values: Floats, weight: Floats, outcome: Floats) -> "Levels":
        """Measure where outcomes (n,) fell in n forecasts of weighted samples (n, k), each with some weight.

        An outcome equal to samples lies anywhere in their part with equal probability.
        """
        total = weight.sum(axis=1)
        below = (weight * (values < outcome[:, None])).sum(axis=1) / total
        equal = (weight * (values == outcome[:, None])).sum(axis=1) / total
        part = np.divide(
            GRID[None, :] - below[:, None],
            equal[:, None],
            out=np.where(GRID[None, :] >= below[:, None], 1.0, 0.0),
            where=equal[:, None] > 0,
        )
        share = (np.clip(part, 0.0, 1.0).sum(axis=0) + PRIOR_OUTCOMES * GRID) / (len(outcome) + PRIOR_OUTCOMES)
        share[0], share[-1] = 0.0, 1.0
        return cls(share=share)

    def corrected(self, values: Floats, weight: Floats) -> Floats:
        """Return weights (m, k) under which forecasts (m, k) have the levels they claim; rows add up to 1."""
        order = np.argsort(values, axis=1, kind="stable")
        level = np.cumsum(np.take_along_axis(weight, order, axis=1), axis=1)
        level = np.interp(level / level[:, -1:], GRID, self.share)
        result = np.empty_like(weight)
        np.put_along_axis(result, order, np.diff(level, axis=1, prepend=0.0), axis=1)
        return result
