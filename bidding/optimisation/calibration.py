"""Learning from realised windows how far below its own forecast a bid must stay.

Three corrections, each from windows whose outcome is known, newer ones counting more:

1. *Realised share*: what was really deliverable over what was forecast. Scenarios know every departure; dispatch does
   not. The forecast curve is multiplied by this share (never above one).
2. *Level*: the chance, by that curve, at which past outcomes fell. Its normal scores give location and spread, and a
   Student prediction bound for the next window is the level to bid at: wider while few windows are known.
3. *Conditional on bidding*: only windows in which this level would have led to a bid take part. Windows without a bid
   keep no promise and cannot make up for broken ones.

Sources: calibration of predictive distributions, Dawid (1984), Gneiting, Balabdaoui, Raftery (2007); distributional
conformal prediction, Chernozhukov, Wüthrich, Zhu (2021).
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from bidding.optimisation.order_statistics import STANDARD_NORMAL, student_quantile
from bidding.optimisation.reliability_curve import ReliabilityCurve

Floats = NDArray[np.float64]

SHARE_HALF_LIFE = 20
SHARE_PRIOR_WINDOWS = 3.0
"""The forecast itself counts as this many windows in which it came true."""

LEVEL_HALF_LIFE = 60
LEVEL_PRIOR_WINDOWS = 10.0
"""The forecast's own claim of being calibrated counts as this many windows."""

FEWEST_WINDOWS = 8
"""Known outcomes before the first bid."""

LOWEST_SCORE = -4.0
LEVELS = np.concatenate([[1e-4, 3e-4, 1e-3, 2e-3, 4e-3, 7e-3], np.arange(1, 61) / 100])
ROUNDS = 3
"""The level decides which windows count, and they decide the level: repeated until it hardly moves."""


@dataclass(frozen=True, slots=True)
class Margin:
    """How a forecast curve becomes a bid.

    Attributes:
        realised_share: factor on the curve.
        miss_share: level to read the scaled curve at; 0 while there is too little to go by.
        windows: known outcomes.
        windows_with_bid: of these, where this level would have led to a bid.
    """

    realised_share: float
    miss_share: float
    windows: int
    windows_with_bid: int

    def power_kw(self, curve: ReliabilityCurve) -> float:
        """Return the power to promise, before rounding to the product."""
        return float(curve.scaled(self.realised_share).power_kw(self.miss_share)) if self.miss_share > 0 else 0.0

    def to_json(self) -> dict[str, object]:
        """Return plain values."""
        return asdict(self)


class Calibrator:
    """Collects forecasts with their outcomes, in order of time."""

    def __init__(self) -> None:
        self._forecast_kw: list[float] = []
        self._realised_kw: list[float] = []
        self._scores: list[float] = []
        self._powers_kw: list[Floats] = []

    def __len__(self) -> int:
        return len(self._scores)

    @property
    def realised_share(self) -> float:
        """What was deliverable over what was forecast, recent windows first, at most one."""
        forecast = np.asarray(self._forecast_kw)
        realised = np.asarray(self._realised_kw)
        weight = 0.5 ** (np.arange(len(forecast))[::-1] / SHARE_HALF_LIFE)
        prior_kw = SHARE_PRIOR_WINDOWS * (float(forecast.mean()) if len(forecast) else 0.0)
        expected_kw = prior_kw + float(weight @ forecast)
        return min((prior_kw + float(weight @ realised)) / expected_kw, 1.0) if expected_kw > 0 else 1.0

    def learn(self, curve: ReliabilityCurve, *, realised_kw: float) -> None:
        """Add a window: what was forecast at bidding time, and what turned out to be deliverable."""
        scaled = curve.scaled(self.realised_share)
        lowest = STANDARD_NORMAL.cdf(LOWEST_SCORE)
        share = min(max(scaled.miss_share(realised_kw), lowest), 1 - lowest)
        self._scores.append(STANDARD_NORMAL.inv_cdf(share))
        self._powers_kw.append(scaled.power_kw(LEVELS))
        self._forecast_kw.append(curve.mean_kw)
        self._realised_kw.append(realised_kw)

    def margin(self, *, reliability: float, product_bid_kw: Callable[[float], float]) -> Margin:
        """Return the margin for the next window.

        Args:
            reliability: probability with which the bid must be kept.
            product_bid_kw: turns a power into a bid of the product (steps, minimum), 0 for none.
        """
        miss_share = 1 - reliability
        if len(self) < FEWEST_WINDOWS:
            return Margin(realised_share=self.realised_share, miss_share=0.0, windows=len(self), windows_with_bid=0)
        scores = np.asarray(self._scores)
        weight = 0.5 ** (np.arange(len(scores))[::-1] / LEVEL_HALF_LIFE)
        powers_kw = np.asarray(self._powers_kw)
        level, bids = miss_share, np.zeros(len(scores), dtype=np.bool_)
        for _ in range(ROUNDS):
            column = min(int(np.searchsorted(LEVELS, level)), len(LEVELS) - 1)
            bids = np.array([product_bid_kw(power_kw) > 0 for power_kw in powers_kw[:, column]])
            level = _prediction_level(scores[bids], weight[bids], miss_share)
        return Margin(
            realised_share=self.realised_share,
            miss_share=level,
            windows=len(self),
            windows_with_bid=int(bids.sum()),
        )


def _prediction_level(scores: Floats, weight: Floats, miss_share: float) -> float:
    """Student prediction bound on the next score, as a level; standard normal scores as prior."""
    total = float(weight.sum()) + LEVEL_PRIOR_WINDOWS
    middle = float(weight @ scores) / total
    variance = (float(weight @ (scores - middle) ** 2) + LEVEL_PRIOR_WINDOWS) / total
    bound = student_quantile(miss_share, degrees=total - 1) * sqrt(variance * (1 + 1 / total))
    return min(max(STANDARD_NORMAL.cdf(middle + bound), float(LEVELS[0])), float(LEVELS[-1]))
