"""Reading for bidding and dispatch."""

from datetime import datetime

from django.db.models import Exists, F, OuterRef, QuerySet, Subquery

from assets.models import AggregationEan
from bidding.markets.exchange.orders import GATE
from bidding.models import Activation, Announcement, Bid, NoBid


def announcements_to_answer(*, now: datetime) -> list[tuple[Announcement, AggregationEan]]:
    """Return the open announcements, with the groups in their area that gave neither a bid nor a reason yet."""
    newest = Announcement.objects.filter(external_id=OuterRef("external_id")).order_by("-revision").values("pk")[:1]
    open_ones = (
        Announcement.objects.filter(
            pk=Subquery(newest), is_open=True, congestion_area__isnull=False, starts_at__gt=now + GATE
        )
        .select_related("congestion_area")
        .order_by("starts_at", "pk")
    )
    return [
        (announcement, group)
        for announcement in open_ones
        for group in _unanswered_groups(announcement).order_by("ean")
    ]


def _unanswered_groups(announcement: Announcement) -> QuerySet[AggregationEan]:
    same = {"announcement__external_id": announcement.external_id, "aggregation_ean": OuterRef("pk")}
    return AggregationEan.objects.filter(congestion_area_id=announcement.congestion_area_id).exclude(
        Exists(Bid.objects.filter(**same)) | Exists(NoBid.objects.filter(**same))
    )


def bids_on_the_exchange() -> QuerySet[Bid]:
    """Return the bids whose orders can still change."""
    return Bid.objects.filter(status=Bid.Status.SUBMITTED).order_by("starts_at", "pk")


def activations_to_dispatch() -> QuerySet[Activation]:
    """Return the activations that are not finished."""
    unfinished = [Activation.Status.ORDERED, Activation.Status.PLANNED, Activation.Status.RUNNING]
    return (
        Activation.objects.filter(status__in=unfinished)
        .select_related("aggregation_ean")
        .order_by(F("starts_at").asc(), "pk")
    )
