"""Storing what comes in, before it is answered."""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType

from django.db import connection

from aggregator.core.models import InboxMessage

_COLUMNS = ("channel", "sender", "message_id", "body", "body_sha256", "received_at", "error")
_STORE_ONCE = f"""
    INSERT INTO {InboxMessage._meta.db_table} ({", ".join(_COLUMNS)})
    SELECT {", ".join(f"%({column})s" for column in _COLUMNS)} WHERE {{provided}}
    ON CONFLICT (channel, sender, message_id) DO NOTHING RETURNING id
"""  # noqa: SLF001 - names of ours only
_NOTHING: Mapping[str, str | datetime] = MappingProxyType({})


class DuplicateIdentifier(ValueError):
    """The sender used a message id again for other content."""


def receive(*, now: datetime, channel: str, sender: str, message_id: str, body: bytes) -> tuple[InboxMessage, bool]:
    """Store a received message once; return it and whether it is new.

    Raises `DuplicateIdentifier` when the sender already used this id for other content.
    """
    is_new = store_new(now=now, channel=channel, sender=sender, message_id=message_id, body=body)
    message = InboxMessage.objects.get(channel=channel, sender=sender, message_id=message_id)
    if message.body_sha256 != _digest(body):
        raise DuplicateIdentifier(
            f"{sender} already sent a message {message_id} with other content. Use a new message id for new content."
        )
    return message, is_new


def store_new(
    *,
    now: datetime,
    channel: str,
    sender: str,
    message_id: str,
    body: bytes,
    provided: str = "TRUE",
    given: Mapping[str, str | datetime] = _NOTHING,
) -> bool:
    """Store a message in one statement, which commits by itself where no transaction is open; tell whether it did.

    It does not when the sender used this id before, nor when `provided` is false: a condition in SQL, with the
    parameters `given`.
    """
    values: dict[str, str | bytes | datetime] = {
        "channel": channel,
        "sender": sender,
        "message_id": message_id,
        "body": body,
        "body_sha256": _digest(body),
        "received_at": now,
        "error": "",
    }
    with connection.cursor() as cursor:
        cursor.execute(_STORE_ONCE.format(provided=provided), {**values, **given})
        return cursor.fetchone() is not None


def _digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()
