"""Reading what became of the promises of groups: what the next bid learns from, and what people see."""

from datetime import datetime

from django.db.models import Count, F, Min, Q, Sum
from django.db.models.functions import TruncDate

from aggregator.core.ptu import MARKET_ZONE
from aggregator.core.units import kilowatt
from assets.models import AggregationEan
from bidding.models import Activation, BalancingHeadroom, Bid
from bidding.optimisation.track_record import DayTally, PlacedBid


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
            bid_kw=kilowatt(power_w),
            reliability=float(reliability),
            is_kept=bool(is_kept),
        )
        for starts_at, power_w, reliability, is_kept in settled.values_list(
            "starts_at", "bid__power_w", "bid__reliability", "is_kept"
        )
    ]


def replayed_bids(*, since: datetime) -> list[PlacedBid]:
    """Return the bids that were replayed in hindsight, called or not, each with all that was sized, oldest first."""
    replayed = Bid.objects.filter(starts_at__gte=since, capacity_w__isnull=False).order_by("starts_at", "pk")
    return [
        PlacedBid(
            starts_s=int(starts_at.timestamp()),
            bid_kw=kilowatt(promised_w),
            reliability=float(reliability),
            is_kept=capacity_w >= promised_w,
        )
        for starts_at, promised_w, reliability, capacity_w in replayed.values_list(
            "starts_at", "explanation__replay__promised_w", "reliability", "capacity_w"
        )
    ]


def replayed_headroom(*, since: datetime) -> dict[str, list[DayTally]]:
    """Return the quarter hours of balancing energy that were replayed, by group and Dutch day (1 query)."""
    days = (
        BalancingHeadroom.objects.filter(ptu_start__gte=since, capacity_w__isnull=False)
        .values("aggregation_ean_id", "reliability", day=TruncDate("ptu_start", tzinfo=MARKET_ZONE))
        .annotate(
            promises=Count("pk"),
            kept=Count("pk", filter=Q(capacity_w__gte=F("reliable_w"))),
            power_w=Sum("reliable_w"),
        )
        .order_by("aggregation_ean_id", "day")
    )
    tallies: dict[str, list[DayTally]] = {}
    for one in days:
        tally = DayTally(
            day=one["day"].toordinal(),
            reliability=float(one["reliability"]),
            bids=one["promises"],
            kept=one["kept"],
            power_kw=kilowatt(one["power_w"]),
        )
        tallies.setdefault(one["aggregation_ean_id"], []).append(tally)
    return tallies


def replayed_pool(*, since: datetime) -> list[DayTally]:
    """Return the quarter hours in which all groups with cars were replayed, as if they had made one promise (1 query).

    It is the sum of theirs, and counts with the least reliability among them: what one group has more than it promised
    makes up for what another lacks.
    """
    ptus = (
        BalancingHeadroom.objects.filter(ptu_start__gte=since, steady_w__isnull=False, reliable_w__gt=0)
        .values("ptu_start")
        .annotate(
            promised_w=Sum("reliable_w"),
            held_w=Sum("capacity_w"),
            promise=Min("reliability"),
            waiting=Count("pk", filter=Q(capacity_w__isnull=True)),
        )
        .filter(waiting=0)
        .order_by("ptu_start")
    )
    return [
        DayTally(
            day=one["ptu_start"].astimezone(MARKET_ZONE).toordinal(),
            reliability=float(one["promise"]),
            bids=1,
            kept=int(one["held_w"] >= one["promised_w"]),
            power_kw=kilowatt(one["promised_w"]),
        )
        for one in ptus
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
