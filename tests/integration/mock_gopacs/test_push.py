"""Pushes to a participant: in order, at least once, the same bytes at every attempt."""

import json

import pytest

from tests.integration.mock_gopacs.market_process import scenario_document, utc, wait_until
from tests.integration.mock_gopacs.push_receiver import push_receiver


@pytest.fixture
def receiver():
    with push_receiver() as receiver:
        yield receiver


@pytest.fixture
def pushing_market(market_process, receiver):
    document = scenario_document()
    document["participants"][0].update(webhook_url=receiver.address, webhook_token="push-token")
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
