"""Redispatch orders in the exchange's public shape (ETPA "GOPACS Orders v2"), as values.

One EAN per order, steps of 0.1 MW, EUR/MWh, epoch milliseconds; an order expires at the latest 15 minutes before it
starts. Another exchange fits behind the same values.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

from aggregator.core.interval import Interval

WATT_PER_MEGAWATT = 1_000_000
WATT_PER_STEP = 100_000
GATE = timedelta(minutes=15)


class UnreadableOrder(ValueError):
    """The exchange's answer does not say what an order must say."""


@dataclass(frozen=True, slots=True)
class Order:
    """What we ask the exchange to place. The price is what we receive: a buy order is posted at its negative."""

    reference: str
    participant_id: str
    ean: str
    direction: Literal["reduce", "increase"]
    period: Interval
    power_w: int
    price_eur_per_mwh: Decimal


@dataclass(frozen=True, slots=True)
class OrderState:
    """What the exchange says of an order; the price is what we receive per MWh, negative when we pay."""

    order_id: str
    reference: str
    cleared_power_w: int
    cleared_price_eur_per_mwh: Decimal | None
    is_final: bool
    is_cancelled: bool


def gate_closes_at(period: Interval) -> datetime:
    """Return the instant from which an order for `period` can no longer be placed or changed."""
    return period.starts_at - GATE


def order_body(order: Order) -> bytes:
    """Return the request body that places `order`; raise `ValueError` for power off the 0.1 MW grid."""
    if order.power_w <= 0 or order.power_w % WATT_PER_STEP:
        raise ValueError(f"An order is a positive multiple of {WATT_PER_STEP} W; {order.power_w} W is not.")
    is_sale = order.direction == "reduce"
    posted_price = order.price_eur_per_mwh if is_sale else -order.price_eur_per_mwh
    document = {
        "orderType": "SELL" if is_sale else "BUY",
        "participantId": order.participant_id,
        "quantity": order.power_w // WATT_PER_STEP / 10,
        "start": _milliseconds(order.period.starts_at),
        "end": _milliseconds(order.period.ends_at),
        "price": float(posted_price),  # two decimals survive as the shortest JSON number
        "ean": order.ean,
        "marketBased": True,
        "metaData": {"clientOrderId": order.reference},
    }
    return json.dumps(document, separators=(",", ":")).encode()


def read_order(body: bytes) -> OrderState:
    """Return the order in the exchange's answer; raise `UnreadableOrder` naming what is missing."""
    try:
        return order_state(json.loads(body, parse_float=Decimal))
    except ValueError as error:
        raise UnreadableOrder(f"The exchange's answer is not an order: {error}") from error


def find_order(body: bytes) -> OrderState | None:
    """Return the first order in the exchange's page of orders, or None when the page is empty."""
    try:
        content = json.loads(body, parse_float=Decimal)["content"]
        return order_state(content[0]) if content else None
    except (ValueError, KeyError, TypeError) as error:
        raise UnreadableOrder(f"The exchange's list of orders cannot be read: {error}") from error


def order_state(document: Mapping[str, Any]) -> OrderState:
    """Return the state in one order document."""
    try:
        fills = [(Decimal(fill["quantity"]), Decimal(fill["price"])) for fill in document["fills"]]
        volume = sum((quantity for quantity, _ in fills), Decimal(0))
        sign = 1 if document["orderType"] == "SELL" else -1
        value = sign * sum((quantity * price for quantity, price in fills), Decimal(0))
        return OrderState(
            order_id=str(document["id"]),
            reference=str((document.get("metaData") or {}).get("clientOrderId", "")),
            cleared_power_w=int(Decimal(document["clearedQuantity"]) * WATT_PER_MEGAWATT),
            cleared_price_eur_per_mwh=(value / volume).quantize(Decimal("0.01")) if volume else None,
            is_final=bool(document["final"]),
            is_cancelled=document["status"] == "CANCELLED",
        )
    except (KeyError, TypeError, ArithmeticError) as error:
        raise UnreadableOrder(f"The exchange's order lacks or garbles {error}.") from error


def _milliseconds(instant: datetime) -> int:
    return round(instant.astimezone(UTC).timestamp() * 1000)
