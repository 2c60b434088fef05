"""The short way in for a sender whose last message was in order: one statement stores the next and checks its key.

Each process remembers a sender's newest key, as a guess only: the statement stores nothing unless that key is valid at
this moment. So whatever changes a key or a participant has nobody to tell; the message then goes the long way.

Messages that come at the same moment can share the statement, its commit, and the trip that counts them.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from enum import Enum, auto

from django.conf import settings
from django.db import DatabaseError

from aggregator.core.messaging.inbox import Incoming, store_new
from aggregator.core.rates import fitting
from bidding.markets.uftp.codec import parse
from bidding.markets.uftp.envelope import Envelope, SignatureRefused, open_envelope
from bidding.markets.uftp.keys import PublicKey
from bidding.markets.uftp.vocabulary import Role
from bidding.models import UftpParticipant, UftpPublicKey
from bidding.uftp.address_book import FRESH_FOR

CHANNEL = "uftp"

_newest: dict[tuple[str, Role], PublicKey] = {}  # of senders that proved who they are: strangers cannot fill it
_KEY_IS_VALID = f"""
    EXISTS (
        SELECT FROM {UftpPublicKey._meta.db_table} AS key
        JOIN {UftpParticipant._meta.db_table} AS participant ON participant.id = key.participant_id
        WHERE participant.domain = given.sender AND participant.role = given.role AND key.text = given.key
            AND key.valid_from <= given.received_at
            AND (key.valid_until IS NULL OR key.valid_until > given.received_at)
            AND (
                participant.source = '{UftpParticipant.Source.BY_HAND}'
                OR participant.fetched_at > given.received_at - interval '{FRESH_FOR.total_seconds()} seconds'
            )
    )
"""  # noqa: SLF001 - names of ours only


class Outcome(Enum):
    """What the short way came to."""

    STORED = auto()
    NOT_STORED = auto()
    TOO_MANY = auto()


def remember(envelope: Envelope, key: PublicKey) -> None:
    """Keep the newest key of a sender whose signature was right."""
    _newest[envelope.sender_domain, envelope.sender_role] = key


def open_by_guess(envelope: Envelope, *, body: bytes, now: datetime) -> Incoming | None:
    """Return a message that fits its sender's key of last time, for `store_all`: only that tells whether to believe it.

    Raises as `parse`.
    """
    key = _newest.get((envelope.sender_domain, envelope.sender_role))
    if key is None:
        return None
    try:
        document = open_envelope(envelope, public_keys=[key])
    except SignatureRefused:
        return None
    given = (envelope.sender_role.value, str(key))
    return Incoming(envelope.sender_domain, parse(document).message_id, body, now, given)


def store_all(messages: Sequence[Incoming]) -> list[Outcome]:
    """Count messages, and store those whose key is valid now and that are new, in one statement.

    What is not stored is to be looked at closely, each by itself: its key or its id is wrong, or the database refused.
    """
    outcomes = dict.fromkeys(messages, Outcome.TOO_MANY)
    fit = _within_rate(messages)
    for one, is_new in zip(fit, _stored(fit) if fit else (), strict=True):
        outcomes[one] = Outcome.STORED if is_new else Outcome.NOT_STORED
    return list(outcomes.values())


def _within_rate(messages: Sequence[Incoming]) -> list[Incoming]:
    of_sender = defaultdict(list)
    for one in messages:
        of_sender[rate_key(one.sender)].append(one)
    fit = fitting({key: len(own) for key, own in of_sender.items()}, limit=settings.UFTP_REQUESTS_PER_MINUTE)
    return [one for key, own in of_sender.items() for one in own[: fit[key]]]


def _stored(messages: Sequence[Incoming]) -> list[bool]:
    try:
        return store_new(channel=CHANNEL, messages=messages, provided=_KEY_IS_VALID, names=("role", "key"))
    except DatabaseError:
        return [False] * len(messages)


def rate_key(sender: str) -> str:
    """Return what a sender's messages are counted under."""
    return f"uftp:from:{sender}"
