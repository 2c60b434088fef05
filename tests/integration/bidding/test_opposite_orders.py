"""Orders of one group in opposite directions at the same time: each takes away what the other brings."""

import threading
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import connection, transaction

from aggregator.core.models import OutboxMessage
from assets.models import AggregationEan
from bidding.dispatch.acts import stop_activation
from bidding.dispatch.operations import run_activation
from bidding.markets.exchange.orders import OrderState
from bidding.models import Bid, DispatchAlarm, LedgerEntry, NoBid
from bidding.operations import bids
from bidding.operations.approvals import SoldTheOtherWay, approve
from bidding.operations.order_changes import withdraw
from bidding.operations.orders import follow_order
from bidding.uftp.demands import Demand
from tests import called_contracts
from tests.integration.bidding.evening import PTU, STARTS_AT


@pytest.fixture
def more(group, now):
    """A grid operator calls for 60 kW more in the second half hour of the announced window."""

    def call():
        demands = [Demand(STARTS_AT + n * PTU, 60_000) for n in (2, 3)]
        return called_contracts.call(called_contracts.make_contract(group, volume_w=60_000), demands, now=now)

    return call


REASON = (
    "Bids and contracts hold 60 kW the other way in this window. A group is measured as one, so both would fall short."
)


def test_no_bid_is_made_against_what_is_called_the_other_way(announcement, group, exchange, sized, now, more):
    more()

    answer = bids.offer(announcement=announcement, aggregation_ean=group, sized=sized(), exchange=exchange, now=now)

    assert isinstance(answer, NoBid)
    assert answer.reason == REASON
    assert not LedgerEntry.objects.filter(direction="reduce").exists()


def test_no_bid_is_made_by_hand_against_what_is_called_the_other_way(announcement, group, now, more):
    more()
    bid = bids.fill_in(
        bid=Bid(), announcement=announcement, aggregation_ean=group, power_w=300_000, price_eur_per_mwh=Decimal(150),
        now=now,
    )  # fmt: skip

    with pytest.raises(ValidationError) as refusal:
        bids.propose_by_hand(bid=bid, now=now, actor=User.objects.create_user("op"))

    assert refusal.value.messages == [REASON]
    assert not Bid.objects.exists()


def test_a_bid_that_waits_for_approval_does_not_go_out_against_what_is_called_meanwhile(
    announcement, group, exchange, sized, now, more
):
    AggregationEan.objects.update(autonomy="manual")
    bid = bids.offer(announcement=announcement, aggregation_ean=group, sized=sized(), exchange=exchange, now=now)
    more()

    with pytest.raises(SoldTheOtherWay) as refusal:
        approve(bid_id=bid.pk, exchange=exchange, now=now, actor=User.objects.create_user("op"))

    assert str(refusal.value) == f"{REASON} Refuse this bid."
    assert not OutboxMessage.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_an_approval_waits_for_a_call_that_is_being_taken_on(announcement, group, exchange, sized, now, more):
    AggregationEan.objects.update(autonomy="manual")
    bid = bids.offer(announcement=announcement, aggregation_ean=group, sized=sized(), exchange=exchange, now=now)
    person, outcomes = User.objects.create_user("op"), []

    def worker():
        try:
            outcomes.append(approve(bid_id=bid.pk, exchange=exchange, now=now, actor=person))
        except SoldTheOtherWay as refusal:
            outcomes.append(str(refusal))
        finally:
            connection.close()

    thread = threading.Thread(target=worker)
    with transaction.atomic():
        more()
        thread.start()
        thread.join(timeout=0.5)
        assert outcomes == []
    thread.join()

    assert outcomes == [f"{REASON} Refuse this bid."]
    assert not OutboxMessage.objects.exists()


def test_what_follows_on_an_order_the_other_way_is_offered(announcement, group, exchange, sized, now, more):
    more()
    announcement.starts_at = STARTS_AT + 4 * PTU
    announcement.required_power_w = [1_600_000] * 8
    announcement.save()

    answer = bids.offer(
        announcement=announcement, aggregation_ean=group, exchange=exchange, now=now,
        sized=replace(sized(), baseline_w=[900_000] * 8),
    )  # fmt: skip

    assert isinstance(answer, Bid)


def test_while_a_bid_the_other_way_is_being_withdrawn_the_answer_waits(announcement, group, exchange, sized, now):
    bid = bids.offer(announcement=announcement, aggregation_ean=group, sized=sized(), exchange=exchange, now=now)
    Bid.objects.update(withdrawal_asked_at=now)
    announcement.pk, announcement.external_id, announcement.direction = None, "A2", "increase"
    announcement.save()
    act = {"announcement": announcement, "aggregation_ean": group, "sized": sized(), "exchange": exchange, "now": now}

    with pytest.raises(bids.PowerNotBackYet, match="is being withdrawn"):
        bids.offer(**act)

    follow_order(bid_id=bid.pk, state=OrderState("X1", "", 0, None, True, True), now=now)
    assert isinstance(bids.offer(**act), Bid)


@pytest.mark.parametrize(("cleared_w", "answer"), [(0, Bid), (300_000, NoBid)])
def test_the_answer_waits_for_a_bid_the_other_way_whose_gate_comes_sooner(
    announcement, group, exchange, sized, now, cleared_w, answer
):
    bid = bids.offer(announcement=announcement, aggregation_ean=group, sized=sized(), exchange=exchange, now=now)
    announcement.pk, announcement.external_id, announcement.direction = None, "A2", "increase"
    announcement.starts_at, announcement.ends_at = (
        instant + PTU for instant in (announcement.starts_at, announcement.ends_at)
    )
    announcement.save()
    act = {"announcement": announcement, "aggregation_ean": group, "sized": sized(), "exchange": exchange, "now": now}

    with pytest.raises(bids.PowerNotBackYet, match="comes sooner"):
        bids.offer(**act)

    price = Decimal(180) if cleared_w else None
    follow_order(bid_id=bid.pk, state=OrderState("X1", "", cleared_w, price, True, False), now=now)
    assert isinstance(bids.offer(**act), answer)


def test_a_call_against_a_bid_rings_as_soon_as_it_is_taken_on_and_until_one_is_stopped(activation, group, more, now):
    call = more()
    for order in (activation, call):
        run_activation(activation_id=order.pk, now=now)

    assert now < STARTS_AT - timedelta(hours=1)
    alarms = DispatchAlarm.objects.filter(kind="opposed", cleared_at=None)
    what = "runs the other way. The group is measured as one, so both fall short: stop one of them, or tell a buyer."
    assert {alarm.activation_id: alarm.message for alarm in alarms.all()} == {
        activation.pk: f"The activation {call.reference} of {group.ean} from 2026-01-14 17:30 {what}",
        call.pk: f"The activation {activation.reference} of {group.ean} from 2026-01-14 17:00 {what}",
    }

    stop_activation(activation_id=call.pk, now=now, actor=User.objects.create_user("night-shift"), reason="agreed")
    run_activation(activation_id=activation.pk, now=now)

    assert not alarms.exists()


def test_a_call_against_a_bid_that_is_not_cleared_rings_until_somebody_withdraws_it(
    announcement, group, exchange, sized, now, more
):
    bid = bids.offer(announcement=announcement, aggregation_ean=group, sized=sized(), exchange=exchange, now=now)
    call = more()

    run_activation(activation_id=call.pk, now=now)

    alarms = DispatchAlarm.objects.filter(kind="opposed", cleared_at=None)
    assert alarms.get().message == (
        f"Offered the other way: bid of 300 kW for {group.ean} from 2026-01-14 17:00, approved, being sent. Withdraw "
        "it before it is cleared."
    )
    withdraw(bid_id=bid.pk, now=now, actor=None, reason="called the other way")
    run_activation(activation_id=call.pk, now=now)
    assert not alarms.exists()
