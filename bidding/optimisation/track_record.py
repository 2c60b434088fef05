"""Promised and kept: what became of past bids, counted over the bids placed."""

from collections.abc import Iterable
from dataclasses import dataclass

from aggregator.core.words import counted
from bidding.optimisation.small_samples import wilson_interval


@dataclass(frozen=True, slots=True)
class PlacedBid:
    """One bid that was placed: with what probability it was meant to be kept, and whether it was."""

    starts_s: int
    bid_kw: float
    reliability: float
    is_kept: bool


@dataclass(frozen=True, slots=True)
class TrackRecord:
    """Bids of one promised reliability: how many were kept, with a 95 % interval of the share (Wilson)."""

    promised: float
    bids: int
    kept: int
    kept_share: float | None
    interval: tuple[float, float]
    mean_bid_kw: float

    @property
    def is_below_promise(self) -> bool:
        """Whether even the upper end of the interval is below what was promised: chance does not explain it."""
        return self.bids > 0 and self.interval[1] < self.promised

    def sentence(self) -> str:
        """Return the record in words, for people."""
        if self.kept_share is None:
            return f"promised {self.promised:.0%}, no bids placed yet"
        low, high = self.interval
        return (
            f"promised {self.promised:.0%}, kept {self.kept_share:.1%} "
            f"({counted(self.bids, 'window')} with a bid, 95 % interval {low:.1%} to {high:.1%})"
        )


def track_records(bids: Iterable[PlacedBid]) -> tuple[TrackRecord, ...]:
    """Count bids per promised reliability, in ascending order of the promise."""
    by_promise: dict[float, list[PlacedBid]] = {}
    for bid in bids:
        by_promise.setdefault(bid.reliability, []).append(bid)
    return tuple(_record(promise, by_promise[promise]) for promise in sorted(by_promise))


def _record(promise: float, bids: list[PlacedBid]) -> TrackRecord:
    kept = sum(bid.is_kept for bid in bids)
    return TrackRecord(
        promised=promise,
        bids=len(bids),
        kept=kept,
        kept_share=kept / len(bids),
        interval=wilson_interval(kept, len(bids)),
        mean_bid_kw=sum(bid.bid_kw for bid in bids) / len(bids),
    )
