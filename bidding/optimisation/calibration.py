"""Learning from realised windows how far below its own forecast a bid must stay.

Scenarios know every departure, dispatch does not, and fleets change: a forecast curve is never trusted as it comes.
Five corrections, each learnt from windows whose outcome is known, newer ones counting more:

1. *Realised share*: what was deliverable over what was forecast; the curve is multiplied by it (never above one).
2. *Trust*: a forecast that explains little of what happens is pulled towards the mean of recent outcomes, by the
   least-squares weight of the two (forecast combination, Bates and Granger 1969).
3. *Level*: how far the roots of past outcomes lay from the roots of what was expected. Power is a sum over cars, and
   the root of a count has nearly the same spread at any size (Bartlett 1936), so large windows and small ones teach
   each other. These residuals have a location and a spread, and a Student prediction bound for the next one is a
   level to bid at; it is wider while few windows are known. This is split conformal prediction on residuals (Lei et
   al. 2018), smoothed so that 99 % does not hang on one order statistic. Where enough windows are known for the order
   statistic itself to guarantee the promise, and it lies higher, it is taken: residuals need not be normal.
4. *Drift*: each broken promise lowers the level, each kept one raises it again, in the proportion that balances at
   the promised share (adaptive conformal inference, Gibbs and Candès 2021; quantile tracking, Angelopoulos 2023).
5. *Own record*: no level is used at which past windows broke the promise so often that a kept promise would explain it
   in fewer than half of all cases (binomial tail), nor one that would have led to a bid in few of them.

Corrections 3 and 5 count only windows that would have led to a bid, at `REFERENCE_SHARE` and at the level itself:
windows without a bid keep no promise and cannot make up for broken ones. Every correction is monotone in the promised
reliability, hence so is the bid.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from math import inf, sqrt
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray

from bidding.optimisation.reliability_curve import ReliabilityCurve
from bidding.optimisation.small_samples import binomial_upper_tail, student_quantile

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

ProductBids = Callable[[Floats], Floats]
Record = Sequence[tuple[int, int]]
"""By level, ascending: bids that it would have led to, and how many of them it would have broken."""

MEAN_HALF_LIFE = 10
"""Like windows, two weeks of weekdays as in `like_days`: how fast means are forgotten."""

SPREAD_HALF_LIFE = 30
"""A spread needs more windows than a mean."""

MEAN_PRIOR = 3.0
TRUST_PRIOR = 5.0
SPREAD_PRIOR = 2.0
"""Windows that the forecast's own claim counts for: that it comes true, that it is trusted, that its spread holds."""

FEWEST_WINDOWS = 8
"""Known outcomes before the first bid, windows with a bid that a spread is read off, and windows in which a level must
have led to a bid before it is used."""

LEAST_OFFERED = 0.5
"""Share of recent windows in which a level must have led to a bid. Bids made now and then are those whose forecast
erred on the bright side: fleets of two to four chargers kept half of them where 90 % was meant."""

RECORD_WINDOWS = 100
"""The shortest record that can speak of 99 %; a longer one holds bids down after a fleet or dispatch has changed."""

LEAST_PLAUSIBLE = 0.5
DRIFT_STEP = 0.1
"""Spreads by which one broken promise lowers the level; yet ten misses in a row move a 90 % promise to 98 %."""

LEVELS = np.arange(-160, 21) / 20
"""What is judged by its record: residuals, in spreads from their middle."""

REFERENCE_SHARE = 0.1
"""Residuals count in windows that would have had a bid at this share of their scenarios: one for all promises, so that
they stay in order."""


@dataclass(frozen=True, slots=True)
class Margin:
    """How a forecast curve becomes a bid.

    Attributes:
        realised_share: what was deliverable over what was forecast.
        trust: weight of the forecast against the mean of recent outcomes.
        recent_mean_kw: that mean.
        root_shift: root of the power to promise less the root of what is expected [sqrt(kW)]; None when nothing may be
            promised.
        miss_share: share of the corrected scenarios below that power; 0 when nothing may be promised.
        drift: spreads by which broken promises have lowered the level.
        windows: known outcomes.
        windows_with_bid: of these, where there would have been a bid.
        guaranteed: reliability of the bid whatever the distribution, if the next window is like those with a bid
            (split conformal: with m of n outcomes below its level, 1 - (m + 1) / (n + 1)); few guarantee little. 0
            when the power makes no bid of the product.
    """

    realised_share: float
    trust: float
    recent_mean_kw: float
    root_shift: float | None = None
    miss_share: float = 0.0
    drift: float = 0.0
    windows: int = 0
    windows_with_bid: int = 0
    guaranteed: float = 0.0

    def expected_kw(self, curve: ReliabilityCurve) -> float:
        """Return what is expected to be realised, nowhere above the best scenario."""
        if curve.mean_kw <= 0:
            return 0.0
        forecast_kw = self.realised_share * curve.mean_kw
        return min(self.trust * forecast_kw + (1 - self.trust) * self.recent_mean_kw, curve.largest_kw)

    def corrected(self, curve: ReliabilityCurve) -> ReliabilityCurve:
        """Return the curve with its mean moved to what is expected, nowhere above its best scenario."""
        if curve.mean_kw <= 0:
            return curve
        return curve.scaled(self.expected_kw(curve) / curve.mean_kw, at_most_kw=curve.largest_kw)

    def power_kw(self, curve: ReliabilityCurve) -> float:
        """Return the power to promise, before rounding to the product."""
        if self.root_shift is None:
            return 0.0
        root = max(sqrt(self.expected_kw(curve)) + self.root_shift, 0.0)
        return min(root * root, curve.largest_kw)


class Calibrator:
    """Collects forecasts with their outcomes, in order of time."""

    def __init__(self) -> None:
        self._forecast_kw: list[float] = []
        self._realised_kw: list[float] = []
        self._means_kw: list[tuple[float, float]] = []
        self._expected_kw: list[float] = []
        self._reference_kw: list[float] = []
        self._drift: dict[float, float] = {}

    def __len__(self) -> int:
        return len(self._realised_kw)

    def learn(self, curve: ReliabilityCurve, *, realised_kw: float, known: int | None = None) -> None:
        """Add a window: what was forecast at bidding time, and what turned out to be deliverable.

        Args:
            curve: the forecast, uncorrected.
            realised_kw: the outcome.
            known: how many earlier windows were known when the forecast was made; all of them by default.
        """
        past = self._means(len(self) if known is None else known, forecast_kw=curve.mean_kw)
        expected_kw = past.expected_kw(curve)
        moved = expected_kw / curve.mean_kw if curve.mean_kw > 0 else 0.0
        self._reference_kw.append(min(moved * float(curve.power_kw(REFERENCE_SHARE)), curve.largest_kw))
        self._expected_kw.append(expected_kw)
        self._forecast_kw.append(curve.mean_kw)
        self._realised_kw.append(realised_kw)
        self._means_kw.append((past.realised_share * curve.mean_kw, past.recent_mean_kw))

    def record_bid(self, *, reliability: float, is_kept: bool) -> None:
        """Let a placed bid that was kept or broken move the drift of its promise."""
        moved = self._drift.get(reliability, 0.0) + DRIFT_STEP * (reliability - is_kept)
        self._drift[reliability] = max(moved, 0.0)

    def margin(self, curve: ReliabilityCurve, *, reliability: float, product_bids_kw: ProductBids) -> Margin:
        """Return the margin for the next window.

        Args:
            curve: its forecast.
            reliability: probability with which the bid must be kept.
            product_bids_kw: turns powers into bids of the product (steps, minimum), 0 for none.
        """
        return self.margins(curve, reliabilities=(reliability,), product_bids_kw=product_bids_kw)[0]

    def margins(
        self, curve: ReliabilityCurve, *, reliabilities: Sequence[float], product_bids_kw: ProductBids
    ) -> tuple[Margin, ...]:
        """Return the margin for the next window at each reliability; arguments as for `margin`."""
        means = self._means(len(self), forecast_kw=curve.mean_kw)
        if len(self) < FEWEST_WINDOWS:
            return tuple(replace(means, drift=self._drift_of(reliability)) for reliability in reliabilities)
        corrected = means.corrected(curve)
        counted = product_bids_kw(np.asarray(self._reference_kw)) > 0
        residuals = self._residuals(counted, claimed=_root_spread(corrected))
        roots = np.sqrt(self._expected_kw)[:, None] + residuals.middle + residuals.spread * LEVELS
        offers_kw = product_bids_kw(np.maximum(roots, 0.0) ** 2)
        usual = _usual(offers_kw)
        record = self._record(offers_kw[-RECORD_WINDOWS:, usual])

        def margin(reliability: float) -> Margin:
            drift = self._drift_of(reliability)
            miss_share = round(1 - reliability, 9)
            by_rank = _level_by_rank(LEVELS[usual], record, miss_share=miss_share)
            bound = residuals.bound(miss_share) if counted.sum() >= FEWEST_WINDOWS else -inf
            level = max(bound, by_rank) - drift
            level = _level_by_record(LEVELS[usual], record, most=level, miss_share=miss_share)
            known = replace(means, drift=drift, windows_with_bid=int(counted.sum()))
            if level == -inf or not usual[max(int(np.searchsorted(LEVELS, level, side="right")) - 1, 0)]:
                return known
            placed = replace(known, root_shift=residuals.middle + residuals.spread * level)
            power_kw = placed.power_kw(curve)
            bid_kw = float(product_bids_kw(np.asarray(power_kw)))
            guaranteed = self._guaranteed(counted, bid_kw=bid_kw, expected_kw=placed.expected_kw(curve))
            return replace(placed, miss_share=corrected.miss_share(power_kw), guaranteed=guaranteed)

        return tuple(margin(reliability) for reliability in reliabilities)

    def _drift_of(self, reliability: float) -> float:
        return max((moved for promise, moved in self._drift.items() if promise <= reliability), default=0.0)

    def _root_residuals(self, counted: Flags) -> Floats:
        return np.asarray(np.sqrt(self._realised_kw) - np.sqrt(self._expected_kw))[counted]

    def _guaranteed(self, counted: Flags, *, bid_kw: float, expected_kw: float) -> float:
        """Return the reliability of a bid by rank alone: one-sided split conformal, which knows no distribution."""
        if bid_kw <= 0:
            return 0.0
        below = self._root_residuals(counted) < sqrt(bid_kw) - sqrt(expected_kw)
        return 1 - (int(below.sum()) + 1) / (len(below) + 1)

    def _residuals(self, counted: Flags, *, claimed: float) -> "_Residuals":
        """Return the law of the residuals, with the forecast's own claim: none, of the spread of its scenarios."""
        residuals = self._root_residuals(counted)
        weight = _ages_weight(len(counted), SPREAD_HALF_LIFE)[counted]
        total = float(weight.sum()) + SPREAD_PRIOR
        middle = float(weight @ residuals) / total
        variance = (float(weight @ (residuals - middle) ** 2) + SPREAD_PRIOR * claimed**2) / total
        return _Residuals(middle=middle, spread=sqrt(variance), windows=total)

    def _record(self, offers_kw: Floats) -> Record:
        """Return the record of levels that would have led to these bids in the last windows, (n, levels)."""
        broken = (offers_kw > 0) & (np.asarray(self._realised_kw[-len(offers_kw) :])[:, None] < offers_kw - 1e-6)
        return list(zip((offers_kw > 0).sum(axis=0).tolist(), broken.sum(axis=0).tolist(), strict=True))

    def _means(self, known: int, *, forecast_kw: float) -> Margin:
        """Return the first two corrections from the first `known` windows."""
        forecast = np.asarray(self._forecast_kw[:known])
        realised = np.asarray(self._realised_kw[:known])
        weight = _ages_weight(known, MEAN_HALF_LIFE)
        prior_kw = MEAN_PRIOR * forecast_kw
        expected_kw = prior_kw + float(weight @ forecast)
        share = min((prior_kw + float(weight @ realised)) / expected_kw, 1.0) if expected_kw > 0 else 1.0
        mean_kw = (MEAN_PRIOR * share * forecast_kw + float(weight @ realised)) / (MEAN_PRIOR + float(weight.sum()))
        return Margin(realised_share=share, trust=self._trust(known), recent_mean_kw=mean_kw, windows=known)

    def _trust(self, known: int) -> float:
        """Least-squares weight of the forecast against the recent mean, shrunk towards trusting it; in [0, 1]."""
        if not known:
            return 1.0
        forecast, recent = np.asarray(self._means_kw[:known]).T
        realised = np.asarray(self._realised_kw[:known])
        weight = _ages_weight(known, SPREAD_HALF_LIFE)
        apart = forecast - recent
        size = float(weight @ apart**2)
        prior = TRUST_PRIOR * size / float(weight.sum())
        if size <= 0:
            return 1.0
        return min(max((float(weight @ (apart * (realised - recent))) + prior) / (size + prior), 0.0), 1.0)


@dataclass(frozen=True, slots=True)
class _Residuals:
    """Roots of outcomes less roots of expectations [sqrt(kW)], of so many windows by their weight."""

    middle: float
    spread: float
    windows: float

    def bound(self, miss_share: float) -> float:
        """Return the Student prediction bound on the next one, in spreads from the middle."""
        return student_quantile(miss_share, degrees=max(self.windows - 1, 3.0)) * sqrt(1 + 1 / self.windows)


def _root_spread(curve: ReliabilityCurve) -> float:
    """Return the spread of the scenarios' roots [sqrt(kW)]."""
    return float(np.std(np.sqrt(curve.scenarios_kw))) if curve.scenarios_kw else 0.0


def _level_by_rank(levels: Floats, record: Record, *, miss_share: float) -> float:
    """Return the highest level that the order statistics guarantee: as rank k of n outcomes does with k / (n + 1)."""
    return _highest(levels, (misses + 1 <= miss_share * (bids + 1) + 1e-9 for bids, misses in record))


def _level_by_record(levels: Floats, record: Record, *, most: float, miss_share: float) -> float:
    """Return the highest level up to `most` with a plausible record; `most` itself is judged by the next above it.

    A level below it, which would have led to fewer bids and broken as many of them, says nothing about the one used.
    """
    judged = int(np.searchsorted(levels, most)) + 1
    plausible = (
        level
        for level, (bids, misses) in zip(levels[:judged].tolist(), record, strict=False)
        if binomial_upper_tail(misses, bids, miss_share) >= LEAST_PLAUSIBLE
    )
    return min(max(plausible, default=-inf), most)


def _highest(levels: Floats, is_good: Iterable[bool]) -> float:
    """Return the highest level such that it and all below are good; minus infinity for none."""
    good = takewhile(itemgetter(1), zip(levels.tolist(), is_good, strict=True))
    return max((level for level, _ in good), default=-inf)


def _usual(offers_kw: Floats) -> Flags:
    """Tell which levels would have led to a bid often enough, on record and of late, to be judged by it."""
    offered = offers_kw > 0
    weight = _ages_weight(len(offered), SPREAD_HALF_LIFE)
    return np.asarray(
        (offered[-RECORD_WINDOWS:].sum(axis=0) >= FEWEST_WINDOWS) & (weight @ offered >= LEAST_OFFERED * weight.sum())
    )


def _ages_weight(windows: int, half_life: float) -> Floats:
    return np.asarray(0.5 ** (np.arange(windows)[::-1] / half_life))
