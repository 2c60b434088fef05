"""What the exchange pushes: stored before it is answered, taken over once, never a step back."""

import json
from datetime import timedelta

import pytest
import requests

from aggregator.core.models import InboxMessage, OutboxMessage
from bidding import tasks
from bidding.models import Activation, Bid, LedgerEntry
from bidding.operations import pushes
from bidding.operations.orders import follow_order
from tests.integration.mock_gopacs.market_process import scenario_document, utc, wait_until
from tests.integration.mock_gopacs.push_receiver import push_receiver
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


@pytest.fixture
def without_polling(monkeypatch):
    """Nobody asks the exchange what became of an order."""
    monkeypatch.setattr(tasks, "bids_on_the_exchange", list)


def push_to(field, address):
    """Let the market push to `address`, and place our order."""
    document = scenario_document()
    document["participants"][0].update(webhook_url=address, webhook_token=TOKEN)
    field.market.load(document)
    field.at(NOW)
    assert field.bid().status == Bid.Status.SUBMITTED


def pushed(count):
    return wait_until(lambda: InboxMessage.objects.filter(channel=pushes.CHANNEL).count() == count)


def assert_cleared_once(field):
    bid = field.bid()
    assert (bid.status, bid.cleared_power_w, bid.is_locked) == (Bid.Status.CLEARED, 300_000, False)
    assert set(Activation.objects.get().ptus.values_list("ordered_w", flat=True)) == {300_000}
    assert set(LedgerEntry.objects.values_list("committed_w", flat=True)) == {300_000}


def test_the_markets_own_pushes_move_an_order_without_any_polling(field, live_server, without_polling):
    push_to(field, live_server.url + PATH)
    with field.market.clockwork():
        assert pushed(1)
        field.at(utc(15, 5), tick=False)
        assert pushed(2)
        field.tick()
        assert (field.bid().status, field.bid().is_locked) == (Bid.Status.SUBMITTED, True)
        field.at(utc(15, 10), tick=False)
        assert pushed(3)
    assert field.bid().status == Bid.Status.SUBMITTED  # stored, and not more
    field.tick()
    assert_cleared_once(field)


OPEN, LOCKED, CLEARED = (Bid.Status.SUBMITTED, False), (Bid.Status.SUBMITTED, True), (Bid.Status.CLEARED, False)


@pytest.mark.parametrize(
    ("arrival", "known"),
    [((0, 1, 2), (OPEN, LOCKED, CLEARED)), ((1, 0, 2), (LOCKED, LOCKED, CLEARED)), ((2, 1, 0), (CLEARED,) * 3)],
    ids=["in order", "open after locked", "newest first"],
)
def test_pushes_that_come_twice_or_in_another_order_count_once(field, live_server, without_polling, arrival, known):
    with push_receiver() as receiver:
        push_to(field, receiver.address)
        field.market.advance(utc(15, 5))
        field.market.advance(utc(15, 10))
        with field.market.clockwork():
            assert wait_until(lambda: len(receiver.received) == 3)
    for number, state in zip(arrival, known, strict=True):
        authorization, body = receiver.received[number]
        for _ in range(2):
            headers = {"Authorization": authorization, "Content-Type": "application/json"}
            answer = requests.post(live_server.url + PATH, data=body, headers=headers, timeout=20)
            assert answer.status_code == 204
            field.tick()
            assert (field.bid().status, field.bid().is_locked) == state
    assert InboxMessage.objects.filter(channel=pushes.CHANNEL, error="").count() == 3
    assert_cleared_once(field)


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
        (b'{"notificationId": "\\ud800"}', TOKEN, 400),
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


@pytest.mark.parametrize(
    "garbled",
    [
        {"version": 1_768_404_660_000},
        {"version": -1},
        {"id": "X" * 65},
        {"fills": [{"quantity": 0.1, "price": float("nan")}], "clearedQuantity": 0.1},
    ],
)
def test_a_push_that_does_not_fit_keeps_its_reason_and_holds_up_no_other(client, on_the_book, garbled):
    field = on_the_book
    Bid.objects.update(status=Bid.Status.APPROVED)  # so that the id of the order is still to be written
    (order,) = field.orders()
    push(client, {"notificationId": "n-1", "order": {**order, **garbled}})
    field.market.advance(utc(15, 10))
    push(client, {"notificationId": "n-2", "order": field.orders()[0]})

    assert pushes.process(now=NOW) == 2

    errors = list(InboxMessage.objects.order_by("pk").values_list("error", flat=True))
    assert errors[0].startswith(f"What the push says of order '{garbled.get('id', order['id'])}' does not fit: ")
    assert errors[1] == ""
    assert_cleared_once(field)


def test_a_push_that_fails_waits_and_holds_up_neither_the_next_nor_the_polling(
    client, on_the_book, monkeypatch, caplog
):
    def follow(*, bid_id, state, now):
        if state.version == 99:
            raise ZeroDivisionError("a bug")
        return follow_order(bid_id=bid_id, state=state, now=now)

    monkeypatch.setattr(pushes, "follow_order", follow)
    field = on_the_book
    (order,) = field.orders()
    push(client, {"notificationId": "n-1", "order": {**order, "version": 99}})
    push(client, {"notificationId": "n-2", "order": {"id": "x"}})
    field.at(utc(15, 10), tick=False)

    tasks.follow_orders()

    assert_cleared_once(field)  # by the polling behind the pushes
    first, second = InboxMessage.objects.order_by("pk")
    assert (first.processed_at, bool(second.processed_at)) == (None, True)
    assert f"Push {first.message_id} of the exchange was not taken over" in caplog.text
    assert "ZeroDivisionError: a bug" in caplog.text


def test_more_failing_pushes_than_a_round_takes_do_not_stand_before_a_new_one(client, on_the_book, monkeypatch):
    def follow(*, bid_id, state, now):
        if state.version == 99:
            raise ZeroDivisionError("a bug")
        return follow_order(bid_id=bid_id, state=state, now=now)

    monkeypatch.setattr(pushes, "follow_order", follow)
    field = on_the_book
    failing = json.dumps({"order": {**field.orders()[0], "version": 99}}).encode()
    InboxMessage.objects.bulk_create(
        InboxMessage(
            channel=pushes.CHANNEL, sender="exchange", message_id=str(number), body=failing, body_sha256="",
            received_at=NOW,
        )
        for number in range(pushes.MOST_PER_ROUND)
    )  # fmt: skip
    assert pushes.process(now=NOW) == 0
    waiting = InboxMessage.objects.filter(processed_at=None)
    assert set(waiting.values_list("error", "failures")) == {("ZeroDivisionError: a bug", 1)}
    field.market.advance(utc(15, 10))
    push(client, {"notificationId": "new", "order": field.orders()[0]})

    assert pushes.process(now=NOW + timedelta(minutes=1)) == 1

    assert_cleared_once(field)
    assert waiting.count() == pushes.MOST_PER_ROUND


def test_pushes_are_off_without_a_token(client, db, settings):
    settings.EXCHANGE_PUSH_TOKEN = ""
    assert push(client, b"{}").status_code == 404
