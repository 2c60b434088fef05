"""The messages we make from messages we got: a response to anything, and an offer that mirrors a request."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from decimal import Decimal
from typing import Any

from bidding.markets.uftp import messages as m
from bidding.markets.uftp import settlement_messages as s
from bidding.markets.uftp.powers import confirming_power_w
from bidding.markets.uftp.reasons import SEPARATOR
from bidding.markets.uftp.references import RESPONSES
from bidding.markets.uftp.vocabulary import Disposition, Result, SettlementDisposition


class NotAnswerable(ValueError):
    """A message to which the protocol knows no answer."""


def respond(
    message: m.PayloadMessage,
    *,
    message_id: str,
    now: datetime,
    reasons: Sequence[str] = (),
    disputes: Mapping[str, str] | None = None,
    order_statuses: Mapping[str, bool] | None = None,
) -> m.PayloadMessage:
    """Return the response to `message`: accepted, or rejected for `reasons`.

    It answers in the version and conversation of the message, from its recipient to its sender.

    Args:
        message: the one to answer.
        message_id: of the response, a new UUID.
        now: its time stamp.
        reasons: from `semantics.rejection_reasons`; none accepts.
        disputes: for a FlexSettlement, why an order (by OrderReference) is disputed; orders not named are accepted.
        order_statuses: for a D-Prognosis, whether orders (by MessageID) still hold.

    Raises:
        NotAnswerable: `message` is itself a response.
    """
    common: dict[str, Any] = _reply(message, message_id, now)
    if isinstance(message, m.TestMessage):
        return m.TestMessageResponse(**common)
    if type(message) not in RESPONSES:
        raise NotAnswerable(f"A {message.element} has no response. Answer only requests.")
    response_type, reference_field = RESPONSES[type(message)]
    common[reference_field] = message.message_id
    common["result"] = Result.REJECTED if reasons else Result.ACCEPTED
    common["rejection_reason"] = SEPARATOR.join(reasons) or None
    if isinstance(message, s.FlexSettlement):
        common["statuses"] = _settlement_statuses(message, disputes or {}, common["rejection_reason"])
    if isinstance(message, m.DPrognosis):
        common["order_statuses"] = tuple(
            m.FlexOrderStatus(flex_order_message_id=order_id, is_validated=holds)
            for order_id, holds in (order_statuses or {}).items()
        )
    return response_type(**common)


def mirror_offer(
    request: m.FlexRequest,
    *,
    message_id: str,
    shares: Mapping[str, Decimal],
    now: datetime,
    expires_at: datetime | None = None,
    price: Decimal = Decimal("0.00"),
    currency: str = "EUR",
    min_activation_factor: Decimal = Decimal("1.00"),
    d_prognosis_message_id: str | None = None,
    baseline_reference: str | None = None,
) -> m.FlexOffer:
    """Return the offer that confirms a request, the way called contracts are answered.

    There is an option for each of `shares`, by its OptionReference: it repeats every requested ISP with that part of
    the power that was asked, towards zero. The price defaults to zero because the money
    is in the contract, the expiry to the request's own, and the conversation is the request's: the receiving library
    finds the request by conversation and MessageID together.
    """
    requested = [isp for isp in request.isps if isp.disposition is Disposition.REQUESTED]
    options = tuple(
        m.OfferOption(
            option_reference=reference,
            price=price,
            min_activation_factor=min_activation_factor,
            isps=tuple(
                m.PowerIsp(power_w=int(confirming_power_w(isp) * share), start=isp.start, duration=isp.duration)
                for isp in requested
            ),
        )
        for reference, share in shares.items()
    )
    return m.FlexOffer(
        **_reply(request, message_id, now),
        isp_duration=request.isp_duration,
        time_zone=request.time_zone,
        period=request.period,
        congestion_point=request.congestion_point,
        expires_at=expires_at or request.expires_at,
        flex_request_message_id=request.message_id,
        contract_id=request.contract_id,
        d_prognosis_message_id=d_prognosis_message_id,
        baseline_reference=baseline_reference,
        currency=currency,
        options=options,
    )


def _reply(message: m.PayloadMessage, message_id: str, now: datetime) -> dict[str, Any]:
    """Return the metadata of a message that goes back to the sender of `message`."""
    metadata = {field.name: getattr(message, field.name) for field in fields(m.PayloadMessage)}
    turned = {"sender_domain": message.recipient_domain, "recipient_domain": message.sender_domain}
    return {**metadata, **turned, "message_id": message_id, "time_stamp": now}


def _settlement_statuses(
    settlement: s.FlexSettlement, disputes: Mapping[str, str], rejection: str | None
) -> tuple[s.OrderSettlementStatus, ...]:
    """Return one status per order; a rejected settlement disputes them all."""
    statuses = []
    for order in settlement.order_settlements:
        reason = rejection or disputes.get(order.order_reference or "")
        disposition = SettlementDisposition.DISPUTED if reason else SettlementDisposition.ACCEPTED
        statuses.append(
            s.OrderSettlementStatus(
                order_reference=order.order_reference, disposition=disposition, dispute_reason=reason
            )
        )
    return tuple(statuses)
