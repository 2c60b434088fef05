import json
from decimal import Decimal
from types import SimpleNamespace

import pytest

from aggregator.core.models import AuditEvent, InboxMessage
from bidding import tasks
from bidding.markets.exchange.orders import OrderState
from bidding.models import Activation, ActivationPtu, Bid, LedgerEntry
from bidding.operations import bids, order_changes, orders, pushes
from bidding.operations.orders import follow_order


@pytest.fixture
def bid(announcement, group, exchange, sized, now):
    bid = bids.offer(announcement=announcement, aggregation_ean=group, sized=sized(), exchange=exchange, now=now)
    return follow_order(bid_id=bid.pk, state=state(0, is_final=False), now=now)


def state(cleared_w, *, is_final, is_cancelled=False):
    return OrderState("X1", "", cleared_w, Decimal("180.00") if cleared_w else None, is_final, is_cancelled)


def committed():
    return set(LedgerEntry.objects.values_list("committed_w", flat=True))


def test_full_clearing_orders_the_whole_bid(bid, now):
    follow_order(bid_id=bid.pk, state=state(300_000, is_final=True), now=now)

    activation = Activation.objects.get()
    assert (activation.reference, activation.status) == ("X1", Activation.Status.ORDERED)
    assert list(activation.ptus.values_list("ordered_w", flat=True)) == [300_000] * 12
    bid.refresh_from_db()
    assert (bid.status, bid.cleared_power_w) == (Bid.Status.CLEARED, 300_000)


def test_a_partial_fill_is_ordered_at_once_and_the_rest_freed_when_final(bid, now):
    follow_order(bid_id=bid.pk, state=state(100_000, is_final=False), now=now)
    assert set(ActivationPtu.objects.values_list("ordered_w", flat=True)) == {100_000}
    assert committed() == {300_000}

    follow_order(bid_id=bid.pk, state=state(200_000, is_final=False), now=now)
    assert set(ActivationPtu.objects.values_list("ordered_w", flat=True)) == {200_000}

    follow_order(bid_id=bid.pk, state=state(200_000, is_final=True), now=now)
    assert committed() == {200_000}
    bid.refresh_from_db()
    assert (bid.status, bid.cleared_price_eur_per_mwh) == (Bid.Status.PARTLY_CLEARED, Decimal("180.00"))
    assert Activation.objects.count() == 1


@pytest.mark.parametrize(("is_cancelled", "status"), [(False, "not_cleared"), (True, "withdrawn")])
def test_an_order_that_ends_without_a_fill_frees_everything(bid, now, is_cancelled, status):
    follow_order(bid_id=bid.pk, state=state(0, is_final=True, is_cancelled=is_cancelled), now=now)

    bid.refresh_from_db()
    assert bid.status == status
    assert committed() == {0}
    assert not Activation.objects.exists()


def test_news_that_comes_twice_or_late_changes_nothing(bid, now):
    follow_order(bid_id=bid.pk, state=state(300_000, is_final=True), now=now)
    follow_order(bid_id=bid.pk, state=state(300_000, is_final=True), now=now)
    follow_order(bid_id=bid.pk, state=state(100_000, is_final=False), now=now)

    assert Activation.objects.count() == 1
    assert set(ActivationPtu.objects.values_list("ordered_w", flat=True)) == {300_000}


def test_an_order_that_cannot_be_followed_stops_the_polling_of_no_other(bid, now, monkeypatch, caplog):
    gone = Bid(pk=bid.pk + 1, status=Bid.Status.SUBMITTED, exchange_order_id="X0")
    market = SimpleNamespace(order=lambda _: state(300_000, is_final=True))
    monkeypatch.setattr(tasks, "clock", lambda: SimpleNamespace(now=lambda: now))
    monkeypatch.setattr(tasks, "exchange", lambda: market)
    monkeypatch.setattr(tasks, "bids_on_the_exchange", lambda: [gone, bid])

    tasks.follow_orders()

    bid.refresh_from_db()
    assert bid.status == Bid.Status.CLEARED
    assert f"The order of bid {gone.reference} was not followed" in caplog.text
    assert "DoesNotExist" in caplog.text


def test_a_fill_of_a_bid_that_was_ended_is_an_error_for_people_to_act_on(
    announcement, group, exchange, sized, now, caplog
):
    bid = bids.offer(announcement=announcement, aggregation_ean=group, sized=sized(), exchange=exchange, now=now)
    orders.note_sought(reference=str(bid.reference), reason="The exchange did not answer.", now=now)
    orders.conclude_absent(
        bid_id=bid.pk, gate=exchange.gate, in_flight=exchange.in_flight, now=now + exchange.in_flight
    )
    caplog.clear()
    text = (
        f"Call the exchange: order X1 cleared 200 kW of bid {bid.reference} of {group.ean} from 2026-01-14 17:00 Dutch "
        "time, which was ended here (Not accepted by the exchange: The exchange did not answer.) and freed its power. "
        "There is a duty to deliver that nobody plans."
    )
    other = {"orderType": "SELL", "status": "OPEN", "fills": [{"quantity": 0.2, "price": 180}], "id": "X1"}
    order = {**other, "final": False, "clearedQuantity": 0.2, "metaData": {"clientOrderId": str(bid.reference)}}
    pushes.store(body=json.dumps({"notificationId": "n", "order": order}).encode(), now=now)

    pushes.process(now=now)

    assert InboxMessage.objects.get().error == text
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == [text]
    assert AuditEvent.objects.get(action="bidding.bid.cleared-after-its-end").reason == text
    assert not Activation.objects.exists()
    assert committed() == {0}
    assert order_changes.ask_withdrawals(exchange=exchange, now=now + exchange.in_flight) == 1  # of what is open


@pytest.mark.parametrize("cleared_w", [0, 300_000])
def test_news_of_an_ended_order_that_says_nothing_new_is_no_error(bid, now, caplog, cleared_w):
    for _ in range(2):
        follow_order(bid_id=bid.pk, state=state(cleared_w, is_final=True), now=now)
    assert not caplog.records
