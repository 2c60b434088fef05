"""Promised and kept: what became of past bids, counted over the bids placed."""

from collections.abc import Iterable
from dataclasses import dataclass

from aggregator.core.words import counted
from bidding.optimisation.small_samples import clustered_interval

DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class DayTally:
    """Bids of one day with the same promise: how many, how many were kept, and their power together."""

    day: int
    reliability: float
    bids: int
    kept: int
    power_kw: float


@dataclass(frozen=True, slots=True)
class PlacedBid:
    """One bid that was placed: with what probability it was meant to be kept, and whether it was."""

    starts_s: int
    bid_kw: float
    reliability: float
    is_kept: bool

    @property
    def tally(self) -> DayTally:
        """Count it by itself."""
        return DayTally(self.starts_s // DAY_S, self.reliability, 1, int(self.is_kept), self.bid_kw)


@dataclass(frozen=True, slots=True)
class TrackRecord:
    """Bids of one promised reliability: how many were kept, with a 95 % interval of the share.

    Bids of one day are kept or broken together more often than those of different days; the interval allows for it.
    """

    promised: float
    bids: int
    days: int
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


def track_records(tallies: Iterable[DayTally]) -> tuple[TrackRecord, ...]:
    """Count bids per promised reliability, in ascending order of the promise."""
    by_promise: dict[float, list[DayTally]] = {}
    for tally in tallies:
        by_promise.setdefault(tally.reliability, []).append(tally)
    return tuple(_record(promise, by_promise[promise]) for promise in sorted(by_promise))


def _record(promise: float, tallies: list[DayTally]) -> TrackRecord:
    by_day: dict[int, tuple[int, int]] = {}
    for tally in tallies:
        kept, bids = by_day.get(tally.day, (0, 0))
        by_day[tally.day] = kept + tally.kept, bids + tally.bids
    bids, kept = sum(tally.bids for tally in tallies), sum(tally.kept for tally in tallies)
    return TrackRecord(
        promised=promise,
        bids=bids,
        days=len(by_day),
        kept=kept,
        kept_share=kept / bids,
        interval=clustered_interval(list(by_day.values())),
        mean_bid_kw=sum(tally.power_kw for tally in tallies) / bids,
    )
