"""Sizing a group of batteries and heat pumps only: nobody plugs in or drives off, so there is nothing to forecast.

What such assets can move is known in cases: certain (one case), or equally likely ones. The bid is an order statistic
of the block-minimum over the cases. There is no past to calibrate on but the group's own promises: a group that keeps
fewer of them than chance explains is not what its data says, and sells nothing until a person has looked.
"""

from collections.abc import Mapping, Sequence
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from bidding.optimisation.explanation import (
    PROBABILITIES,
    CategoryShare,
    Explanation,
    Limit,
    bid_reason,
    no_bid_allowed,
)
from bidding.optimisation.interface import SizedBid, WindowSpec
from bidding.optimisation.reliability_curve import ReliabilityCurve
from bidding.optimisation.track_record import PlacedBid, track_records

Floats = NDArray[np.float64]

JUDGED_BIDS = 30
"""The latest promises a group is judged by."""


def size_without_sessions(
    window: WindowSpec, contributions_kw: Mapping[str, Floats], *, placed: Sequence[PlacedBid] = ()
) -> SizedBid:
    """Return the largest bid that the assets keep in all but a share (1 - r) of their cases, and why.

    Args:
        window: the product.
        contributions_kw: power by name, per case and PTU (S, T); at least one.
        placed: earlier bids with their outcome, oldest first.
    """
    total_kw = np.sum(list(contributions_kw.values()), axis=0)
    curve = ReliabilityCurve.of(total_kw.min(axis=1))
    power_kw = float(curve.power_kw(1 - window.reliability))
    bid_kw, reason, limit = _bid(window, power_kw, placed)
    weakest = int(np.argmin(total_kw.mean(axis=0)))
    explanation = Explanation(
        reason=reason,
        power_kw=round(power_kw, 3),
        reliability=window.reliability,
        scenarios=len(curve.scenarios_kw),
        past_days=0,
        effective_days=0.0,
        curve=curve.points(PROBABILITIES),
        scenarios_kw=curve.scenarios_kw,
        categories=tuple(
            CategoryShare(name=name, plugged_in_kw=round(float(kw[:, weakest].mean()), 3), arrivals_kw=0.0)
            for name, kw in contributions_kw.items()
        ),
        limited_by=limit,
        power=None,
        margin=None,
        margin_history=(),
    )
    return SizedBid(bid_kw, explanation.to_json())


def _bid(window: WindowSpec, power_kw: float, placed: Sequence[PlacedBid]) -> tuple[float, str, Limit]:
    latest = islice((bid for bid in reversed(placed) if bid.reliability == window.reliability), JUDGED_BIDS)
    for record in track_records(bid.tally for bid in latest):
        if record.is_below_promise:
            return 0.0, f"No bid: {record.sentence()}; check what batteries and heat pumps report.", "record"
    bid_kw = window.product_bid_kw(power_kw)
    if window.max_bid_kw < window.least_bid_kw:
        return 0.0, no_bid_allowed(window), "maximum_bid"
    if bid_kw <= 0:
        return 0.0, f"No bid: batteries and heat pumps can move less than {window.least_bid_kw:g} kW.", "minimum_bid"
    limit: Limit = "power" if power_kw <= window.max_bid_kw else "maximum_bid"
    return bid_kw, bid_reason(bid_kw, window, limit), limit
