"""Mandates, one person, two people: who lets a bid go out, also when everybody acts at once."""

import threading
from datetime import timedelta
from decimal import Decimal

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import IntegrityError, ProgrammingError, connection, transaction

from aggregator.core.ean import Ean18
from aggregator.core.models import AuditEvent, OutboxMessage
from assets.models import AggregationEan
from bidding.models import Announcement, Bid, LedgerEntry, Mandate
from bidding.operations import bids
from bidding.operations.approvals import AnotherPersonNeeded, approve, lapse, worth
from bidding.operations.order_changes import ChangeRefused, change
from bidding.operations.terms import set_terms


@pytest.fixture
def anna(db):
    return User.objects.create_user("anna")


@pytest.fixture
def bob(db):
    return User.objects.create_user("bob")


@pytest.fixture
def offer(announcement, group, exchange, sized, now):
    def make(bid_w=300_000, at=now):
        return bids.offer(
            announcement=announcement, aggregation_ean=group, sized=sized(bid_w=bid_w), exchange=exchange, now=at
        )

    return make


@pytest.fixture
def mandate(group, now):
    """Give the group a mandate that replaces its wide one a second ago."""

    def give(**limits):
        at = now - timedelta(seconds=1)
        values = {"automatic_up_to_w": 5_000_000, "automatic_up_to_eur": Decimal(1_000_000)} | limits
        return set_terms(Mandate, aggregation_ean=group, now=at, **values)

    return give


def test_a_bid_above_the_mandate_waits_and_says_why(offer, mandate):
    mandate(automatic_up_to_w=200_000)
    bid = offer()
    assert (bid.status, bid.people_needed) == (Bid.Status.PROPOSED, 1)
    assert bid.explanation["standing"] == "300 kW is above the mandate's 200 kW: a person decides."
    assert not OutboxMessage.objects.exists()


def test_without_a_mandate_nothing_goes_out_by_itself(announcement, area, exchange, sized, now):
    group = AggregationEan.objects.create(
        ean=Ean18.from_body("87168510000000002"), name="New", congestion_area=area, brp="8719999000018",
        autonomy="automatic",
    )  # fmt: skip
    bid = bids.offer(announcement=announcement, aggregation_ean=group, sized=sized(), exchange=exchange, now=now)
    assert (bid.status, bid.people_needed) == (Bid.Status.PROPOSED, 1)


def test_the_days_bids_count_together_against_the_exposure(offer, mandate, announcement, group, exchange, sized, now):
    mandate(automatic_up_to_eur=Decimal(323))
    first = offer()
    assert (first.status, worth(first)) == (Bid.Status.APPROVED, Decimal("162.00"))  # 300 kW for 3 hours at € 180
    later = Announcement.objects.get(pk=announcement.pk)
    later.pk, later.external_id = None, "A2"
    later.starts_at, later.ends_at = announcement.ends_at, announcement.ends_at + timedelta(hours=3)  # to 23:00
    later.save()
    second = bids.offer(announcement=later, aggregation_ean=group, sized=sized(), exchange=exchange, now=now)
    assert (second.status, second.explanation["standing"]) == (
        Bid.Status.PROPOSED,
        "The day's bids are worth € 324.00, above the mandate's € 323.00: a person decides.",
    )


def test_two_different_people_let_a_large_bid_go(offer, mandate, exchange, now, anna, bob):
    mandate(two_people_above_w=200_000)
    bid = offer()
    assert bid.people_needed == 2
    act = {"bid_id": bid.pk, "exchange": exchange, "now": now}
    assert approve(**act, actor=anna).status == Bid.Status.PROPOSED
    assert not OutboxMessage.objects.exists()
    with pytest.raises(AnotherPersonNeeded):
        approve(**act, actor=anna)
    assert approve(**act, actor=bob).status == Bid.Status.APPROVED
    assert OutboxMessage.objects.count() == 1
    actions = list(
        AuditEvent.objects.filter(action__contains="approved").order_by("pk").values_list("action", "actor_name")
    )
    assert actions == [("bidding.bid.approved-by-one", "anna"), ("bidding.bid.approved", "bob")]


def test_whoever_makes_a_large_bid_is_one_of_its_two_people(group, announcement, mandate, exchange, now, anna, bob):
    mandate(two_people_above_w=200_000)
    bid = bids.fill_in(
        bid=Bid(), announcement=announcement, aggregation_ean=group, power_w=300_000, price_eur_per_mwh=Decimal(150),
        now=now,
    )  # fmt: skip
    bids.propose_by_hand(bid=bid, now=now, actor=anna)
    with pytest.raises(AnotherPersonNeeded):
        approve(bid_id=bid.pk, exchange=exchange, now=now, actor=anna)
    assert approve(bid_id=bid.pk, exchange=exchange, now=now, actor=bob).status == Bid.Status.APPROVED


def test_a_mandate_that_became_stricter_counts_for_bids_that_wait(offer, mandate, group, exchange, now, anna):
    mandate(automatic_up_to_w=200_000)
    bid = offer()
    set_terms(Mandate, aggregation_ean=group, now=now, two_people_above_w=100_000)
    assert approve(bid_id=bid.pk, exchange=exchange, now=now, actor=anna).status == Bid.Status.PROPOSED


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ({"status": "approved"}, "bid_goes_out_with_enough_people_behind_it"),
        ({"status": "submitted", "first_approver": "anna"}, "bid_goes_out_with_enough_people_behind_it"),
        ({"first_approver": "anna", "second_approver": "anna"}, "bid_approvers_are_different_people"),
        ({"second_approver": "anna"}, "bid_approvers_are_different_people"),
        ({"proposed_by": "anna", "first_approver": "anna"}, "large_bid_is_not_approved_by_its_maker"),
        ({"people_needed": 3}, "bid_needs_at_most_two_people"),
    ],
)
def test_the_database_keeps_the_rule_whatever_code_writes(offer, mandate, anna, change, constraint):
    mandate(two_people_above_w=200_000)
    bid = offer()
    values = {name: anna if value == "anna" else value for name, value in change.items()}
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        Bid.objects.filter(pk=bid.pk).update(**values)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("names", "is_out"), [(["anna", "anna"], False), (["anna", "bob"], True)])
def test_approvals_at_the_same_moment(group, announcement, exchange, sized, now, names, is_out):
    set_terms(Mandate, aggregation_ean=group, now=now + timedelta(seconds=1), two_people_above_w=200_000)
    people = {name: User.objects.create_user(name) for name in set(names)}
    at = now + timedelta(seconds=2)
    bid = bids.offer(announcement=announcement, aggregation_ean=group, sized=sized(), exchange=exchange, now=at)
    barrier, refused = threading.Barrier(2), []

    def act(name):
        barrier.wait()
        try:
            approve(bid_id=bid.pk, exchange=exchange, now=at, actor=people[name])
        except AnotherPersonNeeded:
            refused.append(name)
        finally:
            connection.close()

    threads = [threading.Thread(target=act, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    bid.refresh_from_db()
    assert (bid.status == Bid.Status.APPROVED) is is_out
    assert OutboxMessage.objects.count() == int(is_out)
    assert len(refused) == int(not is_out)


@pytest.fixture
def in_the_book(offer, mandate, exchange, now, anna, bob):
    """300 kW at € 180, in the exchange's book: approved by Anna, or by Anna and Bob when it needs two."""

    def make(**limits):
        mandate(automatic_up_to_w=0, **limits)
        bid = offer()
        approve(bid_id=bid.pk, exchange=exchange, now=now, actor=anna)
        if limits:
            approve(bid_id=bid.pk, exchange=exchange, now=now, actor=bob)
        Bid.objects.filter(pk=bid.pk).update(status=Bid.Status.SUBMITTED, exchange_order_id="X1")
        return {"bid_id": bid.pk, "exchange": exchange, "now": now, "reason": "Fewer cars."}

    return make


def test_one_person_cannot_raise_what_another_approved_alone(in_the_book, group, now, anna, bob):
    terms = in_the_book()
    set_terms(Mandate, aggregation_ean=group, now=now, two_people_above_eur=Decimal(200))  # it is worth € 162
    with pytest.raises(ChangeRefused, match="make another bid, which two people approve"):
        change(**terms, power_w=300_000, price_eur_per_mwh=Decimal(250), actor=bob)
    change(**terms, power_w=300_000, price_eur_per_mwh=Decimal(220), actor=bob)  # € 198


@pytest.mark.parametrize(
    ("power_w", "price", "is_taken"),
    [
        (300_000, "180.01", False),
        (200_000, "200.00", False),  # a higher price for less
        (100_000, "300.00", True),  # too little to need two people
        (300_000, "-180.01", False),  # worth more, though the price is lower
        (300_000, "150.00", True),
        (200_000, "180.00", True),
    ],
)
def test_what_two_people_approved_is_lowered_by_one_and_raised_by_none(in_the_book, bob, power_w, price, is_taken):
    terms = in_the_book(two_people_above_w=100_000) | {"power_w": power_w, "actor": bob}
    if is_taken:
        change(**terms, price_eur_per_mwh=Decimal(price))
    else:
        with pytest.raises(ChangeRefused, match="make another bid, which two people approve"):
            change(**terms, price_eur_per_mwh=Decimal(price))
    assert OutboxMessage.objects.filter(idempotency_key__startswith="change-").count() == int(is_taken)


def test_what_nobody_approved_in_time_lapses_and_frees_its_power(offer, mandate, announcement, exchange, now):
    mandate(automatic_up_to_w=0)
    bid = offer()
    lapse(bid_id=bid.pk, gate=exchange.gate, now=now)
    bid.refresh_from_db()
    assert bid.status == Bid.Status.PROPOSED
    lapse(bid_id=bid.pk, gate=exchange.gate, now=announcement.starts_at - timedelta(minutes=15))
    bid.refresh_from_db()
    assert (bid.status, bid.status_reason) == (
        Bid.Status.LAPSED,
        "The gate closed with 0 of the 1 people behind it that it needs.",
    )
    assert set(LedgerEntry.objects.values_list("committed_w", flat=True)) == {0}


def test_terms_hold_from_now_on_and_are_never_rewritten(group, now):
    with pytest.raises(ValidationError, match="cannot begin before now"):
        set_terms(Mandate, aggregation_ean=group, now=now, active_from=now - timedelta(days=1))
    with pytest.raises(ProgrammingError, match="Cannot update"), transaction.atomic():
        Mandate.objects.update(automatic_up_to_w=1)
    with pytest.raises(ValidationError, match="both ends"):
        set_terms(Mandate, aggregation_ean=group, now=now + timedelta(1), automatic_from="08:00")
