"""Calls and messages as JSON, for the control API."""

from typing import Any

from lxml import etree

from bidding.markets.safe_xml import parse_xml
from mock_gopacs.models import Call, UftpMessage
from mock_gopacs.wire import epoch_ms, number


def call_document(call: Call) -> dict[str, Any]:
    """Return a call with its contract and where it stands."""
    contract = call.contract
    return {
        "conversationId": str(call.conversation_id),
        "contractId": contract.contract_id,
        "ean": contract.ean,
        "dso": contract.dso_id,
        "aggregator": contract.aggregator_id,
        "congestion": contract.congestion,
        "powerMeaning": contract.power_meaning,
        "powerW": call.power_w,
        "price": number(contract.price_eur),
        "state": call.state,
        "calledAt": epoch_ms(call.called_at),
        "startsAt": epoch_ms(call.starts_at),
        "endsAt": epoch_ms(call.ends_at),
        "offersUntil": epoch_ms(call.offers_until) if call.offers_until else None,
        "ordersAt": epoch_ms(call.orders_at) if call.orders_at else None,
        "requestMessageId": _text(call.request_message_id),
        "offerMessageId": _text(call.offer_message_id),
        "orderMessageId": _text(call.order_message_id),
    }


def message_document(message: UftpMessage) -> dict[str, Any]:
    """Return a message decoded, with what became of it."""
    return {
        "id": message.pk,
        "direction": message.direction,
        "element": message.element,
        "dso": message.dso_id,
        "aggregator": message.aggregator_id,
        "messageId": str(message.message_id),
        "conversationId": str(message.conversation_id),
        "storedAt": epoch_ms(message.stored_at),
        "content": _element_document(parse_xml(bytes(message.document))),
        "reasons": message.reasons,
        "fault": message.fault,
        "state": message.state,
        "attempts": message.attempts,
        "status": message.status,
        "lastError": message.last_error,
    }


def _element_document(element: etree._Element) -> dict[str, Any]:
    """Return attributes by name, and child elements in lists by name."""
    document: dict[str, Any] = {str(name): str(value) for name, value in element.attrib.items()}
    for child in element:
        document.setdefault(str(child.tag), []).append(_element_document(child))
    return document


def _text(value: object) -> str | None:
    return None if value is None else str(value)
