"""What the broker does with a request body: prove the sender, judge the message, store it, answer through the outbox.

The statuses are those of the public Java library: 401 for an unknown participant or a bad signature, 400 for anything
that cannot be read and for a MessageID seen before. The business answer is a message of its own.
"""

from datetime import datetime
from http import HTTPStatus

from django.db import transaction

from bidding.markets.safe_xml import InvalidXml
from bidding.markets.uftp import messages as m
from bidding.markets.uftp.answers import NotAnswerable, respond
from bidding.markets.uftp.case import Agreement, Records
from bidding.markets.uftp.codec import parse
from bidding.markets.uftp.envelope import BodyTooLarge, Envelope, SignatureRefused, open_envelope, read_envelope
from bidding.markets.uftp.powers import PowerMeaning
from bidding.markets.uftp.problems import InvalidMessage
from bidding.markets.uftp.references import reference_of
from bidding.markets.uftp.semantics import rejection_reasons
from bidding.markets.uftp.vocabulary import Role
from mock_gopacs.models import Call, CallContract, Market, UftpMessage, UftpParticipant
from mock_gopacs.uftp import calls, outbox
from mock_gopacs.uftp.address_book import accepted_keys

DUPLICATE = "Duplicate message"
OFFER_TOO_EARLY = "FlexRequest was not accepted before the FlexOffer"
"""Ours: no public text says what happens to an offer that overtakes the acceptance of its request."""


class Refused(ValueError):
    """The message is not taken; nothing of it is kept."""

    def __init__(self, status: HTTPStatus, text: str) -> None:
        super().__init__(text)
        self.status = status


@transaction.atomic
def receive(body: bytes, *, client: UftpParticipant, now: datetime) -> None:
    """Take in one message of `client`, with all that follows from it; raise `Refused` or `Market.DoesNotExist`."""
    Market.lock()
    envelope, document = _proven(body, client, now)
    try:
        message = parse(document)
    except (InvalidXml, InvalidMessage) as error:
        raise Refused(HTTPStatus.BAD_REQUEST, str(error)) from error
    dso = UftpParticipant.objects.filter(domain=message.recipient_domain, role=Role.DSO.value).first()
    if dso is None:
        raise Refused(HTTPStatus.BAD_REQUEST, f"Unknown recipient {message.recipient_domain}")
    if UftpMessage.objects.filter(
        direction=UftpMessage.Direction.INCOMING, aggregator=client, message_id=message.message_id
    ).exists():
        raise Refused(HTTPStatus.BAD_REQUEST, DUPLICATE)
    call = (
        Call.objects.select_related("contract")
        .filter(conversation_id=message.conversation_id, contract__aggregator=client, contract__dso=dso)
        .first()
    )
    reasons = _judge(message, envelope, dso=dso, call=call, now=now)
    UftpMessage.objects.create(
        direction=UftpMessage.Direction.INCOMING,
        dso=dso,
        aggregator=client,
        element=message.element,
        message_id=message.message_id,
        conversation_id=message.conversation_id,
        body=body,
        document=document,
        stored_at=now,
        reasons=list(reasons),
    )
    _act(message, call=None if reasons else call, reasons=reasons, dso=dso, aggregator=client, now=now)


def _proven(body: bytes, client: UftpParticipant, now: datetime) -> tuple[Envelope, bytes]:
    """Return the envelope and what was signed, by a key of the domain that the access token belongs to."""
    try:
        envelope = read_envelope(body)
    except (BodyTooLarge, InvalidXml, InvalidMessage) as error:
        raise Refused(HTTPStatus.BAD_REQUEST, str(error)) from error
    if (envelope.sender_domain, envelope.sender_role) != (client.domain, client.role):
        text = f"Unknown participant {envelope.sender_domain} ({envelope.sender_role}) for this access token"
        raise Refused(HTTPStatus.UNAUTHORIZED, text)
    try:
        return envelope, open_envelope(envelope, public_keys=accepted_keys(client, now=now))
    except SignatureRefused as error:
        raise Refused(HTTPStatus.UNAUTHORIZED, str(error)) from error


def _judge(
    message: m.PayloadMessage, envelope: Envelope, *, dso: UftpParticipant, call: Call | None, now: datetime
) -> tuple[str, ...]:
    contracts = CallContract.objects.filter(dso=dso, aggregator_id=envelope.sender_domain)
    agreement = Agreement(
        recipient_domains={dso.domain},
        versions={call.contract.version} if call else {"3.0.0", "3.1.0"},
        congestion_points={contract.congestion_point for contract in contracts},
        contract_ids={contract.contract_id for contract in contracts},
        power_meaning=PowerMeaning(call.contract.power_meaning) if call else PowerMeaning.DELTA,
    )
    reasons = rejection_reasons(
        message,
        sender_domain=envelope.sender_domain,
        sender_role=envelope.sender_role,
        agreement=agreement,
        records=_records(message, envelope, dso=dso, call=call),
        now=now,
    )
    if not reasons and isinstance(message, m.FlexOffer) and call and call.state == Call.State.REQUESTED:
        return (OFFER_TOO_EARLY,)
    return reasons


def _records(message: m.PayloadMessage, envelope: Envelope, *, dso: UftpParticipant, call: Call | None) -> Records:
    """Return what is known of the referenced message: it counts only within its own conversation."""
    reference = reference_of(message)
    row = None
    if reference is not None:
        referenced_type, message_id = reference
        row = (
            UftpMessage.objects.filter(
                dso=dso,
                aggregator_id=envelope.sender_domain,
                conversation_id=message.conversation_id,
                message_id=message_id,
                element=referenced_type.element,
            )
            .order_by("pk")
            .first()
        )
    return Records(
        reference=parse(bytes(row.document)) if row else None,
        accepted=not row.reasons if row else True,
        revoked=_is_revoked(message),
        ordered=call is not None and call.state == Call.State.CONFIRMED,
    )


def _is_revoked(message: m.PayloadMessage) -> bool:
    """Tell whether the offer that a revocation names was revoked before."""
    if not isinstance(message, m.FlexOfferRevocation):
        return False
    earlier = UftpMessage.objects.filter(
        conversation_id=message.conversation_id, element=message.element, reasons__len=0
    )
    named = (parse(bytes(row.document)) for row in earlier)
    return any(
        isinstance(other, m.FlexOfferRevocation) and other.flex_offer_message_id == message.flex_offer_message_id
        for other in named
    )


def _act(
    message: m.PayloadMessage,
    *,
    call: Call | None,
    reasons: tuple[str, ...],
    dso: UftpParticipant,
    aggregator: UftpParticipant,
    now: datetime,
) -> None:
    """Answer, and move the call on; `call` is None when the message was rejected or is about none."""
    try:
        answer = respond(message, message_id=outbox.new_message_id(), now=now, reasons=reasons)
    except NotAnswerable:
        answer = None
    orders_now = False
    match message:
        case m.FlexRequestResponse() if call:
            calls.hear_request_response(call, message)
        case m.FlexOffer() if call:
            orders_now = calls.hear_offer(call, message, now=now)
        case m.FlexOfferRevocation() if call:
            calls.hear_revocation(call, message)
        case m.FlexOrderResponse() if call:
            calls.hear_order_response(call, message)
    order_first = orders_now and outbox.order_comes_first()
    if order_first and call:
        calls.order(call, now)
    if answer is not None:
        outbox.put(answer, dso=dso, aggregator=aggregator, now=now)
    if orders_now and call and not order_first:
        calls.order(call, now)
