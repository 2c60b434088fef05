"""Tokens: the ones peers call us with, kept as hashes, and the ones we call peers with, kept encrypted.

A token of ours is `<lookup id>.<secret>`: the id finds the row, the secret is only ever compared by its hash.
"""

import hashlib
import hmac
import secrets
from datetime import datetime

from django.conf import settings
from nacl.secret import SecretBox

from assets.models import OcpiConnection, OcpiToken

_LOOKUP_BYTES = 6
_SECRET_BYTES = 32


def issue(*, connection: OcpiConnection, purpose: OcpiToken.Purpose, now: datetime) -> str:
    """Return a new token of a connection; this is the only time it can be read."""
    lookup_id, secret = secrets.token_hex(_LOOKUP_BYTES), secrets.token_urlsafe(_SECRET_BYTES)
    OcpiToken.objects.create(
        connection=connection, purpose=purpose, lookup_id=lookup_id, secret_sha256=_digest(secret), created_at=now
    )
    return f"{lookup_id}.{secret}"


def find(candidates: list[str]) -> OcpiToken | None:
    """Return the token that one of the texts is, with its connection and partner; None for an unknown one."""
    for text in candidates:
        lookup_id, _, secret = text.partition(".")
        token = (
            OcpiToken.objects.select_related("connection__partner").filter(lookup_id=lookup_id).first()
            if lookup_id.isalnum() and lookup_id.isascii()
            else None
        )
        if token is not None and hmac.compare_digest(token.secret_sha256, _digest(secret)):
            return token
    return None


def note_use(*, token: OcpiToken, now: datetime) -> None:
    """Retire a connection's earlier tokens once this one is used: until then the peer may not have received it."""
    if token.used_at is not None or token.purpose == OcpiToken.Purpose.REGISTRATION:
        return
    OcpiToken.objects.filter(pk=token.pk).update(used_at=now)
    OcpiToken.objects.filter(connection=token.connection, pk__lt=token.pk).delete()


def sealed(token: str) -> bytes:
    """Return a peer's token encrypted with our secret key: it must be sent, so a hash would not do."""
    return bytes(_box().encrypt(token.encode()))


def opened(sealed_token: bytes | memoryview) -> str:
    """Return a peer's token."""
    return _box().decrypt(bytes(sealed_token)).decode()


def _box() -> SecretBox:
    return SecretBox(hashlib.sha256(b"assets.ocpi.peer_token" + settings.SECRET_KEY.encode()).digest())


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
