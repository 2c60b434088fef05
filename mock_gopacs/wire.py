"""The JSON documents of the market: numbers as numbers, instants as epoch milliseconds."""

from collections.abc import Sequence
from datetime import datetime, time, timedelta
from decimal import Decimal
from typing import Any

from aggregator.core.ptu import MARKET_ZONE, PTU
from mock_gopacs.models import Announcement, Congestion, Fill, Order, OrderEvent
from mock_gopacs.order_form import Problem, warnings_about


def epoch_ms(instant: datetime) -> int:
    """Return an instant in epoch milliseconds."""
    return round(instant.timestamp() * 1000)


def number(value: Decimal | None) -> float | None:
    """Return a decimal of a few places as the JSON number that reads back as the same decimal."""
    return None if value is None else float(value)


def problem_document(problem: Problem) -> dict[str, Any]:
    """Return one entry of `errors` or `warnings`."""
    return {"code": problem.code, "field": problem.field, "message": problem.message}


def order_document(order: Order) -> dict[str, Any]:
    """Return an order with its fills and history."""
    return {
        "id": str(order.id),
        "orderType": order.side,
        "participantId": str(order.participant_id),
        "quantity": number(order.quantity_mw),
        "start": epoch_ms(order.starts_at),
        "end": epoch_ms(order.ends_at),
        "price": number(order.price_eur_per_mwh),
        "ean": order.ean,
        "marketBased": order.market_based,
        "facilityType": order.facility_type,
        "contractId": order.contract_id,
        "usageFraction": number(order.usage_fraction),
        "customExpirationTime": epoch_ms(order.expires_at),
        "metaData": order.meta_data,
        "status": order.status,
        "final": not order.is_live,
        "locked": order.is_locked,
        "clearedQuantity": number(order.cleared_mw),
        "remainingQuantity": number(order.remaining_mw),
        "version": order.version,
        "createdTimestamp": epoch_ms(order.placed_at),
        "lastUpdatedTimestamp": epoch_ms(order.updated_at),
        "fills": [_fill_document(fill, order) for fill in sorted(order.fills.all(), key=lambda fill: fill.cleared_at)],
        "history": [_event_document(event) for event in sorted(order.events.all(), key=lambda event: event.version)],
        "warnings": [problem_document(warning) for warning in warnings_about(order.ean)],
    }


def _fill_document(fill: Fill, order: Order) -> dict[str, Any]:
    return {
        "id": str(fill.id),
        "clearingId": str(fill.clearing_id),
        "announcementId": str(fill.clearing.announcement_id),
        "side": order.side,
        "quantity": number(fill.quantity_mw),
        "price": number(fill.price_eur_per_mwh),
        "start": epoch_ms(order.starts_at),
        "end": epoch_ms(order.ends_at),
        "clearedTimestamp": epoch_ms(fill.cleared_at),
    }


def _event_document(event: OrderEvent) -> dict[str, Any]:
    return {
        "version": event.version,
        "event": event.event,
        "timestamp": epoch_ms(event.at),
        "status": event.status,
        "quantity": number(event.quantity_mw),
        "price": number(event.price_eur_per_mwh),
        "clearedQuantity": number(event.cleared_mw),
    }


def announcement_document(announcement: Announcement) -> dict[str, Any]:
    """Return an announcement in GOPACS's public shape."""
    inside, outside = announcement.area_name, f"Outside {announcement.area_name}"
    is_off_take = announcement.congestion == Congestion.OFF_TAKE
    local_day = announcement.starts_at.astimezone(MARKET_ZONE).date()
    return {
        "id": str(announcement.id),
        "problemId": str(announcement.problem_id),
        "message": announcement.message,
        "type": "CONGESTIONMANAGEMENT",
        "complianceType": announcement.compliance_type,
        "announcementState": announcement.state,
        "organisationName": announcement.organisation_name,
        "problemAreaDescription": announcement.area_name,
        "requestAreaDescriptionBuyOrders": outside if is_off_take else inside,
        "requestAreaDescriptionSellOrders": inside if is_off_take else outside,
        "createdTimestamp": epoch_ms(announcement.publish_at),
        "lastUpdatedTimestamp": epoch_ms(announcement.updated_at),
        "day": epoch_ms(datetime.combine(local_day, time(), MARKET_ZONE)),
        "problemPeriod": period_document(announcement.starts_at, announcement.ends_at),
        "bidValidityPeriod": {
            "startTime": epoch_ms(announcement.publish_at),
            "endTime": epoch_ms(announcement.bids_until),
        },
        "requiredProblemProfileInMW": [number(mw) for mw in announcement.required_mw],
        "remainingProblemProfileInMW": [number(mw) for mw in announcement.remaining_mw],
        "congestedZipCodes": announcement.congested_postcodes,
    }


def period_document(starts_at: datetime, ends_at: datetime) -> dict[str, Any]:
    """Return a period with its length in hours and in quarters."""
    length = ends_at - starts_at
    return {
        "startTime": epoch_ms(starts_at),
        "endTime": epoch_ms(ends_at),
        "durationInHours": length / timedelta(hours=1),
        "numberOfQuartersInTimeSpan": length // PTU,
    }


def page_document(content: Sequence[Any], *, page: int, size: int, total: int) -> dict[str, Any]:
    """Return one page in Spring's shape."""
    pages = -(-total // size)
    return {
        "content": list(content),
        "number": page,
        "size": size,
        "totalElements": total,
        "totalPages": pages,
        "numberOfElements": len(content),
        "first": page == 0,
        "last": page >= pages - 1,
        "empty": not content,
    }
