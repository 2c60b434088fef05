"""Answers that wait for power which bids may give back (`bids.PowerNotBackYet`), for hours where a gate is far.

Sizing takes seconds, so while none of these bids changes it is not done every minute, only now and then, as forecasts
and terms change too.
"""

from datetime import timedelta

from django.core.cache import cache

from aggregator.core.interval import Interval
from aggregator.core.ptu import ptu_range
from assets.models import AggregationEan
from bidding.models import Announcement
from bidding.models.directions import Direction
from bidding.operations.ledger import unsettled_bids

SIZED_ANEW_AFTER = timedelta(hours=1)


def holders(*, announcement: Announcement, aggregation_ean: AggregationEan) -> list[str]:
    """Return how the bids stand that may still give power back in an announcement's window."""
    ptus = ptu_range(Interval(announcement.starts_at, announcement.ends_at))
    return [
        f"{pk} {status} {updated_at.isoformat()}"
        for direction in Direction
        for pk, status, updated_at in unsettled_bids(aggregation_ean=aggregation_ean, direction=direction, ptus=ptus)
        .order_by("pk")
        .values_list("pk", "status", "updated_at")
        .distinct()
    ]


def remember(*, announcement: Announcement, aggregation_ean: AggregationEan, waits_for: list[str]) -> None:
    """Remember for which `holders`, as they stood before it was sized, an answer waits."""
    cache.set(_key(announcement, aggregation_ean), waits_for, timeout=SIZED_ANEW_AFTER.total_seconds())


def waits_still(*, announcement: Announcement, aggregation_ean: AggregationEan) -> bool:
    """Tell whether an answer sized now would only wait again."""
    waits_for = cache.get(_key(announcement, aggregation_ean))
    return waits_for is not None and waits_for == holders(announcement=announcement, aggregation_ean=aggregation_ean)


def _key(announcement: Announcement, aggregation_ean: AggregationEan) -> str:
    return f"answer-waits:{announcement.pk}:{aggregation_ean.ean}"
