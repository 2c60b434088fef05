"""A grid operator that nobody here wrote: the PyPI package's client and service, against our running endpoint."""

import base64
import json
import queue
import socket
import subprocess
import threading
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from aggregator.core.interval import Interval
from aggregator.core.models import DeliveryAttempt, InboxMessage, OutboxMessage
from bidding.markets.uftp.codec import parse, serialise
from bidding.markets.uftp.keys import key_from_seed
from bidding.markets.uftp.transport import MESSAGE_PATH
from bidding.markets.uftp.vocabulary import Role
from bidding.models import Activation, Contract, ContractCall, UftpMessage
from bidding.uftp.address_book import remember_by_hand
from bidding.uftp.offers import offer_unasked
from bidding.uftp.own_keys import make_own_key
from bidding.uftp.reports import send_reports
from scripts.peer_environment import PeerUnavailable, peer_python
from tests.conformance.uftp import samples
from tests.conformance.uftp.samples import DSO, NOW
from tests.integration.uftp.operator_side import limit_request
from tests.peers import do_without

PROGRAM = Path(samples.__file__).with_name("peer_operator.py")
PATIENCE_SECONDS = 30
pytestmark = pytest.mark.django_db(transaction=True)


class PeerOperator:
    """The peer's process, and what it tells."""

    def __init__(self, *, address, public_key, version) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        command = [str(peer_python("uftp")), str(PROGRAM), str(self.port), address, public_key, version]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self.told = queue.Queue()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        assert self.hear()["type"] == "ready"

    def _read(self):
        for line in self.process.stdout:
            self.told.put(json.loads(line))

    def hear(self):
        return self.told.get(timeout=PATIENCE_SECONDS)

    def send(self, message, *, forged=False):
        word = "forged " if forged else ""
        self.process.stdin.write(word + base64.b64encode(serialise(message)).decode() + "\n")
        self.process.stdin.flush()

    def close(self):
        self.process.stdin.close()
        self.process.wait(timeout=PATIENCE_SECONDS)
        self.reader.join()
        self.process.stdout.close()


@pytest.fixture
def peer_operator(live_server, own_key, request):
    try:
        peer = PeerOperator(
            address=live_server.url + MESSAGE_PATH, public_key=own_key.public_key, version=request.param
        )
    except PeerUnavailable as reason:
        do_without("UFTP", reason)
    yield peer
    peer.close()


def wait_for(element, tick, *, way):
    """Let our workers run until the register holds a message of this kind."""
    give_up_at = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < give_up_at:
        tick()
        if UftpMessage.objects.filter(element=element, way=way).exists():
            return
        time.sleep(0.1)
    pytest.fail(f"no {element} was {way}")


def know(peer_operator, version):
    remember_by_hand(
        domain=DSO,
        role=Role.DSO,
        public_key=key_from_seed(b"p" * 32).public_key,
        endpoint=f"http://127.0.0.1:{peer_operator.port}{MESSAGE_PATH}",
        version=version,
        now=NOW,
    )


@pytest.mark.parametrize("peer_operator", ["3.0.0"], indirect=True)
def test_request_to_activation_with_a_foreign_operator(peer_operator, contract, tick):
    know(peer_operator, "3.0.0")

    peer_operator.send(limit_request())
    wait_for("FlexOffer", tick, way="sent")
    assert {peer_operator.hear()["type"] for _ in range(2)} == {"FlexRequestResponse", "FlexOffer"}
    wait_for("FlexOrder", tick, way="received")
    answer = peer_operator.hear()

    assert answer["type"] == "FlexOrderResponse"
    assert parse(base64.b64decode(answer["xml"])).rejection_reason is None
    assert ContractCall.objects.get().contract == contract
    assert Activation.objects.get().ptus.count() == 8


@pytest.mark.parametrize("peer_operator", ["3.0.0"], indirect=True)
def test_a_foreign_operator_is_told_of_a_bad_signature_and_tells_us_of_ours(peer_operator, contract, tick):
    know(peer_operator, "3.0.0")
    peer_operator.send(limit_request(), forged=True)
    assert peer_operator.hear() == {"type": "refused", "status": 401}
    assert not InboxMessage.objects.exists()

    make_own_key(now=NOW, signs_from=NOW - timedelta(hours=1))  # the operator goes on with the key it was told of
    peer_operator.send(limit_request())
    wait_for("FlexRequestResponse", tick, way="sent")
    tick()
    attempt = DeliveryAttempt.objects.get()
    assert (attempt.status_code, attempt.message.last_error[:8]) == (401, "HTTP 401")
    # given up at once, and with the answer what should have followed it
    assert not OutboxMessage.objects.filter(dead_at=None).exists()
    assert peer_operator.told.empty()


@pytest.mark.parametrize("peer_operator", ["3.1.0"], indirect=True)
def test_a_foreign_operator_reads_what_is_offered_unasked_and_expected(peer_operator, contract, tick):
    know(peer_operator, "3.1.0")
    contract.power_meaning, contract.sends_prognosis = Contract.Meaning.DELTA, True
    contract.offered_shares = [Decimal(1), Decimal("0.5")]
    contract.save()
    window = Interval(datetime(2026, 7, 1, 15, tzinfo=UTC), datetime(2026, 7, 1, 17, tzinfo=UTC))
    assert send_reports(now=NOW) == 1
    offer_unasked(
        contract_id=contract.pk, window=window, power_w=-200_000, expires_at=window.starts_at, now=NOW, actor=None,
        reason="The depot is empty.",
    )  # fmt: skip

    wait_for("FlexOrder", tick, way="received")
    assert {peer_operator.hear()["type"] for _ in range(3)} == {"DPrognosis", "FlexOffer", "FlexOrderResponse"}
    assert ContractCall.objects.get().ptus.count() == 8
