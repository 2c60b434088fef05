"""The ISPs (PTUs) that a message speaks about: which days, whether they exist, whether any is named twice."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from functools import lru_cache
from itertools import pairwise

from aggregator.core.ptu import day_interval
from bidding.markets.uftp import messages as m
from bidding.markets.uftp import settlement_messages as s

Span = tuple[int, int]
"""First ISP and number of ISPs."""


def isp_spans(message: m.PayloadMessage) -> Iterator[tuple[date, list[Span]]]:
    """Yield each ISP list of a message with its day; no ISP may appear twice within one list."""
    match message:
        case m.FlexOffer():
            for option in message.options:
                yield message.period, _spans(option.isps)
        case m.FlexRequest() | m.FlexOrder() | m.FlexReservationUpdate() | m.DPrognosis():
            yield message.period, _spans(message.isps)
        case s.Metering():
            for profile in message.profiles:
                yield message.period, [(isp.start, 1) for isp in profile.isps]
        case s.FlexSettlement():
            for order in message.order_settlements:
                yield order.period, _spans(order.isps)
            for contract in message.contract_settlements:
                for day in contract.periods:
                    yield day.period, _spans(day.isps)


def _spans(
    isps: Sequence[m.FlexRequestIsp | m.PowerIsp | m.PrognosisIsp | s.OrderSettlementIsp | s.ContractSettlementIsp],
) -> list[Span]:
    return [(isp.start, isp.duration) for isp in isps]


@lru_cache(maxsize=64)
def isp_count(period: date, isp_duration: timedelta) -> int:
    """Return how many ISPs the local day has: of 15 minutes 96, or 92 and 100 when the clock changes."""
    day = day_interval(period)
    return (day.ends_at - day.starts_at) // isp_duration


def within_day(spans: Sequence[Span], count: int) -> bool:
    """Say whether all ISPs lie within a day of `count`."""
    return all(start >= 1 and duration >= 1 and start + duration - 1 <= count for start, duration in spans)


def overlapping(spans: Sequence[Span]) -> bool:
    """Say whether any ISP is named twice."""
    return any(start + duration > following for (start, duration), (following, _) in pairwise(sorted(spans)))


def end_of_last(spans: Sequence[Span], period: date, isp_duration: timedelta) -> datetime:
    """Return the instant at which the last of the ISPs ends."""
    return day_interval(period).starts_at + max(start + duration - 1 for start, duration in spans) * isp_duration
