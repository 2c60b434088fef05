"""From window results to the report: the published keys.

Bids, coverage and opponents at our coverage can be recomputed from the windows; what the drivers of each day came for,
which unserved energy is a share of, only from the sessions.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from bidding.backtest.competitors import COMPETITORS, mean_at_coverage
from bidding.backtest.harness import PlayedBid, WindowResult
from bidding.optimisation.small_samples import wilson_interval


@dataclass(frozen=True, slots=True)
class Summary:
    """How one bidder did over all evaluated windows.

    Attributes:
        windows: evaluated windows.
        bids: windows with a bid.
        nominal: the reliability asked for.
        coverage: share of the bids delivered in every PTU; None without a bid.
        coverage_interval: 95 % Wilson interval of it; None without a bid.
        mean_bid_kw: over all windows, those without a bid counting as zero.
        mean_perfect_information_kw: over all windows.
        volume_ratio: mean bid / mean perfect information.
        unserved_energy_share: energy missing at plug-out / energy all drivers came for on the days evaluated.
        seconds: the whole run for ours; the competitors take no time worth measuring and say 0.
    """

    windows: int
    bids: int
    nominal: float
    coverage: float | None
    coverage_interval: tuple[float, float] | None
    mean_bid_kw: float
    mean_perfect_information_kw: float
    volume_ratio: float | None
    unserved_energy_share: float
    seconds: float

    def as_dict(self) -> dict[str, object]:
        """Return the published keys."""
        return {name: getattr(self, name) for name in self.__slots__}


def report(
    results: Sequence[WindowResult], *, reliability: float, config: Mapping[str, object], seconds: float
) -> dict[str, object]:
    """Build the whole report as plain values for JSON."""
    ours = _summary(results, lambda result: result.ours, reliability=reliability, seconds=seconds)
    return {
        "config": dict(config),
        "windows": [_window(result) for result in results],
        "summary": ours.as_dict(),
        "competitors": {name: _competitor(results, name, ours) for name in COMPETITORS},
    }


def _window(result: WindowResult) -> dict[str, object]:
    return {
        "starts_at": utc_text(result.starts_s),
        "ends_at": utc_text(result.ends_s),
        "bid_kw": result.ours.bid_kw,
        "delivered": result.ours.is_delivered,
        "min_delivered_kw": result.ours.least_delivered_kw,
        "shortfall_kwh": result.ours.shortfall_kwh,
        "perfect_information_kw": result.perfect_information_kw,
        "capacity_kw": result.capacity_kw,
        "unserved_kwh": result.ours.unserved_kwh,
        "competitor_bids_kw": {name: result.competitors[name].bid_kw for name in COMPETITORS},
    }


def _competitor(results: Sequence[WindowResult], name: str, ours: Summary) -> dict[str, object]:
    summary = _summary(
        results,
        lambda result: result.competitors[name],
        reliability=ours.nominal,
        seconds=0.0,
    )
    at_ours = None
    if ours.coverage is not None:
        at_ours = mean_at_coverage(
            [result.competitors[name].bid_kw for result in results],
            [result.capacity_kw for result in results],
            coverage=ours.coverage,
        )
    return summary.as_dict() | {"mean_bid_at_our_coverage_kw": at_ours}


def _summary(
    results: Sequence[WindowResult],
    bidder: Callable[[WindowResult], PlayedBid],
    *,
    reliability: float,
    seconds: float,
) -> Summary:
    played = [bidder(result) for result in results]
    placed = [bid for bid in played if bid.is_delivered is not None]
    kept = sum(bid.is_delivered is True for bid in placed)
    energy_kwh = sum(result.energy_kwh for result in results)
    mean_bid_kw = float(np.mean([bid.bid_kw for bid in played])) if played else 0.0
    mean_best_kw = float(np.mean([result.perfect_information_kw for result in results])) if results else 0.0
    return Summary(
        windows=len(played),
        bids=len(placed),
        nominal=reliability,
        coverage=kept / len(placed) if placed else None,
        coverage_interval=wilson_interval(kept, len(placed)) if placed else None,
        mean_bid_kw=mean_bid_kw,
        mean_perfect_information_kw=mean_best_kw,
        volume_ratio=mean_bid_kw / mean_best_kw if mean_best_kw > 0 else None,
        unserved_energy_share=sum(bid.unserved_kwh for bid in placed) / energy_kwh if energy_kwh > 0 else 0.0,
        seconds=seconds,
    )


def utc_text(instant_s: int) -> str:
    """Return UTC epoch seconds as ISO 8601."""
    return datetime.fromtimestamp(instant_s, UTC).isoformat().replace("+00:00", "Z")
