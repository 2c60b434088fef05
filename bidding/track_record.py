"""Reading what became of the promises of groups: what the next bid learns from, and what people see."""

from datetime import datetime

from assets.models import AggregationEan
from bidding.models import Activation, Bid
from bidding.optimisation.track_record import PlacedBid

W_PER_KW = 1_000


def placed_bids(*, since: datetime, aggregation_ean: AggregationEan | None = None) -> list[PlacedBid]:
    """Return the promises that were called in full and settled, oldest first (1 query).

    An order for a part of a bid is easier to keep than the bid, so it says nothing about the promise.
    """
    settled = Activation.objects.filter(
        starts_at__gte=since, is_kept__isnull=False, bid__status=Bid.Status.CLEARED
    ).order_by("starts_at", "pk")
    if aggregation_ean is not None:
        settled = settled.filter(aggregation_ean=aggregation_ean)
    return [
        PlacedBid(
            starts_s=int(starts_at.timestamp()),
            bid_kw=power_w / W_PER_KW,
            reliability=float(reliability),
            is_kept=bool(is_kept),
        )
        for starts_at, power_w, reliability, is_kept in settled.values_list(
            "starts_at", "bid__power_w", "bid__reliability", "is_kept"
        )
    ]


def earlier_margins(*, aggregation_ean: AggregationEan, since: datetime) -> tuple[float, ...]:
    """Return the shares of scenarios that lay below a group's earlier promises, oldest first (1 query)."""
    shares = (
        Bid.objects.filter(
            aggregation_ean=aggregation_ean, starts_at__gte=since, explanation__margin__miss_share__isnull=False
        )
        .order_by("starts_at", "pk")
        .values_list("explanation__margin__miss_share", flat=True)
    )
    return tuple(float(share) for share in shares)
