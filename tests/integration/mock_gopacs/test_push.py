"""Pushes to a participant: in order, at least once, the same bytes at every attempt."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.integration.mock_gopacs.market_process import scenario_document, utc, wait_until


class _Receiver(ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.received: list[tuple[str, bytes]] = []
        self.refusals = 0


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.received.append((self.headers["Authorization"], body))
        self.server.refusals -= 1
        self.send_response(500 if self.server.refusals >= 0 else 204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Stay quiet."""


@pytest.fixture
def receiver():
    server = _Receiver()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def pushing_market(market_process, receiver):
    document = scenario_document()
    document["participants"][0].update(
        webhook_url=f"http://127.0.0.1:{receiver.server_port}/orders", webhook_token="push-token"
    )
    market_process.set_clock(utc(14, 31))
    market_process.load(document)
    market_process.control("POST", "step")
    return market_process


def test_every_change_is_pushed_in_order_with_the_order_as_it_then_stood(pushing_market, receiver):
    order = pushing_market.placed(quantity=0.9)
    pushing_market.advance(utc(15, 10))
    with pushing_market.clockwork():
        assert wait_until(lambda: len(receiver.received) == 3)
    documents = [json.loads(body) for _, body in receiver.received]
    assert [document["event"] for document in documents] == ["CREATED", "LOCKED", "PARTLY_CLEARED"]
    assert [document["order"]["version"] for document in documents] == [1, 2, 3]
    assert [document["order"]["clearedQuantity"] for document in documents] == [0.0, 0.0, 0.5]
    assert documents[2]["order"] == pushing_market.order(order["id"])
    sequences = [document["sequence"] for document in documents]
    assert sequences == sorted(set(sequences))
    assert {authorization for authorization, _ in receiver.received} == {"Bearer push-token"}


def test_a_refused_push_is_repeated_with_the_same_bytes_before_the_next_one(pushing_market, receiver):
    receiver.refusals = 1
    order = pushing_market.placed()
    pushing_market.call("DELETE", f"/public-api/2.0/electricity/orders/gopacs/{order['id']}")
    with pushing_market.clockwork():
        assert wait_until(lambda: len(receiver.received) == 3)
    first, again, second = (body for _, body in receiver.received)
    assert first == again
    assert [json.loads(body)["event"] for body in (first, second)] == ["CREATED", "CANCELLED"]


def test_a_delivered_push_is_not_sent_by_the_next_process(pushing_market, receiver):
    pushing_market.placed()
    with pushing_market.clockwork():
        assert wait_until(lambda: len(receiver.received) == 1)
    pushing_market.placed()
    with pushing_market.clockwork():
        assert wait_until(lambda: len(receiver.received) == 2)
    assert len({json.loads(body)["notificationId"] for _, body in receiver.received}) == 2
