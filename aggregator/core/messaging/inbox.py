"""Storing what comes in, before it is answered, and picking what is to be dealt with."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection, transaction
from django.db.models import Q, QuerySet

from aggregator.core.messaging.retries import least_tried_first, retry_after
from aggregator.core.models import InboxMessage
from aggregator.core.storable import storable

# In one order, so that two processes with the same messages never wait for each other in a ring.
_STORE_ONCE = f"""
    INSERT INTO {InboxMessage._meta.db_table} (channel, sender, message_id, body, body_sha256, received_at, error)
    SELECT %s, sender, message_id, body, body_sha256, received_at, ''
    FROM (VALUES {{rows}}) AS given (sender, message_id, body, body_sha256, received_at{{names}})
    WHERE {{provided}}
    ORDER BY sender, message_id
    ON CONFLICT (channel, sender, message_id) DO NOTHING
    RETURNING sender, message_id, body_sha256
"""  # noqa: S608, SLF001 - names of ours only
_ROW = "%s, %s, %s::bytea, %s, %s::timestamptz"


class DuplicateIdentifier(ValueError):
    """The sender used a message id again for other content."""


@dataclass(frozen=True, slots=True, eq=False)
class Incoming:
    """A message to be stored; `given` are texts for the condition it is stored under."""

    sender: str
    message_id: str
    body: bytes
    received_at: datetime
    given: tuple[str, ...] = ()


def receive(*, now: datetime, channel: str, sender: str, message_id: str, body: bytes) -> tuple[InboxMessage, bool]:
    """Store a received message once; return it and whether it is new.

    Raises `DuplicateIdentifier` when the sender already used this id for other content.
    """
    [is_new] = store_new(channel=channel, messages=[Incoming(sender, message_id, body, now)])
    message = InboxMessage.objects.get(channel=channel, sender=sender, message_id=message_id)
    if message.body_sha256 != _digest(body):
        raise DuplicateIdentifier(
            f"{sender} already sent a message {message_id} with other content. Use a new message id for new content."
        )
    return message, is_new


def store_new(
    *, channel: str, messages: Sequence[Incoming], provided: str = "TRUE", names: Sequence[str] = ()
) -> list[bool]:
    """Store messages in one statement, which commits by itself where no transaction is open; tell which it stored.

    Not those whose sender used their id before, nor those for which `provided` is false: a condition in SQL on the
    columns of `given`, which are what is stored and, by `names`, what each message gives for it.
    """
    row = f"({_ROW}{', %s' * len(names)})"
    digests = [_digest(one.body) for one in messages]
    values: list[str | bytes | datetime] = [channel]
    for one, digest in zip(messages, digests, strict=True):
        values += [one.sender, one.message_id, one.body, digest, one.received_at, *one.given]
    statement = _STORE_ONCE.format(
        rows=", ".join([row] * len(messages)), names="".join(f", {name}" for name in names), provided=provided
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        stored = set(cursor.fetchall())
    return [(one.sender, one.message_id, digest) in stored for one, digest in zip(messages, digests, strict=True)]


def due_messages(*, channel: str, now: datetime) -> QuerySet[InboxMessage]:
    """Return what is to be dealt with, in this order: what never failed as it came, then what waited long enough."""
    has_waited = Q(next_attempt_at__isnull=True) | Q(next_attempt_at__lte=now)
    waiting = InboxMessage.objects.filter(has_waited, channel=channel, processed_at__isnull=True)
    return least_tried_first(waiting, tries="failures")


@transaction.atomic
def put_off(message_id: int, error: Exception, *, now: datetime) -> None:
    """Keep why a message could not be dealt with, and let it wait, longer each time; it is never given up."""
    message = InboxMessage.objects.select_for_update().filter(pk=message_id, processed_at__isnull=True).first()
    if message is not None:
        message.failures += 1
        message.error = storable(f"{type(error).__name__}: {error}")
        message.next_attempt_at = now + retry_after(message.failures)
        message.save(update_fields=["failures", "error", "next_attempt_at"])


def _digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()
