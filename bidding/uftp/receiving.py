"""The door: a message is checked as far as the transport asks, and stored before it is answered."""

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings

from aggregator.core.messaging.inbox import DuplicateIdentifier, Incoming, receive
from aggregator.core.models import InboxMessage
from aggregator.core.rates import is_within
from bidding.markets.safe_xml import InvalidXml
from bidding.markets.uftp.codec import parse
from bidding.markets.uftp.envelope import BodyTooLarge, Envelope, SignatureRefused, open_envelope, read_envelope
from bidding.markets.uftp.keys import SIGNATURE_BYTES, PublicKey
from bidding.markets.uftp.problems import InvalidMessage
from bidding.markets.uftp.reasons import Reason
from bidding.markets.uftp.transport import Condition, condition_of_error
from bidding.markets.uftp.vocabulary import Role
from bidding.models import UftpParticipant
from bidding.uftp.address_book import NobodyAnswers, keys_of
from bidding.uftp.last_key import CHANNEL, Outcome, open_by_guess, rate_key, remember, store_all


@dataclass(frozen=True, slots=True)
class Received:
    """What became of a request, and a word for its sender."""

    condition: Condition
    explanation: str = ""


TOO_MANY = Received(Condition.TOO_MANY_REQUESTS, "Too many messages in this minute. Send the rest in the next.")


class SenderUnknown(LookupError):
    """No key of the sender is known, or not whether it has a new one."""


def take_in(*, body: bytes, now: datetime) -> Received:
    """Check and store one request body. A repeat of what is stored changes nothing and is received again."""
    quick = open_quickly(body=body, now=now)
    if isinstance(quick, Received):
        return quick
    return finish(store_all([quick])[0] if quick else None, body=body, now=now)


def open_quickly(*, body: bytes, now: datetime) -> Incoming | Received | None:
    """Return a message that is ready for `store_all`, or why it is refused; None when it must be looked at closely."""
    try:
        return open_by_guess(read_envelope(body), body=body, now=now)
    except (BodyTooLarge, InvalidXml, InvalidMessage) as error:
        return Received(condition_of_error(error), str(error))


def finish(outcome: Outcome | None, *, body: bytes, now: datetime) -> Received:
    """Say what became of a message, after a close look where `store_all` did not store it, or was not asked (None)."""
    if outcome is Outcome.STORED:
        return Received(Condition.RECEIVED)
    if outcome is Outcome.TOO_MANY:
        return TOO_MANY
    try:
        return _take_in_closely(read_envelope(body), body, now, is_counted=outcome is not None)
    except SenderUnknown as error:
        return Received(Condition.SENDER_KEY_UNKNOWN, str(error))
    except (BodyTooLarge, InvalidXml, InvalidMessage, SignatureRefused) as error:
        return Received(condition_of_error(error), str(error))
    except DuplicateIdentifier as error:
        return Received(Condition.NOT_VALID, f"{Reason.DUPLICATE_IDENTIFIER}: {error}")


def _take_in_closely(envelope: Envelope, body: bytes, now: datetime, *, is_counted: bool) -> Received:
    document = _verified(envelope, now)
    message_id = parse(document).message_id
    sender = envelope.sender_domain
    if not is_counted and not is_within(key=rate_key(sender), limit=settings.UFTP_REQUESTS_PER_MINUTE):
        return TOO_MANY
    _store(sender, message_id, document, body, now)
    return Received(Condition.RECEIVED)


def _store(sender: str, message_id: str, document: bytes, body: bytes, now: datetime) -> None:
    try:
        receive(now=now, channel=CHANNEL, sender=sender, message_id=message_id, body=body)
    except DuplicateIdentifier:
        # The same message in another envelope, as when it is sent again after a change of keys, is a repeat.
        if signed_document(stored_body(sender=sender, message_id=message_id)) != document:
            raise


def stored_body(*, sender: str, message_id: str) -> bytes:
    """Return the request body that brought a message."""
    return bytes(InboxMessage.objects.get(channel=CHANNEL, sender=sender, message_id=message_id).body)


def signed_document(body: bytes) -> bytes:
    """Return the signed XML in a stored body; its signature was checked before it was stored."""
    return read_envelope(body).sealed[SIGNATURE_BYTES:]


def sender_of(envelope: Envelope) -> UftpParticipant:
    """Return the participant that sent what is stored: in the role it claims, else in the one it is known in.

    A known sender that claims another role is to be told so, by a rejection; no key is known for that role, and 419
    would make it send the same again for hours.
    """
    named = UftpParticipant.objects.filter(domain=envelope.sender_domain)
    return named.filter(role=envelope.sender_role).first() or named.order_by("pk")[0]


def _verified(envelope: Envelope, now: datetime) -> bytes:
    keys = _keys_of(envelope, now)
    if not keys:
        raise SenderUnknown(
            f"No key of {envelope.sender_domain} in role {envelope.sender_role} is known here. It must be in the "
            "address book or entered with us; try again later."
        )
    try:
        document = open_envelope(envelope, public_keys=keys)
    except SignatureRefused:
        # The sender may have changed keys since we looked.
        try:
            keys = _keys_of(envelope, now, refresh=True)
        except NobodyAnswers as failure:
            raise SenderUnknown(f"No known key made the signature. {failure} Try again later.") from failure
        document = open_envelope(envelope, public_keys=keys)
    remember(envelope, keys[0])
    return document


def _keys_of(envelope: Envelope, now: datetime, *, refresh: bool = False) -> list[PublicKey]:
    """Return the keys of the sender in the role it claims, else in the one it is known in."""
    domain = envelope.sender_domain
    keys = keys_of(domain=domain, role=envelope.sender_role, now=now, refresh=refresh)
    known = None if keys else UftpParticipant.objects.filter(domain=domain).order_by("pk").first()
    return keys_of(domain=domain, role=Role(known.role), now=now, refresh=refresh) if known else keys
