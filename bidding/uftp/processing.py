"""What a stored message brings about: answers, offers, duties. One message, one transaction."""

import logging
from dataclasses import replace
from datetime import datetime, timedelta

from celery.exceptions import SoftTimeLimitExceeded
from django.db import transaction

from aggregator.core.clock import Clock
from aggregator.core.locks import AdvisoryLock, try_take
from aggregator.core.messaging.inbox import due_messages, put_off
from aggregator.core.models import InboxMessage
from bidding.markets.uftp import messages as m
from bidding.markets.uftp import settlement_messages as s
from bidding.markets.uftp.answers import respond
from bidding.markets.uftp.codec import parse
from bidding.markets.uftp.envelope import Envelope, read_envelope
from bidding.markets.uftp.keys import SIGNATURE_BYTES
from bidding.markets.uftp.powers import activated_isps
from bidding.markets.uftp.reasons import SEPARATOR, Reason
from bidding.markets.uftp.references import RESPONSES
from bidding.markets.uftp.semantics import rejection_reasons
from bidding.markets.uftp.vocabulary import Result, Role
from bidding.models import Contract, UftpMessage, UftpParticipant
from bidding.uftp.agreements import CLOCK_TOLERANCE, agreement_with, contract_of, message_row, records_of
from bidding.uftp.calls import NotAvailable, take_call
from bidding.uftp.demands import NOT_AVAILABLE, contract_reasons, demands_of
from bidding.uftp.last_key import CHANNEL
from bidding.uftp.offers import available_options, offer_for
from bidding.uftp.receiving import sender_of
from bidding.uftp.reservations import keep_reserved
from bidding.uftp.sending import ANSWER_WITHIN, new_message_id, send, store

logger = logging.getLogger(__name__)

SHORTEST_TRY = timedelta(seconds=10)
"""An offer to a request that expires any moment is tried this long."""
_INBOX = 1  # one lock for all: messages are processed in the order in which they came


def process_due(*, clock: Clock, limit: int = 200) -> int:
    """Process what is due in the inbox, oldest first; return how many were done.

    A message that fails stays, with its error, and is tried again at growing distance, after what is new; it does not
    hold up the others. A second worker leaves the inbox to the first.
    """
    done, began_at = 0, clock.now()  # what fails in this round is due after it
    for _ in range(limit):
        row: InboxMessage | None = None
        try:
            with transaction.atomic():
                if not try_take(AdvisoryLock.UFTP_INBOX, _INBOX):
                    break
                row = due_messages(channel=CHANNEL, now=began_at).first()
                if row is None:
                    break
                _process(row, clock.now())
                done += 1
        except SoftTimeLimitExceeded:  # the round's time is up, not the message's
            raise
        except Exception as error:
            if row is None:
                raise
            logger.exception("UFTP message %s could not be processed; it is tried again. Mend the cause.", row.pk)
            put_off(row.pk, error, now=clock.now())
    return done


def _process(row: InboxMessage, now: datetime) -> None:
    envelope = read_envelope(bytes(row.body))
    document = envelope.sealed[SIGNATURE_BYTES:]  # the signature was checked before it was stored
    message = parse(document)
    participant = sender_of(envelope)
    stored = store(
        participant=participant, way=UftpMessage.Way.RECEIVED, message=message, document=document, now=row.received_at
    )
    reasons = _Handling(participant, envelope, message, stored, now).run()
    stored.result = UftpMessage.Result.REJECTED if reasons else UftpMessage.Result.ACCEPTED
    stored.reasons = SEPARATOR.join(reasons)
    stored.save(update_fields=["result", "reasons"])
    row.processed_at, row.error = now, ""
    row.save(update_fields=["processed_at", "error"])


class _Handling:
    """One received message being dealt with."""

    def __init__(
        self,
        participant: UftpParticipant,
        envelope: Envelope,
        message: m.PayloadMessage,
        stored: UftpMessage,
        now: datetime,
    ) -> None:
        self.participant, self.message, self.stored, self.now = participant, message, stored, now
        self.contract = contract_of(participant, message)
        self.reasons = list(
            rejection_reasons(
                message,
                sender_domain=envelope.sender_domain,
                sender_role=envelope.sender_role,
                agreement=agreement_with(participant, self.contract),
                records=records_of(participant, message),
                # An order that was here in time binds, however late we get to it; what we answer may come too late.
                now=stored.at if isinstance(message, m.FlexOrder) else now,
            )
        )

    def run(self) -> list[str]:
        """Do what the message asks; return why it is rejected, if it is."""
        match self.message:
            case m.FlexRequest():
                self._take_request(self.message)
            case m.FlexOrder():
                self._take_order(self.message)
            case m.FlexReservationUpdate():
                self._keep_reserved(self.message)
            case s.FlexSettlement():
                if self.reasons:  # else the room that settles checks it, and answers
                    self._answer()
            case m.ResponseMessage():
                self._note_answer(self.message)
            case m.TestMessageResponse():
                self._note_reached(self.message)
            case m.TestMessage():
                if not self.reasons:  # its answer cannot say that it is a rejection
                    self._answer()
            case _:
                self._answer()
        return self.reasons

    def _take_request(self, request: m.FlexRequest) -> None:
        """Answer a request and, when it is accepted, confirm it by an offer that goes out after the answer."""
        if self.contract is None and not self.reasons:
            self.reasons.append(Reason.UNKNOWN_CONTRACT)
        if self.contract is None or self.reasons:
            self._answer()
            return
        offer = offer_for(request, contract=self.contract, now=self.now)
        demands = demands_of(offer.options[0].isps, period=request.period, contract=self.contract)
        self.reasons += contract_reasons(
            demands, period=request.period, contract=self.contract, called_at=self.stored.at, now=self.now
        )
        if not self.reasons:
            offer = replace(offer, options=available_options(offer, contract=self.contract))
            if not offer.options:
                self.reasons.append(NOT_AVAILABLE)
        self._answer()
        if not self.reasons:
            # On the operator's clock, too, the offer must come before it expires.
            deadline_at = max(request.expires_at - CLOCK_TOLERANCE, self.now + SHORTEST_TRY)
            send(
                participant=self.participant,
                message=offer,
                now=self.now,
                deadline_at=deadline_at,
                void_from=max(deadline_at, request.expires_at),
            )

    def _take_order(self, order: m.FlexOrder) -> None:
        """Take a call on and say so, or say why not; both in the transaction that stores it."""
        if self.contract is None and not self.reasons:
            self.reasons.append(Reason.UNKNOWN_CONTRACT)
        if self.contract is not None and not self.reasons:
            self._call(order, self.contract)
        self._answer()

    def _call(self, order: m.FlexOrder, contract: Contract) -> None:
        # Locked, so that whoever ends or changes the contract comes before this call or finds it.
        locked = Contract.objects.select_for_update(of=("self",)).select_related("aggregation_ean")
        contract = locked.get(pk=contract.pk)
        offer = self._referenced(m.FlexOffer, order.flex_offer_message_id)
        request = self._referenced(m.FlexRequest, offer.refers_to if offer else None)
        demands = demands_of(activated_isps(order), period=order.period, contract=contract)
        called_at = request.at if request else None if offer else self.stored.at
        self.reasons += contract_reasons(
            demands, period=order.period, contract=contract, called_at=called_at, now=self.now
        )
        if self.reasons:
            return
        try:
            take_call(
                contract=contract,
                order_reference=order.order_reference,
                day=order.period,
                message=self.stored,
                offer=offer,
                demands=demands,
                now=self.now,
            )
        except NotAvailable:
            self.reasons.append(NOT_AVAILABLE)

    def _keep_reserved(self, update: m.FlexReservationUpdate) -> None:
        """Lower what may still be called, and say so."""
        if self.contract is None and not self.reasons:
            self.reasons.append(Reason.UNKNOWN_CONTRACT)
        if self.contract is not None and not self.reasons:
            self.reasons += keep_reserved(update, contract=self.contract, message=self.stored)
        self._answer()

    def _note_answer(self, answer: m.ResponseMessage) -> None:
        """Keep what the other side made of a message of ours."""
        if self.reasons or not self.stored.refers_to:
            return
        self.participant.messages.filter(way=UftpMessage.Way.SENT, message_id=self.stored.refers_to).update(
            result=UftpMessage.Result.ACCEPTED if answer.result is Result.ACCEPTED else UftpMessage.Result.REJECTED,
            reasons=answer.rejection_reason or "",
        )

    def _note_reached(self, answer: m.TestMessageResponse) -> None:
        """Keep that the other side has our test; its answer names only the conversation."""
        if not self.reasons:
            self.participant.messages.filter(
                way=UftpMessage.Way.SENT, element=m.TestMessage.element, conversation_id=answer.conversation_id
            ).update(result=UftpMessage.Result.ACCEPTED)

    def _answer(self) -> None:
        """Send the answer to the message, if it is ours to answer."""
        answer_type, _ = RESPONSES.get(type(self.message), (m.TestMessageResponse, ""))
        if Role.AGR not in answer_type.sent_by:
            return
        answer = respond(self.message, message_id=new_message_id(), now=self.now, reasons=self.reasons)
        send(participant=self.participant, message=answer, now=self.now, deadline_at=self.now + ANSWER_WITHIN)

    def _referenced(self, kind: type[m.PayloadMessage], message_id: str | None) -> UftpMessage | None:
        return message_row(self.participant, kind, message_id) if message_id else None
