"""Redispatch orders in the exchange's public shape (ETPA "GOPACS Orders v2"), as values.

One EAN per order, steps of 0.1 MW, EUR/MWh, epoch milliseconds. Another exchange fits behind the same values.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal

from aggregator.core.interval import Interval

WATT_PER_MEGAWATT = 1_000_000
WATT_PER_STEP = 100_000
MEAN_PRICE_STEP = Decimal("1E-8")
"""A mean of parts has no last decimal; with these it is worth what its parts are, to the cent, for 100 GWh and more."""


class UnreadableOrder(ValueError):
    """The exchange's answer does not say what an order must say."""


@dataclass(frozen=True, slots=True)
class Order:
    """What we ask the exchange to place. The price is what we receive: a buy order is posted at its negative.

    `contract_id` names the bidding contract whose duty the order meets; empty without one. `facility_type` says of what
    kind the connection is, of an order that is not market-based; empty: it is.
    """

    reference: str
    participant_id: str
    ean: str
    direction: Literal["reduce", "increase"]
    period: Interval
    expires_at: datetime
    power_w: int
    price_eur_per_mwh: Decimal
    contract_id: str = ""
    facility_type: str = ""


@dataclass(frozen=True, slots=True)
class OrderState:
    """What the exchange says of an order; the prices are what we receive per MWh, negative when we pay.

    Of an order that cleared in parts, the cleared price is their mean, in steps of `MEAN_PRICE_STEP`.
    `version` grows with every change of the order; 0 where an exchange does not count them. `power_w` and
    `price_eur_per_mwh` are what the order offers now, cleared part included; None where an exchange does not say.
    """

    order_id: str
    reference: str
    cleared_power_w: int
    cleared_price_eur_per_mwh: Decimal | None
    is_final: bool
    is_cancelled: bool
    is_locked: bool = False
    version: int = 0
    power_w: int | None = None
    price_eur_per_mwh: Decimal | None = None


def order_body(order: Order) -> bytes:
    """Return the request body that places `order`; raise `ValueError` for power off the 0.1 MW grid."""
    document = {
        "orderType": "SELL" if order.direction == "reduce" else "BUY",
        "participantId": order.participant_id,
        "start": _milliseconds(order.period.starts_at),
        "end": _milliseconds(order.period.ends_at),
        "marketBased": not order.facility_type,
        **({"facilityType": order.facility_type} if order.facility_type else {}),
        "metaData": {"clientOrderId": order.reference},
        **_changeable(order),
    }
    return _json(document)


def change_body(order: Order) -> bytes:
    """Return the request body that makes a placed order into `order`; raises as `order_body` does."""
    return _json(_changeable(order))


def _changeable(order: Order) -> dict[str, Any]:
    if order.power_w <= 0 or order.power_w % WATT_PER_STEP:
        raise ValueError(f"An order is a positive multiple of {WATT_PER_STEP} W; {order.power_w} W is not.")
    posted_price = order.price_eur_per_mwh if order.direction == "reduce" else -order.price_eur_per_mwh
    return {
        "quantity": order.power_w // WATT_PER_STEP / 10,
        "price": float(posted_price),  # two decimals survive as the shortest JSON number
        "ean": order.ean,
        "customExpirationTime": _milliseconds(order.expires_at),
        **({"contractId": order.contract_id} if order.contract_id else {}),
    }


def _json(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()


def read_order(body: bytes) -> OrderState:
    """Return the order in the exchange's answer; raise `UnreadableOrder` naming what is missing."""
    return order_state(parse_answer(body))


def read_refused(body: bytes) -> OrderState | None:
    """Return the present state of the order that a refusal (412, 423) carries; None when it carries none."""
    try:
        return order_state(parse_answer(body)["order"])
    except (UnreadableOrder, KeyError, TypeError):
        return None


def refusal_codes(body: bytes) -> frozenset[str]:
    """Return the codes of a refusal; none when the body does not say."""
    try:
        return frozenset(str(error["code"]) for error in parse_answer(body)["errors"])
    except (UnreadableOrder, KeyError, TypeError):
        return frozenset()


def parse_answer(body: bytes) -> Any:
    """Return JSON of the exchange with its decimals kept exactly; raise `UnreadableOrder` when it is not JSON."""
    try:
        return json.loads(body, parse_float=Decimal)
    except (ValueError, RecursionError) as error:
        raise UnreadableOrder(f"The exchange's answer is not JSON: {error}") from error


def find_orders(body: bytes, reference: str) -> list[tuple[OrderState, Mapping[str, Any]]]:
    """Return the orders with our reference in the exchange's page of orders, read and as they stand."""
    try:
        read = [(order_state(document), document) for document in parse_answer(body)["content"]]
    except (KeyError, TypeError) as error:
        raise UnreadableOrder(f"The exchange's list of orders cannot be read: {error}") from error
    return [(state, document) for state, document in read if state.reference == reference]


def is_last_page(body: bytes) -> bool:
    """Tell whether a page of orders is the last, as one is that does not say."""
    return bool(parse_answer(body).get("last", True))


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
            cleared_power_w=_watt(document["clearedQuantity"]),
            cleared_price_eur_per_mwh=(value / volume).quantize(MEAN_PRICE_STEP) if volume else None,
            is_final=bool(document["final"]),
            is_cancelled=document["status"] == "CANCELLED",
            is_locked=bool(document.get("locked", False)),
            version=int(document.get("version", 0)),
            power_w=_watt(document["quantity"]) if "quantity" in document else None,
            price_eur_per_mwh=sign * Decimal(document["price"]) if "price" in document else None,
        )
    except (AttributeError, KeyError, TypeError, ValueError, ArithmeticError) as error:
        raise UnreadableOrder(f"The exchange's order lacks or garbles {error}.") from error


def _watt(megawatt: Any) -> int:
    return int(Decimal(megawatt) * WATT_PER_MEGAWATT)


def _milliseconds(instant: datetime) -> int:
    return round(instant.astimezone(UTC).timestamp() * 1000)
