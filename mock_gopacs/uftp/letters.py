"""A message on its way out as bytes to post, and what the fault switches make of it.

Pure. Most faults add a letter that must not have any effect, beside the true one; so a test can see both that the
false one is refused and that nothing is lost.
"""

import base64
import uuid
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from bidding.markets.uftp import messages as m
from bidding.markets.uftp.codec import serialise
from bidding.markets.uftp.envelope import Envelope, seal
from bidding.markets.uftp.keys import PrivateKey
from bidding.markets.uftp.vocabulary import Role

HUGE_BODY_BYTES = 5 * 2**20
SHIFT_W = 1000
CLOCK_OFF = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """In whose name a message goes out, and who a forger would be."""

    domain: str
    key: PrivateKey
    forged_key: PrivateKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One request body; `fault` names the switch that made it, and is empty for the true message."""

    message: m.PayloadMessage
    document: bytes
    body: bytes
    fault: str = ""


def letters(message: m.PayloadMessage, *, signer: Signer, faults: Collection[str], now: datetime) -> list[Letter]:
    """Return what to post for `message`, in order, while these faults act on it."""
    instead = next((kind for kind in faults if kind in _INSTEAD), "")
    if instead:
        message = _INSTEAD[instead](message)
    true = replace(_letter(message, signer), fault=instead)
    before = [letter for kind in faults if kind in _BEFORE for letter in _BEFORE[kind](message, signer, now)]
    after = [letter for kind in faults if kind in _AFTER for letter in _AFTER[kind](message, signer, true)]
    return [*before, true, *after]


def _letter(message: m.PayloadMessage, signer: Signer, *, role: Role = Role.DSO, forged: bool = False) -> Letter:
    document = serialise(message)
    key = signer.forged_key if forged else signer.key
    return Letter(message=message, document=document, body=_sealed(document, signer, role=role, key=key))


def _sealed(document: bytes, signer: Signer, *, role: Role = Role.DSO, key: PrivateKey | None = None) -> bytes:
    return seal(document, sender_domain=signer.domain, sender_role=role, private_key=key or signer.key)


def _unknown_key(message: m.PayloadMessage, signer: Signer, _now: datetime) -> Iterator[Letter]:
    yield replace(_letter(_renamed(message), signer, forged=True), fault=UNKNOWN_KEY)


def _wrong_recipient(message: m.PayloadMessage, signer: Signer, _now: datetime) -> Iterator[Letter]:
    astray = replace(_renamed(message), recipient_domain="someone-else.example")
    yield replace(_letter(astray, signer), fault=WRONG_RECIPIENT)


def _role_mismatch(message: m.PayloadMessage, signer: Signer, _now: datetime) -> Iterator[Letter]:
    yield replace(_letter(_renamed(message), signer, role=Role.AGR), fault=ROLE_MISMATCH)


def _expired_request(message: m.PayloadMessage, signer: Signer, now: datetime) -> Iterator[Letter]:
    if isinstance(message, m.FlexRequest):
        late = replace(_renamed(message), expires_at=now - timedelta(minutes=1))
        yield replace(_letter(late, signer), fault=EXPIRED_REQUEST)


def _doctype(message: m.PayloadMessage, signer: Signer, _now: datetime) -> Iterator[Letter]:
    letter = _letter(_renamed(message), signer)
    yield replace(letter, body=_with_doctype(Envelope.element, letter.body), fault=DOCTYPE)


def _doctype_inside(message: m.PayloadMessage, signer: Signer, _now: datetime) -> Iterator[Letter]:
    letter = _letter(_renamed(message), signer)
    body = _sealed(_with_doctype(message.element, letter.document), signer)
    yield replace(letter, body=body, fault=DOCTYPE_INSIDE)


def _with_doctype(element: str, document: bytes) -> bytes:
    return f'<!DOCTYPE {element} [<!ENTITY a "entity">]>'.encode() + document


def _huge_body(message: m.PayloadMessage, signer: Signer, _now: datetime) -> Iterator[Letter]:
    letter = _letter(_renamed(message), signer)
    filling = base64.b64encode(bytes(HUGE_BODY_BYTES * 3 // 4)).decode()
    body = f'<{Envelope.element} SenderDomain="{signer.domain}" SenderRole="{Role.DSO}" Body="{filling}"/>'
    yield replace(letter, body=body.encode(), fault=HUGE_BODY)


def _twice(_message: m.PayloadMessage, _signer: Signer, true: Letter) -> Iterator[Letter]:
    yield replace(true, fault=SENT_TWICE)


def _order_again(message: m.PayloadMessage, signer: Signer, _true: Letter) -> Iterator[Letter]:
    if isinstance(message, m.FlexOrder):
        again = replace(_renamed(message), order_reference=f"{message.order_reference}-again")
        yield replace(_letter(again, signer), fault=ORDER_AGAIN)


def _same_id(message: m.PayloadMessage, signer: Signer, _true: Letter) -> Iterator[Letter]:
    yield replace(_letter(_shifted(message), signer), fault=SAME_ID_OTHER_CONTENT)


def _deviating(message: m.PayloadMessage) -> m.PayloadMessage:
    return _shifted(message) if isinstance(message, m.FlexOrder) else message


def _on_other_clock(message: Any, off: timedelta) -> Any:
    """Return a message as an operator writes it whose clock is `off`."""
    changed = replace(message, time_stamp=message.time_stamp + off)
    return replace(changed, expires_at=message.expires_at + off) if isinstance(message, m.FlexRequest) else changed


def _renamed(message: Any) -> Any:
    return replace(message, message_id=str(uuid.uuid4()))


def _shifted(message: Any) -> Any:
    """Return the same message with other content: other powers or, where there are none, another time."""
    match message:
        case m.FlexOrder(price=price):
            isps = tuple(replace(isp, power_w=isp.power_w - SHIFT_W) for isp in message.isps)
            return replace(message, isps=isps, price=price + Decimal("0.01"))
        case m.FlexRequest():
            isps_asked = tuple(replace(isp, min_power_w=isp.min_power_w - SHIFT_W) for isp in message.isps)
            return replace(message, isps=isps_asked)
        case _:
            return replace(message, time_stamp=message.time_stamp + timedelta(seconds=1))


ORDER_BEFORE_OFFER_RESPONSE = "order_before_offer_response"
SENT_TWICE = "sent_twice"
ORDER_AGAIN = "order_again"
SAME_ID_OTHER_CONTENT = "same_id_other_content"
DEVIATING_ORDER = "deviating_order"
ROTATED_KEY = "rotated_key"
UNKNOWN_KEY = "unknown_key"
WRONG_RECIPIENT = "wrong_recipient"
ROLE_MISMATCH = "role_mismatch"
EXPIRED_REQUEST = "expired_request"
DOCTYPE = "doctype"
DOCTYPE_INSIDE = "doctype_inside"
HUGE_BODY = "huge_body"
CLOCK_AHEAD = "clock_ahead"
CLOCK_BEHIND = "clock_behind"

_INSTEAD: dict[str, Callable[[m.PayloadMessage], m.PayloadMessage]] = {
    DEVIATING_ORDER: _deviating,
    CLOCK_AHEAD: lambda message: _on_other_clock(message, CLOCK_OFF),
    CLOCK_BEHIND: lambda message: _on_other_clock(message, -CLOCK_OFF),
}
_BEFORE: dict[str, Callable[[m.PayloadMessage, Signer, datetime], Iterator[Letter]]] = {
    UNKNOWN_KEY: _unknown_key,
    WRONG_RECIPIENT: _wrong_recipient,
    ROLE_MISMATCH: _role_mismatch,
    EXPIRED_REQUEST: _expired_request,
    DOCTYPE: _doctype,
    DOCTYPE_INSIDE: _doctype_inside,
    HUGE_BODY: _huge_body,
}
_AFTER: dict[str, Callable[[m.PayloadMessage, Signer, Letter], Iterator[Letter]]] = {
    SENT_TWICE: _twice,
    ORDER_AGAIN: _order_again,
    SAME_ID_OTHER_CONTENT: _same_id,
}
FIXED_ELEMENTS: dict[str, str] = {
    ORDER_BEFORE_OFFER_RESPONSE: m.FlexOrder.element,
    ORDER_AGAIN: m.FlexOrder.element,
    DEVIATING_ORDER: m.FlexOrder.element,
    EXPIRED_REQUEST: m.FlexRequest.element,
}
"""Faults that only make sense on one message."""
KINDS = frozenset({ORDER_BEFORE_OFFER_RESPONSE, ROTATED_KEY, *_INSTEAD, *_BEFORE, *_AFTER})
