"""What the exchange pushes: stored before it is answered, taken over once, never a step back."""

import json
from datetime import timedelta

import pytest

from aggregator.core.models import InboxMessage, OutboxMessage
from bidding.models import Activation, Bid
from bidding.operations import pushes
from tests.integration.mock_gopacs.market_process import utc
from tests.integration.redispatch.conftest import NOW

PATH, TOKEN = "/exchange/orders", "agreed"
ORDER = {"id": "X", "orderType": "SELL", "status": "OPEN", "final": False, "clearedQuantity": 0, "fills": []}
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def on_the_book(field):
    """Our order of 300 kW, in the book since 15:31 local time."""
    field.at(NOW)
    assert field.bid().status == Bid.Status.SUBMITTED
    return field


@pytest.fixture(autouse=True)
def _pushes_are_on(settings):
    settings.EXCHANGE_PUSH_TOKEN = TOKEN


def push(client, document, token=TOKEN):
    body = document if isinstance(document, bytes) else json.dumps(document)
    return client.post(PATH, body, content_type="application/json", headers={"Authorization": f"Bearer {token}"})


def test_what_is_pushed_is_stored_then_taken_over_once(client, on_the_book):
    field = on_the_book
    field.market.advance(utc(15, 10))
    (order,) = field.orders()
    pushed = {"notificationId": "n-1", "sequence": 1, "event": "CLEARED", "order": order}
    assert [push(client, pushed).status_code for _ in range(2)] == [204, 204]
    assert InboxMessage.objects.filter(channel="exchange-push").count() == 1
    assert field.bid().status == Bid.Status.SUBMITTED

    pushes.process(now=NOW)
    assert (field.bid().status, field.bid().cleared_power_w) == (Bid.Status.CLEARED, 300_000)
    # an older push that arrives later changes nothing
    old = {
        **order,
        "version": 2,
        "status": "OPEN",
        "final": False,
        "locked": True,
        "clearedQuantity": 0,
        "fills": [],
    }
    push(client, {"notificationId": "n-0", "order": old})
    pushes.process(now=NOW)
    assert (field.bid().status, field.bid().is_locked) == (Bid.Status.CLEARED, False)
    assert Activation.objects.count() == 1


def test_a_push_can_be_quicker_than_the_answer(client, field):
    field.fault(kind="reply_lost", method="POST", path="/public-api")
    field.at(NOW)
    assert field.bid().status == Bid.Status.APPROVED
    push(client, {"notificationId": "n-1", "order": field.orders()[0]})
    field.tick()
    assert field.bid().status == Bid.Status.SUBMITTED
    field.at(field.now() + timedelta(seconds=30))
    assert len(field.orders()) == 1
    assert not OutboxMessage.objects.filter(delivered_at=None).exists()


@pytest.mark.parametrize(
    ("body", "token", "status"),
    [
        (b"{}", "wrong", 401),
        (b"{}", TOKEN, 400),
        (b"[" * 100_000, TOKEN, 400),
        (b'{"notificationId": "\\u0000"}', TOKEN, 400),
        (b" " * 300_000, TOKEN, 413),
        (b'{"notificationId": "n"}', TOKEN, 204),
    ],
)
def test_what_is_no_push_is_refused(client, db, body, token, status):
    assert push(client, body, token).status_code == status


def test_a_push_of_no_order_of_ours_keeps_its_reason(client, field):

    push(client, {"notificationId": "n-1", "order": {"id": "x"}})
    push(client, {"notificationId": "n-2", "order": {**ORDER, "metaData": {"clientOrderId": "x"}}})
    assert pushes.process(now=NOW) == 2
    errors = list(InboxMessage.objects.order_by("pk").values_list("error", flat=True))
    assert errors[0].startswith("The order cannot be read")
    assert errors[1] == "No bid has the reference 'x' of order 'X'."


def test_pushes_are_off_without_a_token(client, db, settings):
    settings.EXCHANGE_PUSH_TOKEN = ""
    assert push(client, b"{}").status_code == 404
