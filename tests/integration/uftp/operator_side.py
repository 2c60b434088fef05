"""The other side of the line: a grid operator that signs messages, and a server that plays broker and address book."""

import json
import threading
import uuid
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from bidding.markets.uftp.codec import parse, serialise
from bidding.markets.uftp.envelope import open_envelope, read_envelope, seal
from bidding.markets.uftp.keys import PublicKey, key_from_seed
from bidding.markets.uftp.transport import CONTENT_TYPE, MESSAGE_PATH
from bidding.markets.uftp.vocabulary import Role
from bidding.models import OwnKey
from tests.conformance.uftp.samples import DSO, ORDER, REQUEST

KEY = key_from_seed(b"d" * 32)
OTHER_KEY = key_from_seed(b"x" * 32)


def sealed(message, *, key=KEY, domain=DSO, role=Role.DSO):
    return seal(serialise(message), sender_domain=domain, sender_role=role, private_key=key)


def post(client, body, *, content_type=CONTENT_TYPE, **options):
    return client.generic("POST", MESSAGE_PATH, body, content_type=content_type, **options)


def limit_request(limit_w=150_000, **changes):
    """A request that limits import from 17:00 to 19:00 local time."""
    isps = tuple(replace(isp, min_power_w=0, max_power_w=limit_w) for isp in REQUEST.isps)
    return replace(REQUEST, isps=isps, **changes)


def order_for(offer, **changes):
    option = offer.options[0]
    values = {
        "message_id": str(uuid.uuid4()),
        "flex_offer_message_id": offer.message_id,
        "contract_id": offer.contract_id,
        "option_reference": option.option_reference,
        "price": option.price,
        "isps": option.isps,
        "period": offer.period,
        "conversation_id": offer.conversation_id,
        **changes,
    }
    return replace(ORDER, **values)


@dataclass
class Counterparty:
    """What the server saw, and how it answers next: `answers[path]` is a list of (status, body) used up one by one."""

    address: str = ""
    requests: list = field(default_factory=list)
    answers: dict = field(default_factory=dict)
    token_life_seconds: int = 300
    tokens_given: int = 0
    key_text: str = str(KEY.public_key)

    def messages(self):
        """Return the messages that came, verified against our published key."""
        keys = [PublicKey.from_text(text) for text in OwnKey.objects.values_list("public_key", flat=True)]
        bodies = [body for path, _, body in self.requests if path == MESSAGE_PATH]
        return [parse(open_envelope(read_envelope(body), public_keys=keys)) for body in bodies]

    def answer(self, path):
        if self.answers.get(path):
            return self.answers[path].pop(0)
        if path == "/token":
            self.tokens_given += 1
            life = self.token_life_seconds
            return 200, json.dumps({"access_token": f"token-{self.tokens_given}", "expires_in": life})
        if path.startswith("/participants/"):
            domain = path.removeprefix("/participants/")
            return (200, json.dumps({"domain": domain, "publicKey": self.key_text})) if domain == DSO else (404, "")
        return 200, ""


@contextmanager
def counterparty_server():
    seen = Counterparty()

    class Handler(BaseHTTPRequestHandler):
        def _serve(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            seen.requests.append((self.path, dict(self.headers), body))
            status, text = seen.answer(self.path)
            self.send_response(status)
            if status in {307, 308}:
                self.send_header("Location", text)
                text = ""
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        do_GET = do_POST = _serve  # noqa: N815 - the names that the server looks for

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    seen.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield seen
    server.shutdown()
    server.server_close()
