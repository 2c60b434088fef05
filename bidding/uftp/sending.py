"""Writing down what we say: sealed once, the same bytes at every attempt."""

import uuid
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction

from aggregator.core.messaging.operations import enqueue
from bidding.markets.uftp.codec import serialise
from bidding.markets.uftp.envelope import seal
from bidding.markets.uftp.messages import PayloadMessage, TestMessage
from bidding.markets.uftp.references import reference_of
from bidding.markets.uftp.transport import CONTENT_TYPE
from bidding.markets.uftp.vocabulary import Role
from bidding.models import UftpMessage, UftpParticipant
from bidding.uftp.last_key import CHANNEL
from bidding.uftp.own_keys import signing_key
from bidding.uftp.services import own_domain

ANSWER_WITHIN = timedelta(hours=24)  # the specification asks to retry for at least an hour


def new_message_id() -> str:
    """Return a MessageID nobody used."""
    return str(uuid.uuid4())


def metadata(participant: UftpParticipant, *, now: datetime) -> dict[str, Any]:
    """Return what a message of ours that opens a conversation says about itself."""
    return {
        "version": participant.version,
        "sender_domain": own_domain(),
        "recipient_domain": participant.domain,
        "time_stamp": now,
        "message_id": new_message_id(),
        "conversation_id": new_message_id(),
    }


@transaction.atomic
def send_test(*, participant: UftpParticipant, now: datetime) -> UftpMessage:
    """Ask a participant whether we reach it; its answer makes the message accepted."""
    message = TestMessage(**metadata(participant, now=now))
    return send(participant=participant, message=message, now=now, deadline_at=now + ANSWER_WITHIN)


def send(
    *,
    participant: UftpParticipant,
    message: PayloadMessage,
    now: datetime,
    deadline_at: datetime,
    void_from: datetime | None = None,
) -> UftpMessage:
    """Put a message in the outbox, after all that its conversation has there; the caller holds the transaction.

    It goes out under our own domain and to the participant, whatever the message it answers claimed, and never from
    `void_from` on. Raises
    `ImproperlyConfigured` without a key to sign with or an address to send to.
    """
    message = replace(message, sender_domain=own_domain(), recipient_domain=participant.domain)
    document = serialise(message)
    body = seal(document, sender_domain=own_domain(), sender_role=Role.AGR, private_key=signing_key(now=now))
    enqueue(
        now=now,
        channel=CHANNEL,
        conversation=f"{participant.pk} {message.conversation_id}",
        idempotency_key=f"uftp {message.message_id}",
        method="POST",
        url=_address_of(participant),
        headers={"Content-Type": CONTENT_TYPE},
        body=body,
        deadline_at=deadline_at,
        void_from=void_from,
    )
    return store(participant=participant, way=UftpMessage.Way.SENT, message=message, document=document, now=now)


def store(
    *, participant: UftpParticipant, way: UftpMessage.Way, message: PayloadMessage, document: bytes, now: datetime
) -> UftpMessage:
    """Write a message into the register of what was exchanged."""
    reference = reference_of(message)
    period: date | None = getattr(message, "period", None)
    place: str = getattr(message, "congestion_point", "") or getattr(message, "ean", "")
    return UftpMessage.objects.create(
        participant=participant,
        way=way,
        element=message.element,
        message_id=message.message_id,
        conversation_id=message.conversation_id,
        refers_to=reference[1] if reference else "",
        contract_id=(getattr(message, "contract_id", None) or "")[:120],
        period=period,
        congestion_point=place[:300],
        revision=getattr(message, "revision", None),
        document=document,
        at=now,
    )


def _address_of(participant: UftpParticipant) -> str:
    url: str = participant.endpoint or settings.UFTP_BROKER_URL
    if not url:
        raise ImproperlyConfigured(
            f"There is no address for messages to {participant.domain}. Give it an endpoint, or set UFTP_BROKER_URL."
        )
    return url
