"""Requests to the exchange in the outbox: one conversation per bid, and what each request is for."""

from datetime import datetime
from decimal import Decimal

from aggregator.core.interval import Interval
from aggregator.core.messaging.operations import enqueue
from aggregator.core.models import OutboxMessage
from bidding.markets.exchange.orders import Order
from bidding.markets.exchange.venue import MarketRequest, Purpose, Venue
from bidding.models import Bid, BidDutyContract
from bidding.models.directions import as_literal

CHANNEL = "exchange"
_PURPOSES: tuple[Purpose, ...] = ("order", "change", "withdraw")


def order_of(bid: Bid, exchange: Venue, *, power_w: int | None = None, price: Decimal | None = None) -> Order:
    """Return the order of a bid, with another power and price when given."""
    return Order(
        reference=str(bid.reference),
        participant_id=exchange.participant_id,
        ean=bid.aggregation_ean_id,
        direction=as_literal(bid.direction),
        period=Interval(bid.starts_at, bid.ends_at),
        expires_at=bid.starts_at - exchange.gate,
        power_w=bid.power_w if power_w is None else power_w,
        price_eur_per_mwh=Decimal(bid.price_eur_per_mwh) if price is None else price,
        contract_id=bid.contract_id,
        facility_type=_facility_type(bid),
    )


def _facility_type(bid: Bid) -> str:
    contract = BidDutyContract.objects.filter(aggregation_ean=bid.aggregation_ean_id, contract_id=bid.contract_id)
    return contract.order_by("-active_from").values_list("facility_type", flat=True).first() or ""


def enqueue_request(
    *, bid: Bid, purpose: Purpose, key: str, request: MarketRequest, closes_at: datetime, now: datetime
) -> OutboxMessage:
    """Write a request down; it is worthless when the gate closes, so it is never sent later."""
    return enqueue(
        now=now,
        channel=CHANNEL,
        conversation=str(bid.reference),
        idempotency_key=f"{purpose}-{key}",
        method=request.method,
        url=request.url,
        headers=request.headers,
        body=request.body,
        deadline_at=closes_at,
        void_from=closes_at,
    )


def is_about(message: OutboxMessage, order_id: str) -> bool:
    """Tell whether a stored change or withdrawal was asked of this order: their keys end with its id."""
    return message.idempotency_key.endswith(f"-{order_id}")


def purpose_of(message: OutboxMessage) -> Purpose:
    """Return what a stored request is for."""
    prefix = message.idempotency_key.partition("-")[0]
    return next(purpose for purpose in _PURPOSES if purpose == prefix)
