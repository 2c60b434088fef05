"""Signatures of what we push, after the public specification Standard Webhooks (standardwebhooks.com), version 1.

The signature covers the message's id, the moment of sending and the body, so that nothing can be changed, and nothing
old be sent again by others. While a secret is being replaced, both sign. Pure.
"""

import base64
import hashlib
import hmac
import secrets as random
from collections.abc import Mapping, Sequence

PREFIX = "whsec_"
KEY_BYTES = 32


def new_secret() -> str:
    """Return a secret in the form that libraries for the specification take."""
    return PREFIX + base64.b64encode(random.token_bytes(KEY_BYTES)).decode()


def signed_headers(*, message_id: str, sent_at_s: int, body: bytes, secrets: Sequence[str]) -> Mapping[str, str]:
    """Return the headers that prove a body came from us now and unchanged, to a holder of any of the secrets."""
    content = b".".join((message_id.encode(), str(sent_at_s).encode(), body))
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(sent_at_s),
        "webhook-signature": " ".join(f"v1,{_signature(secret, content)}" for secret in secrets),
    }


def _signature(secret: str, content: bytes) -> str:
    return base64.b64encode(hmac.new(_key(secret), content, hashlib.sha256).digest()).decode()


def _key(secret: str) -> bytes:
    """Return the key in a secret; one of before the specification, without its prefix, is the key itself."""
    return base64.b64decode(secret.removeprefix(PREFIX)) if secret.startswith(PREFIX) else secret.encode()
