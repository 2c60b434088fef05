"""The short way in for a sender whose last message was in order: one statement stores the next and checks its key.

Each process remembers a sender's newest key, as a guess only: the statement stores nothing unless that key is valid at
this moment. So whatever changes a key or a participant has nobody to tell; the message then goes the long way.
"""

from dataclasses import dataclass
from datetime import datetime

from aggregator.core.messaging.inbox import store_new
from bidding.markets.uftp.envelope import Envelope, SignatureRefused, open_envelope
from bidding.markets.uftp.keys import PublicKey
from bidding.markets.uftp.vocabulary import Role
from bidding.models import UftpParticipant, UftpPublicKey
from bidding.uftp.address_book import FRESH_FOR

_newest: dict[tuple[str, Role], PublicKey] = {}  # of senders that proved who they are: strangers cannot fill it
_KEY_IS_VALID = f"""
    EXISTS (
        SELECT FROM {UftpPublicKey._meta.db_table} AS key
        JOIN {UftpParticipant._meta.db_table} AS participant ON participant.id = key.participant_id
        WHERE participant.domain = %(sender)s AND participant.role = %(role)s AND key.text = %(key)s
            AND key.valid_from <= %(received_at)s
            AND (key.valid_until IS NULL OR key.valid_until > %(received_at)s)
            AND (participant.source = %(by_hand)s OR participant.fetched_at > %(stale_at)s)
    )
"""  # noqa: SLF001 - names of ours only


@dataclass(frozen=True, slots=True)
class Guess:
    """A message opened with the key of last time; nothing in it is to be believed before `store` said yes."""

    envelope: Envelope
    key: PublicKey
    document: bytes

    def store(self, *, channel: str, message_id: str, body: bytes, now: datetime) -> bool:
        """Store the message if the key is valid and the message new; False: one of them is not, look closer."""
        given = {
            "role": self.envelope.sender_role.value,
            "key": str(self.key),
            "by_hand": UftpParticipant.Source.BY_HAND,
            "stale_at": now - FRESH_FOR,
        }
        sender = self.envelope.sender_domain
        return store_new(
            now=now,
            channel=channel,
            sender=sender,
            message_id=message_id,
            body=body,
            provided=_KEY_IS_VALID,
            given=given,
        )


def remember(envelope: Envelope, key: PublicKey) -> None:
    """Keep the newest key of a sender whose signature was right."""
    _newest[envelope.sender_domain, envelope.sender_role] = key


def open_by_guess(envelope: Envelope) -> Guess | None:
    """Open a message with the key of last time, if it fits."""
    key = _newest.get((envelope.sender_domain, envelope.sender_role))
    if key is None:
        return None
    try:
        return Guess(envelope, key, open_envelope(envelope, public_keys=[key]))
    except SignatureRefused:
        return None
