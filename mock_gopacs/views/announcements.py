"""GOPACS's announcement APIs, as far as public code shows them."""

from datetime import UTC, datetime

from django.db.models import QuerySet
from django.http import HttpRequest, JsonResponse

from mock_gopacs.models import Announcement, Congestion
from mock_gopacs.views.answers import (
    json_view,
    number_parameter,
    page_parameters,
    participant_of,
    refuse,
    uuid_parameter,
)
from mock_gopacs.wire import announcement_document, epoch_ms, page_document

LATEST_EPOCH_MS = 4_102_444_800_000
_CATEGORY = {
    Congestion.OFF_TAKE: "THREE_PHASE_NETWORK_REDUCE",
    Congestion.FEED_IN: "THREE_PHASE_NETWORK_INCREASE",
}


def _published() -> "QuerySet[Announcement]":
    return (
        Announcement.objects.filter(is_listed=True)
        .exclude(state=Announcement.State.SCHEDULED)
        .order_by("-publish_at", "pk")
    )


@json_view("GET")
def public_page(request: HttpRequest) -> JsonResponse:
    """Answer with a page of all announcements, newest first."""
    page, size = page_parameters(request)
    rows = _published()[page * size : (page + 1) * size]
    content = [announcement_document(announcement) for announcement in rows]
    return JsonResponse(page_document(content, page=page, size=size, total=_published().count()))


@json_view("GET")
def machine_list(request: HttpRequest) -> JsonResponse:
    """Answer with the announcements that match every filter given."""
    rows = _published()
    if postcode := request.GET.get("postalcode"):
        rows = rows.filter(congested_postcodes__contains=[postcode.replace("\x00", "")])
    if state := request.GET.get("state"):
        rows = rows.filter(state=state.replace("\x00", ""))
    if request.GET.get("type", "CONGESTIONMANAGEMENT") != "CONGESTIONMANAGEMENT":
        rows = rows.none()
    if "starttime" in request.GET:
        rows = rows.filter(ends_at__gt=_instant(request, "starttime"))
    if "endtime" in request.GET:
        rows = rows.filter(starts_at__lt=_instant(request, "endtime"))
    return JsonResponse([announcement_document(announcement) for announcement in rows], safe=False)


@json_view("GET")
def ean_solving_effectivity(request: HttpRequest, *, announcement_id: str) -> JsonResponse:
    """Answer with the caller's EANs that help, per period."""
    participant = participant_of(request, key_field="gopacs_api_key_sha256")
    key = uuid_parameter(announcement_id)
    announcement = _published().filter(pk=key).first() if key else None
    if announcement is None:
        refuse(404, "ANNOUNCEMENT_UNKNOWN", f"There is no announcement {announcement_id}.")
    inside = participant.registrations.filter(postcode__in=announcement.congested_postcodes)
    during = {"startTime": epoch_ms(announcement.starts_at), "endTime": epoch_ms(announcement.ends_at)}
    eans = list(inside.order_by("ean").values_list("ean", flat=True))
    category = _CATEGORY[Congestion(announcement.congestion)]
    return JsonResponse([{"during": during, "eansByCategory": {category: eans}}], safe=False)


def _instant(request: HttpRequest, name: str) -> datetime:
    epoch = number_parameter(request, name, default=0, low=0, high=LATEST_EPOCH_MS)
    return datetime.fromtimestamp(epoch / 1000, UTC)
