"""The life of a bid on the market: approved, changed, withdrawn, pushed, cleared; and of what it answers."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.conf import settings

from aggregator.celery import app
from aggregator.core.models import AuditEvent, OutboxMessage
from bidding import tasks
from bidding.models import Activation, Announcement, Bid, BidDutyContract, LedgerEntry, NoBid, OrderChange
from bidding.operations import orders
from bidding.operations.approvals import NotInState
from bidding.operations.order_changes import ChangeRefused, change, withdraw
from bidding.services import exchange
from tests.integration.mock_gopacs.market_process import EAN_CENTRE, ms, scenario_document, utc
from tests.integration.redispatch.conftest import NOW

pytestmark = pytest.mark.django_db(transaction=True)


def committed():
    return set(LedgerEntry.objects.values_list("committed_w", flat=True))


def later(field, **delta):
    field.at(field.now() + timedelta(**delta))


@pytest.fixture
def on_the_book(field):
    """Our order of 300 kW, in the book since 15:31 local time."""
    field.at(NOW)
    assert field.bid().status == Bid.Status.SUBMITTED
    return field


def test_gopacs_is_polled_no_faster_than_it_asks():
    schedule = app.conf.beat_schedule["bidding.tasks.poll_announcements"]["schedule"]
    assert schedule / settings.TICK_SECONDS == 5  # of a minute each, outside tests and demo


def test_an_order_is_changed_to_less_power_and_another_price(on_the_book, operator):
    field = on_the_book
    terms = {"exchange": exchange(), "now": NOW, "actor": operator, "reason": "Two cars left."}
    change(bid_id=field.bid().pk, power_w=200_000, price_eur_per_mwh=Decimal("150.50"), **terms)
    assert committed() == {300_000}  # until the exchange confirms
    with pytest.raises(ChangeRefused, match="has not answered"):
        change(bid_id=field.bid().pk, power_w=100_000, price_eur_per_mwh=Decimal(1), **terms)

    later(field, seconds=30)

    (order,) = field.orders()
    assert (order["quantity"], order["price"]) == (0.2, 150.5)
    assert (field.bid().power_w, field.bid().price_eur_per_mwh) == (200_000, Decimal("150.50"))
    assert OrderChange.objects.get().status == OrderChange.Status.DONE
    assert committed() == {200_000}


@pytest.mark.parametrize("power_w", [400_000, 150_000, 0])
def test_a_change_is_no_way_around_sizing_product_or_approval(on_the_book, operator, power_w):
    with pytest.raises(ChangeRefused, match="whole steps of 100 kW"):
        change(
            bid_id=on_the_book.bid().pk, power_w=power_w, price_eur_per_mwh=Decimal(1), exchange=exchange(), now=NOW,
            actor=operator, reason="More.",
        )  # fmt: skip


def test_a_change_that_comes_too_late_is_told_and_the_clearing_stands(on_the_book, operator):
    field = on_the_book
    field.at(utc(15, 6), tick=False)  # locked
    change(
        bid_id=field.bid().pk, power_w=100_000, price_eur_per_mwh=Decimal(900), exchange=exchange(), now=field.now(),
        actor=operator, reason="Fewer cars.",
    )  # fmt: skip
    field.tick()
    field.at(utc(15, 10))
    later(field, seconds=30)
    assert (field.bid().status, field.bid().cleared_power_w) == (Bid.Status.CLEARED, 300_000)
    assert OrderChange.objects.get().status == OrderChange.Status.REFUSED
    assert committed() == {300_000}


def test_a_withdrawn_order_leaves_the_book_and_frees_its_power(on_the_book, operator):
    field = on_the_book
    withdraw(bid_id=field.bid().pk, now=NOW, actor=operator, reason="Grid test.")
    with pytest.raises(ChangeRefused, match="asked before"):
        withdraw(bid_id=field.bid().pk, now=NOW, actor=operator, reason="Again.")
    later(field, seconds=30)
    assert [order["status"] for order in field.orders()] == ["CANCELLED"]
    assert field.bid().status == Bid.Status.WITHDRAWN
    assert committed() == {0}
    with pytest.raises(NotInState):
        withdraw(bid_id=field.bid().pk, now=NOW, actor=operator, reason="Again.")


def test_a_bid_that_was_never_sent_is_stopped_before_it_goes_out(field, operator):
    field.fault(kind="reset", path="/public-api", times=1)
    field.at(NOW, tick=False)

    tasks.poll_announcements()
    tasks.offer_bids()
    withdraw(bid_id=field.bid().pk, now=NOW, actor=operator, reason="Wrong price.")
    assert committed() == {300_000}  # a sender that died may have sent it
    for minutes in (0, 1, 3):
        field.at(NOW + timedelta(minutes=minutes))
    assert field.orders() == []
    assert field.bid().status == Bid.Status.WITHDRAWN
    assert committed() == {0}


def test_a_bid_whose_withdrawal_is_asked_between_two_attempts_is_not_placed_any_more(field, operator):
    field.fault(kind="reset", method="POST", path="/public-api", times=1)
    field.at(NOW)
    assert (field.bid().status, OutboxMessage.objects.get().attempts) == (Bid.Status.APPROVED, 1)
    withdraw(bid_id=field.bid().pk, now=NOW, actor=operator, reason="Wrong price.")
    for minutes in (1, 2, 4):
        field.at(NOW + timedelta(minutes=minutes))
    assert field.orders() == []
    assert (field.bid().status, field.bid().status_reason) == (Bid.Status.WITHDRAWN, "Withdrawn: Wrong price.")
    assert committed() == {0}


def test_an_order_that_turns_up_after_its_bid_was_ended_is_taken_out_of_the_book(field, operator):
    field.at(NOW, tick=False)
    tasks.poll_announcements()
    tasks.offer_bids()
    under_way = OutboxMessage.objects.get()
    withdraw(bid_id=field.bid().pk, now=NOW, actor=operator, reason="Wrong price.")
    field.at(NOW + timedelta(minutes=3))
    assert (field.bid().status, committed()) == (Bid.Status.WITHDRAWN, {0})

    answer = exchange().http.request(  # of a sender that died over it, and that nobody heard of again
        method="POST", url=under_way.url, headers={**under_way.headers, **exchange().credentials()},
        body=bytes(under_way.body),
    )  # fmt: skip
    orders.follow_order(bid_id=field.bid().pk, state=exchange().state_in(answer), now=field.now())
    later(field, seconds=30)
    later(field, seconds=30)

    assert [order["status"] for order in field.orders()] == ["CANCELLED"]
    assert (field.bid().status, committed()) == (Bid.Status.WITHDRAWN, {0})
    assert AuditEvent.objects.filter(action="bidding.bid.found-after-its-end").count() == 1


def test_an_order_stands_for_the_minimum_dwell_time(field, settings, operator, monkeypatch):
    settings.EXCHANGE_MINIMUM_DWELL = timedelta(minutes=10)
    exchange.cache_clear()
    field.at(NOW)
    with pytest.raises(ChangeRefused, match="stands unchanged for 0:10:00"):
        change(
            bid_id=field.bid().pk, power_w=100_000, price_eur_per_mwh=Decimal(1), exchange=exchange(), now=NOW,
            actor=operator, reason="Less.",
        )  # fmt: skip
    withdraw(bid_id=field.bid().pk, now=NOW, actor=operator, reason="Grid test.")
    field.at(NOW + timedelta(minutes=9))
    assert [order["status"] for order in field.orders()] == ["OPEN"]
    field.at(NOW + timedelta(minutes=10))
    assert [order["status"] for order in field.orders()] == ["CANCELLED"]


def test_too_late_to_dwell_is_a_reason_not_to_bid(field, settings):
    settings.EXCHANGE_MINIMUM_DWELL = timedelta(minutes=20)
    exchange.cache_clear()
    field.at(utc(15, 26))
    assert NoBid.objects.get().reason == (
        "An order must stand in the book for 0:20:00 to be cleared; the gate comes sooner."
    )
    assert field.orders() == []


def test_an_order_says_itself_when_it_expires(field, settings):
    settings.EXCHANGE_GATE = timedelta(minutes=60)
    exchange.cache_clear()
    field.at(NOW)
    (order,) = field.orders()
    assert (order["customExpirationTime"], order["status"]) == (ms(utc(15)), "OPEN")
    field.at(utc(15, 1))
    assert [order["status"] for order in field.orders()] == ["EXPIRED"]
    assert field.bid().status == Bid.Status.NOT_CLEARED


def test_a_gate_that_the_exchange_would_not_take_is_refused_at_once(settings):
    settings.EXCHANGE_URL = settings.EXCHANGE_API_KEY = settings.EXCHANGE_PARTICIPANT_ID = "x"
    for minutes in (0, 20):
        settings.EXCHANGE_GATE = timedelta(minutes=minutes)
        exchange.cache_clear()
        with pytest.raises(ValueError, match="whole number of quarter hours"):
            exchange()


def test_a_contracted_bid_names_its_contract_on_the_order(field, group):
    BidDutyContract.objects.create(contract_id="BP-7", aggregation_ean=group, active_from=NOW.date())
    field.at(NOW)
    (order,) = field.orders()
    assert (order["contractId"], order["marketBased"], order["facilityType"]) == ("BP-7", True, None)
    assert field.bid().contract_id == "BP-7"


def test_a_contract_may_say_that_its_orders_are_not_market_based(field, group, operator):
    BidDutyContract.objects.create(
        contract_id="BP-7", facility_type="B01", aggregation_ean=group, active_from=NOW.date()
    )
    field.at(NOW)
    change(
        bid_id=field.bid().pk, power_w=200_000, price_eur_per_mwh=Decimal(170), exchange=exchange(), now=NOW,
        actor=operator, reason="Fewer cars.",
    )  # fmt: skip
    later(field, seconds=30)
    (order,) = field.orders()
    assert (order["marketBased"], order["facilityType"], order["quantity"]) == (False, "B01", 0.2)


def test_feed_in_congestion_is_a_buy_order_that_becomes_more_consumption(field, group):
    document = scenario_document()
    document["announcements"][0]["congestion"] = "FEED_IN"
    document["foreign_orders"][0].update(side="SELL", price_eur_per_mwh=[-50, -50])
    field.market.set_clock(NOW)
    field.market.load(document)
    group.price_eur_per_mwh = Decimal("-20.00")  # we pay 20 for what we take
    group.save()

    field.at(NOW)
    (order,) = field.orders()
    assert (order["orderType"], order["quantity"], order["price"]) == ("BUY", 0.3, 20.0)
    assert field.bid().direction == "increase"

    field.at(utc(15, 11))
    activation = Activation.objects.get()
    assert (activation.direction, field.bid().cleared_price_eur_per_mwh) == ("increase", Decimal("-20.00"))
    assert set(activation.ptus.values_list("ordered_w", flat=True)) == {300_000}


def test_an_announcement_that_is_withdrawn_takes_its_bid_along(on_the_book):
    field = on_the_book
    field.market.control("POST", f"announcements/{Announcement.objects.get().external_id}/withdraw")
    for seconds in (30, 60):
        later(field, seconds=seconds)
    newest = Announcement.objects.latest("revision")
    assert (newest.is_withdrawn, newest.is_open) == (True, False)
    assert [order["status"] for order in field.orders()] == ["CANCELLED"]
    assert (field.bid().status, field.bid().status_reason) == (
        Bid.Status.WITHDRAWN,
        "The grid operator withdrew its announcement.",
    )


def show_announcement(field, *, listed):
    external_id = Announcement.objects.earliest("pk").external_id
    field.market.control("POST", f"announcements/{external_id}/show", json={"listed": listed})


def test_an_announcement_that_vanishes_from_the_list_takes_its_bid_along(on_the_book):
    field = on_the_book
    show_announcement(field, listed=False)
    field.at(NOW + timedelta(minutes=5))
    field.at(NOW + timedelta(minutes=19))
    assert field.bid().status == Bid.Status.SUBMITTED, "not yet: a list may be wrong for a moment"
    for seconds in (0, 30, 60):
        field.at(NOW + timedelta(minutes=20, seconds=seconds))
    newest = Announcement.objects.latest("revision")
    assert (newest.revision, newest.is_withdrawn, newest.is_open) == (2, True, False)
    assert [order["status"] for order in field.orders()] == ["CANCELLED"]
    assert field.bid().status == Bid.Status.WITHDRAWN
    assert "no longer listed" in field.bid().status_reason
    assert committed() == {0}

    show_announcement(field, listed=True)
    field.at(NOW + timedelta(minutes=22))
    newest = Announcement.objects.latest("revision")
    assert (newest.revision, newest.terms, newest.is_open) == (3, 2, True)
    assert Bid.objects.latest("pk").status == Bid.Status.SUBMITTED


def test_an_announcement_that_one_list_left_out_stands(on_the_book):
    field = on_the_book
    show_announcement(field, listed=False)
    field.at(NOW + timedelta(minutes=5))
    show_announcement(field, listed=True)
    field.at(NOW + timedelta(minutes=10))
    show_announcement(field, listed=False)
    field.at(NOW + timedelta(minutes=22))
    assert Announcement.objects.get().missing_since == NOW + timedelta(minutes=22)
    assert field.bid().status == Bid.Status.SUBMITTED


def change_announcement(field, **changes):
    external_id = Announcement.objects.earliest("pk").external_id
    field.market.control("POST", f"announcements/{external_id}/change", json=changes)


def test_an_announcement_whose_period_changes_is_answered_anew(on_the_book, sized):
    field = on_the_book
    sized["bid_w"] = 200_000
    change_announcement(field, starts_at=ms(utc(17)), ends_at=ms(utc(19)))
    for seconds in (30, 60, 90):
        later(field, seconds=seconds)
    old, new = Bid.objects.order_by("pk")
    assert (old.status, old.status_reason) == (Bid.Status.WITHDRAWN, "The announcement changed: its period.")
    assert (new.status, new.starts_at, new.power_w) == (Bid.Status.SUBMITTED, utc(17), 200_000)
    assert sorted(order["status"] for order in field.orders()) == ["CANCELLED", "OPEN"]
    assert new.announcement.terms == 2


def test_an_announcement_that_needs_less_lets_the_bid_stand(on_the_book):
    field = on_the_book
    change_announcement(field, required_mw=0.2)
    later(field, seconds=30)
    newest = Announcement.objects.latest("revision")
    assert (newest.revision, newest.terms, newest.required_power_w[0]) == (2, 1, 200_000)
    assert field.bid().status == Bid.Status.SUBMITTED
    field.at(utc(15, 11))
    assert field.bid().cleared_power_w == 200_000
    assert committed() == {300_000}  # the rest is still in the book
    field.at(utc(15, 46))
    assert field.bid().status == Bid.Status.PARTLY_CLEARED
    assert committed() == {200_000}


def test_gopacs_knows_best_which_eans_help(field, settings, group):
    settings.GOPACS_API_KEY = "gopacs-key"
    field.at(NOW)
    assert Announcement.objects.get().helping_eans == [EAN_CENTRE]
    assert Bid.objects.count() == 1


def test_a_group_that_gopacs_does_not_name_yet_bids_once_it_is_named(field, settings):
    settings.GOPACS_API_KEY, settings.GOPACS_CATEGORY_DIRECTIONS = "gopacs-key", {"REDUCE": "increase"}
    field.at(NOW)
    assert (Announcement.objects.get().helping_eans, Bid.objects.count()) == ([], 0)
    settings.GOPACS_CATEGORY_DIRECTIONS = {}
    later(field, seconds=30)
    assert (Announcement.objects.get().helping_eans, Bid.objects.count()) == ([EAN_CENTRE], 1)
