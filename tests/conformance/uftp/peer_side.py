"""Runs inside the peer's own environment: one JSON request per line on stdin, one JSON answer per line on stdout.

Bytes travel as base64. Imports nothing of ours.
"""

import base64
import json
import logging
import sys
import time
from collections.abc import Callable
from typing import Any

from nacl.bindings import crypto_sign_seed_keypair
from shapeshifter_uftp import SignedMessage, transport
from shapeshifter_uftp.exceptions import InvalidSignatureException
from shapeshifter_uftp.uftp import UsefRole

logging.getLogger("shapeshifter-uftp").handlers.clear()  # it would print whole messages
logging.getLogger("shapeshifter-uftp").setLevel(logging.CRITICAL)
PRIVATE_KEY = base64.b64encode(crypto_sign_seed_keypair(b"p" * 32)[1]).decode()


def unpack(text: str) -> bytes:
    return base64.b64decode(text)


def pack(data: bytes) -> str:
    return base64.b64encode(data).decode()


def receive(body: bytes, public_key: str) -> Any:
    envelope = transport.from_xml(body)
    return transport.unseal_message(envelope.body, public_key)


def send(message: Any, role: str) -> bytes:
    sealed = transport.seal_message(message, PRIVATE_KEY)
    envelope = SignedMessage(sender_domain=message.sender_domain, sender_role=UsefRole(role), body=sealed)
    return transport.to_xml(envelope).encode()


def open_envelope(request: dict[str, Any]) -> dict[str, Any]:
    """Verify and parse a request body; say which message it was and how the peer writes it."""
    try:
        message = receive(unpack(request["body"]), request["public_key"])
    except InvalidSignatureException:
        return {"refused": "signature"}
    return {"type": type(message).__name__, "xml": pack(transport.to_xml(message).encode())}


def seal(request: dict[str, Any]) -> dict[str, Any]:
    """Take a message in as XML, and send it as the peer would."""
    return {"body": pack(send(transport.from_xml(unpack(request["xml"])), request["role"]))}


def public_key(_request: dict[str, Any]) -> dict[str, Any]:
    """Return the peer's public key."""
    return {"public_key": pack(crypto_sign_seed_keypair(b"p" * 32)[0])}


def measure(request: dict[str, Any]) -> dict[str, Any]:
    """Return the peer's best seconds per message, in and out."""
    body, key = unpack(request["body"]), request["public_key"]
    message = receive(body, key)
    return {
        "in_s": best(lambda: receive(body, key), request["repeats"]),
        "out_s": best(lambda: send(message, "AGR"), request["repeats"]),
    }


def best(work: Callable[[], object], repeats: int) -> float:
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


OPERATIONS = {operation.__name__: operation for operation in (open_envelope, seal, public_key, measure)}

if __name__ == "__main__":
    for line in sys.stdin:
        asked = json.loads(line)
        sys.stdout.write(json.dumps(OPERATIONS[asked.pop("operation")](asked)) + "\n")
        sys.stdout.flush()
