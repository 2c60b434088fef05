"""Writing down what the platform announces, as it was known when."""

from collections.abc import Iterable
from datetime import datetime

from django.db import transaction

from aggregator.core.locks import AdvisoryLock, take
from assets.models import CongestionArea
from bidding.markets.gopacs.announcements import ReceivedAnnouncement, matching_area
from bidding.models import Announcement

_ANNOUNCEMENTS = 1  # one lock for all: two pollers must not both find the same announcement new


@transaction.atomic
def record_announcements(*, received: Iterable[ReceivedAnnouncement], now: datetime) -> list[Announcement]:
    """Store what is new or changed since we last looked; return the rows added."""
    take(AdvisoryLock.BIDDING, _ANNOUNCEMENTS)
    by_id = {announcement.external_id: announcement for announcement in received}
    newest = {
        row.external_id: row
        for row in Announcement.objects.filter(external_id__in=by_id).order_by("external_id", "revision")
    }
    areas = dict(CongestionArea.objects.values_list("pk", "postcodes"))
    fresh = [
        Announcement(
            external_id=external_id,
            revision=newest[external_id].revision + 1 if external_id in newest else 1,
            known_at=now,
            congestion_area_id=matching_area(announcement.postcodes, areas),
            direction=announcement.direction,
            starts_at=announcement.period.starts_at,
            ends_at=announcement.period.ends_at,
            required_power_w=list(announcement.required_power_w),
            is_mandatory=announcement.is_mandatory,
            is_open=announcement.is_open,
            document=dict(announcement.document),
        )
        for external_id, announcement in by_id.items()
        if external_id not in newest or newest[external_id].document != announcement.document
    ]
    return Announcement.objects.bulk_create(fresh)
