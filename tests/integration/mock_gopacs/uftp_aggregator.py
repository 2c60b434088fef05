"""A small aggregator to play against: an HTTP server and a client made of the pure UFTP package, nothing else."""

import hashlib
import queue
import threading
import uuid
from dataclasses import dataclass
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import requests

from bidding.markets.safe_xml import InvalidXml
from bidding.markets.uftp import messages as m
from bidding.markets.uftp.answers import mirror_offer, respond
from bidding.markets.uftp.case import Agreement, Records
from bidding.markets.uftp.codec import parse, serialise
from bidding.markets.uftp.envelope import BodyTooLarge, SignatureRefused, open_envelope, read_envelope, seal
from bidding.markets.uftp.keys import PrivateKey, PublicKey, key_from_seed
from bidding.markets.uftp.powers import PowerMeaning
from bidding.markets.uftp.problems import InvalidMessage
from bidding.markets.uftp.references import reference_of
from bidding.markets.uftp.semantics import rejection_reasons
from bidding.markets.uftp.vocabulary import Role
from tests.integration.mock_gopacs.market_process import EAN_CENTRE, MarketProcess, utc

AGR, DSO = "agr.example.nl", "dso.example.nl"
CONTRACT = "CBC-1"
CLIENT_ID, CLIENT_SECRET = "aggregator-client", "the-clients-secret"
TOKEN_PATH = "/realms/gopacs/protocol/openid-connect/token"
ADDRESS_BOOK = "/uftp-participants/v3/participants"
BROKER = "/shapeshifter/api/v3/message"


@dataclass(frozen=True, slots=True)
class Received:
    """A POST to the aggregator, and what it answered."""

    status: int
    body: bytes
    message: m.PayloadMessage | None


class Aggregator(ThreadingHTTPServer):
    """Takes messages in, and answers them from a queue; `answers_by_itself` off leaves that to the test."""

    def __init__(self, *, power_meaning: PowerMeaning = PowerMeaning.LIMIT) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.market: MarketProcess | None = None
        self.power_meaning = power_meaning
        self.key: PrivateKey = key_from_seed(b"a" * 32)
        self.answers_by_itself = True
        self.forced_statuses: list[int | None] = []  # None takes one message as usual
        self.received: list[Received] = []
        self.orders_taken_on: list[str] = []
        self.sent_statuses: list[int] = []
        self.now = utc(14, 40)
        self._known: dict[str, m.PayloadMessage] = {}
        self._hashes: dict[str, str] = {}
        self._ordered_offers: set[str] = set()
        self._dso_key: PublicKey | None = None
        self._token = ""
        self._work: queue.Queue[tuple[m.PayloadMessage, Role] | None] = queue.Queue()
        self._lock = threading.Lock()
        self._loops = [
            threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}),
            threading.Thread(target=self._answer_all),
        ]

    def start(self) -> None:
        for thread in self._loops:
            thread.start()

    def stop(self) -> None:
        self._work.put(None)
        self.shutdown()
        for thread in self._loops:
            thread.join()
        self.server_close()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/uftp"

    def messages(self, message_type: type[m.PayloadMessage]) -> list[Any]:
        """Return the distinct messages of a type that were taken in."""
        found = [
            item.message for item in self.received if item.status == 200 and isinstance(item.message, message_type)
        ]
        return list(dict.fromkeys(found))

    def take(self, body: bytes) -> tuple[int, str]:
        """Answer a POST as the specification's transport rules say."""
        with self._lock:
            forced = self.forced_statuses.pop(0) if self.forced_statuses else None
            status, text, message = (forced, "forced", None) if forced else self._take(body)
            self.received.append(Received(status, body, message))
            return status, text

    def renew_token(self) -> str:
        form = {"grant_type": "client_credentials", "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
        answer = requests.post(self.market.address + TOKEN_PATH, data=form, timeout=20)
        assert answer.status_code == 200, answer.text
        self._token = answer.json()["access_token"]
        return self._token

    def authorization(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token or self.renew_token()}"}

    def seal(self, message: m.PayloadMessage, **changes: Any) -> bytes:
        options = {"sender_domain": AGR, "sender_role": Role.AGR, "private_key": self.key, **changes}
        return seal(serialise(message), **options)

    def post(self, body: bytes, **headers: str) -> requests.Response:
        """Send bytes to the broker as they are."""
        all_headers = {"Content-Type": "text/xml; charset=utf-8", **self.authorization(), **headers}
        return requests.post(self.market.address + BROKER, data=body, headers=all_headers, timeout=20)

    def send(self, message: m.PayloadMessage) -> requests.Response:
        """Send a message; renew a refused token, and try again with the same bytes after an error that may pass."""
        self._known[message.message_id] = message
        body = self.seal(message)
        for _ in range(5):
            try:
                response = self.post(body)
            except requests.ConnectionError:
                continue
            self.sent_statuses.append(response.status_code)
            if response.status_code == 401:
                self.renew_token()
            elif response.status_code not in {419, 429, 500, 503}:
                break
        return response

    def _take(self, body: bytes) -> tuple[int, str, m.PayloadMessage | None]:
        try:
            envelope = read_envelope(body)
            document = self._proven(envelope)
            message = parse(document)
        except SignatureRefused as error:
            return 401, str(error), None
        except (BodyTooLarge, InvalidXml, InvalidMessage) as error:
            return 400, str(error), None
        digest = hashlib.sha256(document).hexdigest()
        if self._hashes.setdefault(message.message_id, digest) != digest:
            return 400, "Duplicate Identifier", message
        if message.message_id not in self._known:
            self._known[message.message_id] = message
            self._work.put((message, envelope.sender_role))
        return 200, "", message

    def _proven(self, envelope: Any) -> bytes:
        try:
            return open_envelope(envelope, public_keys=[self._dso_key] if self._dso_key else [])
        except SignatureRefused:
            self._dso_key = self._look_up(envelope.sender_domain)
            return open_envelope(envelope, public_keys=[self._dso_key])

    def _look_up(self, domain: str) -> PublicKey:
        for _ in range(2):
            answer = requests.get(
                f"{self.market.address}{ADDRESS_BOOK}/{domain}", headers=self.authorization(), timeout=20
            )
            if answer.status_code == 200:
                return PublicKey.from_text(answer.json()["publicKey"])
            self.renew_token()
        raise SignatureRefused("the address book does not know the sender")

    def _answer_all(self) -> None:
        while (item := self._work.get()) is not None:
            if self.answers_by_itself:
                self.answer(*item)

    def answer(self, message: m.PayloadMessage, sender_role: Role = Role.DSO) -> None:
        """Say what an honest aggregator says: the response and, to a request, the offer that mirrors it."""
        if isinstance(message, (m.ResponseMessage, m.TestMessageResponse)):
            return
        reasons = self._reasons(message, sender_role)
        if isinstance(message, m.FlexOrder) and not reasons:
            self._ordered_offers.add(message.flex_offer_message_id)
            self.orders_taken_on.append(message.order_reference)
        self.send(respond(message, message_id=new_id(), now=self.now, reasons=reasons))
        if isinstance(message, m.FlexRequest) and not reasons:
            self.send(mirror_offer(message, message_id=new_id(), shares={new_id(): 1}, now=self.now))

    def _reasons(self, message: m.PayloadMessage, sender_role: Role) -> tuple[str, ...]:
        reference = reference_of(message)
        known = self._known.get(reference[1]) if reference else None
        return rejection_reasons(
            message,
            sender_domain=DSO,
            sender_role=sender_role,
            agreement=Agreement(
                recipient_domains={AGR},
                congestion_points={f"ean.{EAN_CENTRE}"},
                contract_ids={CONTRACT},
                power_meaning=self.power_meaning,
            ),
            records=Records(reference=known, ordered=bool(reference) and reference[1] in self._ordered_offers),
            now=self.now,
        )


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status, text = self.server.take(body)
        self.send_response(status)
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        """Stay quiet."""


@dataclass(slots=True)
class Stage:
    """A market with one contract, and the aggregator that holds it."""

    market: MarketProcess
    aggregator: Aggregator

    def set_clock(self, instant: datetime) -> None:
        self.market.set_clock(instant)
        self.aggregator.now = instant

    def call(self, **changes: Any) -> dict[str, Any]:
        body = {"contract_id": CONTRACT, "starts_at": "17:00", "ends_at": "20:00", **changes}
        return self.market.control("POST", "uftp/calls", json=body)

    def calls(self) -> list[dict[str, Any]]:
        return self.market.control("GET", "uftp/calls")

    def state(self) -> str:
        return self.calls()[-1]["state"]

    def messages(self, **query: Any) -> list[dict[str, Any]]:
        return self.market.control("GET", "uftp/messages", params=query)

    def fault(self, kind: str, **more: Any) -> None:
        self.market.control("POST", "uftp/faults", json={"kind": kind, **more})

    def advance(self, instant: datetime) -> list[str]:
        self.aggregator.now = instant
        return self.market.advance(instant)


def new_id() -> str:
    return str(uuid.uuid4())


def uftp_scenario(aggregator: Aggregator, **contract: Any) -> dict[str, Any]:
    """A market with nothing in it but a contract of 50 kW on one EAN."""
    return {
        "name": "uftp",
        "seed": 1,
        "date": "2026-01-14",
        "settings": {"token_lifetime_seconds": 300},
        "areas": {},
        "uftp_participants": [
            {"role": "DSO", "domain": DSO},
            {
                "role": "AGR", "domain": AGR, "endpoint": aggregator.endpoint,
                "public_key": str(key_from_seed(b"a" * 32).public_key),
                "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET,
            },
        ],
        "contracts": [
            {
                "contract_id": CONTRACT, "ean": EAN_CENTRE, "dso": DSO, "aggregator": AGR, "congestion": "OFF_TAKE",
                "power_kw": 50, **contract,
            }
        ],
    }  # fmt: skip
