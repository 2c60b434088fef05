"""Runs inside the peer's own environment: the package's FastAPI service for a grid operator, which keeps nothing.

It says one line when it listens, and ends with its standard input. Arguments: its port, the sender's public key.
"""

import base64
import logging
import sys

from nacl.bindings import crypto_sign_seed_keypair
from shapeshifter_uftp import ShapeshifterDsoService

logging.getLogger("shapeshifter-uftp").handlers.clear()  # it would print whole messages
logging.getLogger("shapeshifter-uftp").setLevel(logging.CRITICAL)
logging.getLogger("uvicorn").setLevel(logging.CRITICAL)
PORT, PUBLIC_KEY = sys.argv[1:]
TELL, sys.stdout = sys.stdout, sys.stderr  # the package's web server logs to standard output


class Operator(ShapeshifterDsoService):
    """Takes every message and does nothing with it."""


for name in Operator.__abstractmethods__:
    setattr(Operator, name, lambda _self, _message: None)
Operator.__abstractmethods__ = frozenset()

operator = Operator(
    sender_domain="dso.example.com",
    signing_key=base64.b64encode(crypto_sign_seed_keypair(b"p" * 32)[1]).decode(),
    key_lookup_function=lambda _domain, _role: PUBLIC_KEY,
    endpoint_lookup_function=lambda _domain, _role: "http://127.0.0.1:9/",
    host="127.0.0.1",
    port=int(PORT),
    version="3.0.0",
)
with operator:
    TELL.write("ready\n")
    TELL.flush()
    sys.stdin.read()
