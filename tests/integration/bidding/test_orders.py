import json
from datetime import timedelta
from decimal import Decimal
from types import SimpleNamespace

import pytest
from django.contrib.auth.models import User

from aggregator.core.models import AuditEvent, InboxMessage
from bidding import tasks
from bidding.markets.exchange.orders import OrderState
from bidding.models import Activation, ActivationPtu, Bid, LedgerEntry, OrderChange, SurplusOrder
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


@pytest.fixture
def asked(bid, now):
    """A change to 200 kW that was asked of the exchange and is not answered yet."""
    return OrderChange.objects.create(
        bid=bid, power_w=200_000, price_eur_per_mwh=Decimal(180), reason="Two cars left.",
        asked_by=User.objects.create_user("operator"), asked_at=now,
    )  # fmt: skip


def answer_change(asked, now):
    asked.status, asked.answered_at = OrderChange.Status.DONE, now
    asked.save()


def look(bid, now, **cleared_w):
    """Take over a list of orders: X1 and others with what they cleared; those that are final have a capital F."""
    states = [
        OrderState(name.removesuffix("F"), "", power_w, Decimal(180) if power_w else None, name.endswith("F"), False)
        for name, power_w in cleared_w.items()
    ]
    orders.follow_orders_of(bid_id=bid.pk, known_as=bid.exchange_order_id, states=states, now=now)
    return Bid.objects.get(pk=bid.pk)


def test_two_orders_that_a_list_shows_while_one_takes_the_place_of_the_other_are_none_too_many(bid, asked, now):
    look(bid, now, X1=0, Y=0)
    answer_change(asked, now)
    look(bid, now, X1=0, Y=0)  # asked before the answer came
    assert not SurplusOrder.objects.exists()

    look(bid, now + timedelta(seconds=1), X1=0, Y=0)
    assert SurplusOrder.objects.get().order_id == "Y"


def test_a_list_that_shows_neither_order_while_one_takes_the_place_of_the_other_ends_no_bid(bid, asked, now):
    assert look(bid, now, X1F=0).status == Bid.Status.SUBMITTED
    answer_change(asked, now)
    assert look(bid, now + timedelta(seconds=1), X1F=0).status == Bid.Status.NOT_CLEARED


def test_a_list_that_was_asked_for_before_the_order_was_replaced_brings_the_old_one_not_back(bid, asked, now):
    assert look(bid, now, X1F=0, Y=0).exchange_order_id == "Y"
    assert look(bid, now, X1=0).exchange_order_id == "Y"
    assert not SurplusOrder.objects.exists()


def test_an_order_that_takes_the_place_of_one_that_cleared_goes_on_where_it_was(bid, asked, now):
    look(bid, now, X1=100_000)
    bid = look(bid, now, X1F=0, Y=100_000)
    look(bid, now, X1F=0, Y=200_000)
    assert set(Activation.objects.get().ptus.values_list("ordered_w", flat=True)) == {200_000}
    assert not SurplusOrder.objects.exists()


def test_an_order_that_does_not_carry_on_what_the_one_before_it_cleared_is_one_too_many(bid, asked, now, caplog):
    look(bid, now, X1=100_000)
    answer_change(asked, now)
    bid = look(bid, now + timedelta(seconds=1), X1F=100_000, Y=0)
    assert (bid.status, bid.exchange_order_id) == (Bid.Status.PARTLY_CLEARED, "X1")
    assert SurplusOrder.objects.get().order_id == "Y"
    assert committed() == {100_000}
    assert "is in the book beside order X1" in caplog.text
