"""The page on which a person sees the book."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from aggregator.core.clock import clock_from_environment
from aggregator.core.money import CENT
from aggregator.core.ptu import MARKET_ZONE
from bidding.markets.safe_xml import parse_xml
from mock_gopacs.models import (
    Announcement,
    Call,
    Clearing,
    Congestion,
    Market,
    Order,
    Registration,
    Side,
    UftpMessage,
)

OUTSIDE = "Outside every congested area"
LATEST_CLEARINGS = 10
LATEST_CALLS = 20


@dataclass(frozen=True, slots=True)
class _Area:
    name: str
    postcodes: frozenset[str]


def book(request: HttpRequest) -> HttpResponse:
    """Show announcements, orders by area and the last clearings, in Dutch local time."""
    market = Market.objects.first()
    announcements = list(Announcement.objects.exclude(state=Announcement.State.SCHEDULED).order_by("-publish_at", "pk"))
    context = {
        "now": _local(clock_from_environment().now(), "%A %-d %B %Y %H:%M:%S"),
        "scenario": market.scenario if market else None,
        "announcements": [_announcement_row(announcement) for announcement in announcements],
        "areas": _orders_by_area(announcements),
        "clearings": [_clearing_row(clearing) for clearing in _latest_clearings()],
        "calls": _call_rows(),
    }
    return render(request, "mock_gopacs/book.html", context)


def _orders_by_area(announcements: Iterable[Announcement]) -> list[dict[str, Any]]:
    postcodes = dict(Registration.objects.values_list("ean", "postcode"))
    areas = {item.area_name: _Area(item.area_name, frozenset(item.congested_postcodes)) for item in announcements}
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in (*areas, OUTSIDE)}
    orders = Order.objects.exclude(status=Order.Status.SCHEDULED).select_related("participant")
    for order in orders.order_by("side", "price_eur_per_mwh", "placed_at", "pk"):
        postcode = postcodes[order.ean]
        names = [area.name for area in areas.values() if postcode in area.postcodes] or [OUTSIDE]
        for name in names:
            rows[name].append(_order_row(order, postcodes))
    return [{"name": name, "orders": orders} for name, orders in rows.items()]


def _order_row(order: Order, postcodes: Mapping[str, str]) -> dict[str, Any]:
    return {
        "side": order.side,
        "participant": order.participant.name,
        "ean": order.ean,
        "postcode": postcodes[order.ean],
        "period": _period(order.starts_at, order.ends_at),
        "quantity_mw": order.quantity_mw,
        "cleared_mw": order.cleared_mw,
        "price": order.price_eur_per_mwh,
        "status": f"{order.get_status_display()}{', locked' if order.is_locked else ''}",
        "tone": order.status.lower(),
    }


def _announcement_row(announcement: Announcement) -> dict[str, Any]:
    is_off_take = announcement.congestion == Congestion.OFF_TAKE
    return {
        "area": announcement.area_name,
        "organisation": announcement.organisation_name,
        "wanted": f"{Side.SELL if is_off_take else Side.BUY} inside",
        "period": _period(announcement.starts_at, announcement.ends_at),
        "bids_until": _local(announcement.bids_until, "%H:%M"),
        "state": announcement.get_state_display(),
        "required": _profile(announcement.required_mw),
        "remaining": _profile(announcement.remaining_mw),
        "message": announcement.message,
    }


def _clearing_row(clearing: Clearing) -> dict[str, Any]:
    return {
        "at": _local(clearing.clears_at, "%-d %b %H:%M"),
        "area": clearing.announcement.area_name,
        "state": clearing.get_state_display(),
        "cleared_mwh": clearing.cleared_mwh,
        "shortage_mwh": clearing.shortage_mwh,
        "spread_eur": None if clearing.spread_eur is None else clearing.spread_eur.quantize(CENT),
        "solver_status": clearing.solver_status,
    }


def _call_rows() -> list[dict[str, Any]]:
    """Return the latest calls, each with its messages in order."""
    calls = list(Call.objects.select_related("contract").order_by("-called_at", "pk")[:LATEST_CALLS])
    messages: dict[Any, list[UftpMessage]] = {call.pk: [] for call in calls}
    for message in UftpMessage.objects.filter(conversation_id__in=messages).defer("body").order_by("pk"):
        messages[message.conversation_id].append(message)
    return [_call_row(call, messages[call.pk]) for call in calls]


def _call_row(call: Call, messages: Iterable[UftpMessage]) -> dict[str, Any]:
    contract = call.contract
    return {
        "contract": contract.contract_id,
        "ean": contract.ean,
        "dso": contract.dso_id,
        "aggregator": contract.aggregator_id,
        "called_at": _local(call.called_at, "%-d %b %H:%M"),
        "period": _period(call.starts_at, call.ends_at),
        "power": f"{contract.power_meaning} {Decimal(call.power_w) / 1000:f} kW",
        "state": call.get_state_display(),
        "tone": call.state.lower(),
        "messages": [_message_row(message) for message in messages],
    }


def _message_row(message: UftpMessage) -> dict[str, Any]:
    is_incoming = message.direction == UftpMessage.Direction.INCOMING
    root = parse_xml(bytes(message.document))
    says = [root.get("Result"), root.get("RejectionReason")]
    remarks = [
        ": ".join(word for word in says if word),
        "; ".join(message.reasons),
        f"fault: {message.fault}" if message.fault else "",
        message.last_error,
    ]
    return {
        "direction": "from the aggregator" if is_incoming else "to the aggregator",
        "element": message.element,
        "at": _local(message.stored_at, "%H:%M:%S"),
        "remark": ". ".join(remark for remark in remarks if remark),
        "state": message.state,
        "tone": message.state.replace(" ", "-"),
    }


def _latest_clearings() -> list[Clearing]:
    return list(Clearing.objects.select_related("announcement").order_by("-clears_at", "pk")[:LATEST_CLEARINGS])


def _profile(values: list[Decimal]) -> str:
    low, high = min(values), max(values)
    return f"{high.normalize():f} MW" if low == high else f"{low.normalize():f} to {high.normalize():f} MW"


def _period(starts_at: datetime, ends_at: datetime) -> str:
    return f"{_local(starts_at, '%-d %b %H:%M')} - {_local(ends_at, '%H:%M')}"


def _local(instant: datetime, layout: str) -> str:
    return instant.astimezone(MARKET_ZONE).strftime(layout)
