"""Checking that a callback came from the aggregator, now and unchanged (Standard Webhooks, version 1)."""

import base64
import hashlib
import hmac
from collections.abc import Mapping

TOLERANCE_SECONDS = 300


def is_genuine(*, secret: str, headers: Mapping[str, str], body: bytes, now_s: float) -> bool:
    """Tell whether a body was signed with `secret` within the last five minutes of the machine's clock."""
    message_id, sent_at = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not (sent_at.isascii() and sent_at.isdigit()) or abs(now_s - int(sent_at)) > TOLERANCE_SECONDS:
        return False
    key = base64.b64decode(secret.removeprefix("whsec_"))
    content = b".".join((message_id.encode(), sent_at.encode(), body))
    expected = "v1," + base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
    given = headers.get("webhook-signature", "").split()
    return any(hmac.compare_digest(one.encode(), expected.encode()) for one in given)
