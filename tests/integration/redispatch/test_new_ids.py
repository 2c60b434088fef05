"""An exchange that answers a change with another order under our reference, the old one out: it is the bid's order."""

import json
from datetime import timedelta
from decimal import Decimal

import pytest

from aggregator.core.http import READ_TIMEOUT_SECONDS
from aggregator.core.models import AuditEvent, OutboxMessage
from bidding import tasks
from bidding.models import Activation, Bid, LedgerEntry, OrderChange, SurplusOrder
from bidding.operations import pushes
from bidding.operations.order_changes import change, withdraw
from bidding.services import exchange
from tests.integration.mock_gopacs.market_process import ORDERS, scenario_document, utc, wait_until
from tests.integration.redispatch.conftest import NOW

FAULTS = {
    "nothing amiss": None,
    "500": {"kind": "status", "status": 500},
    "503 after it was processed": {"kind": "status_after", "status": 503},
    "answer lost after it was processed": {"kind": "reply_lost"},
}
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(params=["new_id", "old_id_gone"])
def on_the_book(field, request):
    """Our order of 300 kW in the book of an exchange that gives a changed order a new id."""
    document = scenario_document()
    document["settings"]["after_change"] = request.param
    field.market.load(document)
    field.at(NOW)
    assert field.bid().status == Bid.Status.SUBMITTED
    return field


def ask_change(field, operator, power_w=200_000):
    change(
        bid_id=field.bid().pk, power_w=power_w, price_eur_per_mwh=Decimal("150.50"), exchange=exchange(),
        now=field.now(), actor=operator, reason="Two cars left.",
    )  # fmt: skip


def later(field, seconds=21):
    field.at(field.now() + timedelta(seconds=seconds))


def open_order(field):
    (order,) = [order for order in field.orders() if not order["final"]]
    return order


def errors(caplog):
    return [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]


def committed():
    return set(LedgerEntry.objects.values_list("committed_w", flat=True))


def assert_the_new_order_is_the_bids(field, placed_id):
    order, bid = open_order(field), field.bid()
    assert (order["quantity"], order["price"]) == (0.2, 150.5)
    assert (bid.status, bid.exchange_order_id) == (Bid.Status.SUBMITTED, order["id"])
    assert (bid.power_w, bid.price_eur_per_mwh) == (200_000, Decimal("150.50"))
    assert OrderChange.objects.get().status == OrderChange.Status.DONE
    assert committed() == {200_000}
    assert not SurplusOrder.objects.exists()
    told = AuditEvent.objects.get(action="bidding.bid.order-replaced")
    assert (told.before, told.after) == ({"order": placed_id}, {"order": order["id"]})


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_the_order_that_takes_the_place_of_a_changed_one_is_the_bids(on_the_book, operator, caplog, fault):
    field, placed_id = on_the_book, on_the_book.bid().exchange_order_id
    ask_change(field, operator)
    if fault:
        field.fault(**fault, method="PUT", path=ORDERS)
    for _ in range(3):
        later(field)

    assert open_order(field)["id"] != placed_id
    assert_the_new_order_is_the_bids(field, placed_id)
    assert errors(caplog) == []
    field.at(utc(15, 10))
    assert (field.bid().status, field.bid().cleared_power_w) == (Bid.Status.CLEARED, 200_000)
    assert set(Activation.objects.get().ptus.values_list("ordered_w", flat=True)) == {200_000}


def test_the_new_order_is_the_bids_also_where_it_was_cleared_before_anybody_looked(on_the_book, operator, caplog):
    field = on_the_book
    ask_change(field, operator)
    field.fault(kind="reply_lost", method="PUT", path=ORDERS)
    later(field, seconds=0)
    with_answer_lost = OutboxMessage.objects.get(idempotency_key__startswith="change")
    assert (with_answer_lost.attempts, with_answer_lost.delivered_at) == (1, None)
    field.at(utc(15, 5), tick=False)
    field.at(utc(15, 10))
    later(field)
    assert (field.bid().status, field.bid().cleared_power_w) == (Bid.Status.CLEARED, 200_000)
    assert set(Activation.objects.get().ptus.values_list("ordered_w", flat=True)) == {200_000}
    assert (committed(), errors(caplog)) == ({200_000}, [])


def test_a_withdrawal_takes_out_the_order_that_took_the_place(on_the_book, operator, caplog):
    field = on_the_book
    ask_change(field, operator)
    withdraw(bid_id=field.bid().pk, now=field.now(), actor=operator, reason="Grid test.")
    for _ in range(4):
        later(field)
    assert {order["status"] for order in field.orders()} == {"CANCELLED"}
    assert (field.bid().status, committed()) == (Bid.Status.WITHDRAWN, {0})
    assert (SurplusOrder.objects.count(), errors(caplog)) == (0, [])


def test_a_push_that_the_old_order_is_out_does_not_end_the_bid(on_the_book, operator, monkeypatch, caplog):
    field, placed_id = on_the_book, on_the_book.bid().exchange_order_id
    (old,) = field.orders()
    ask_change(field, operator)
    with monkeypatch.context() as unanswered:
        unanswered.setattr(tasks, "_answered", lambda *_: None)
        tasks.send_market_messages()
    out = {**old, "status": "CANCELLED", "final": True, "version": old["version"] + 1}
    for number, order in enumerate([out, open_order(field)]):
        pushes.store(body=json.dumps({"notificationId": str(number), "order": order}).encode(), now=field.now())
    pushes.process(now=field.now())
    assert (field.bid().status, committed()) == (Bid.Status.SUBMITTED, {300_000})

    later(field)
    assert_the_new_order_is_the_bids(field, placed_id)
    assert errors(caplog) == []


def test_an_order_beside_the_one_that_took_the_place_is_taken_out_and_told(field, operator, caplog):
    document = scenario_document()
    document["settings"]["after_change"] = "new_id"
    field.market.load(document)
    # given an order that the exchange takes long after we gave up waiting and placed it again
    field.http._read_timeout_seconds = 0.4
    field.fault(kind="delay", seconds=600, method="POST", path=ORDERS)
    field.at(NOW)
    field.http._read_timeout_seconds = READ_TIMEOUT_SECONDS
    field.at(NOW + exchange().in_flight)
    placed_id = field.bid().exchange_order_id
    ask_change(field, operator)
    later(field)
    before = len(field.orders())
    field.market.control("DELETE", "faults")
    assert wait_until(lambda: len(field.orders()) == before + 1)
    for _ in range(3):
        later(field)

    order = open_order(field)
    assert (field.bid().exchange_order_id, order["quantity"]) == (order["id"], 0.2)
    surplus = SurplusOrder.objects.get()
    assert surplus.is_final
    assert surplus.order_id not in {placed_id, order["id"]}
    (told,) = errors(caplog)
    assert told.startswith(f"Order {surplus.order_id} is in the book beside order {order['id']} of bid")
