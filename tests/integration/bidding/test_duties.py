"""Under a bidding contract every announcement gets a bid or a reason, whoever fails."""

from datetime import date, timedelta

import pytest
from django.db import IntegrityError, transaction

from aggregator.core.ean import Ean18
from aggregator.core.models import Job
from assets.models import AggregationEan, CongestionArea
from bidding import tasks
from bidding.models import Announcement, Bid, BidDutyContract, NoBid
from bidding.operations import bids, duties
from bidding.queries import announcements_to_answer, announcements_without_eans, groups_asked, open_duties

GATE = timedelta(minutes=15)


@pytest.fixture
def contract(group):
    return BidDutyContract.objects.create(contract_id="BP-7", aggregation_ean=group, active_from=date(2026, 1, 1))


def test_an_open_duty_is_seen_before_the_gate_with_its_contract(announcement, group, contract, now):
    (duty,) = open_duties(gate=GATE, now=now)
    assert (duty.group, duty.contract_id, duty.waiting_bid) == (group, "BP-7", None)
    assert duty.closes_at == announcement.starts_at - GATE
    assert open_duties(gate=GATE, now=duty.closes_at) == []


def test_a_duty_stays_open_while_its_bid_waits_for_a_person(announcement, group, contract, exchange, sized, now):
    AggregationEan.objects.update(autonomy="approve")
    bid = bids.offer(announcement=announcement, aggregation_ean=group, sized=sized(), exchange=exchange, now=now)
    assert [duty.waiting_bid for duty in open_duties(gate=GATE, now=now)] == [bid]
    assert bid.contract_id == "BP-7"


def test_a_bid_or_a_reason_meets_the_duty(announcement, group, contract, exchange, sized, now):
    answer = bids.offer(
        announcement=announcement, aggregation_ean=group, sized=sized(bid_w=0, reason="Too little."), exchange=exchange,
        now=now,
    )  # fmt: skip
    assert (answer.contract_id, open_duties(gate=GATE, now=now)) == ("BP-7", [])


@pytest.mark.parametrize(("day", "covers"), [(date(2026, 1, 13), False), (date(2026, 1, 14), True), (None, True)])
def test_a_contract_covers_the_local_days_of_delivery(announcement, group, now, day, covers):
    BidDutyContract.objects.create(
        contract_id="X", aggregation_ean=group, active_from=date(2026, 1, 1), active_until=day
    )
    assert bool(open_duties(gate=GATE, now=now)) is covers
    assert bool(duties.contract_id_for(aggregation_ean=group, instant=announcement.starts_at)) is covers


def test_two_contracts_cannot_hold_for_one_ean_on_one_day(group, contract):
    with pytest.raises(IntegrityError, match="one_bid_duty_per_ean_at_a_time"), transaction.atomic():
        BidDutyContract.objects.create(contract_id="Y", aggregation_ean=group, active_from=date(2026, 5, 1))


def test_sizing_that_fails_stops_nobody_else_and_leaves_its_error_as_the_reason(
    announcement, area, group, contract, exchange, sized, monkeypatch, now
):
    other = AggregationEan.objects.create(
        ean=Ean18.from_body("87168510000000002"), name="Other", congestion_area=area, brp="8719999000018"
    )

    def size(*, announcement, aggregation_ean, now):
        if aggregation_ean == group:
            raise ZeroDivisionError("no history")
        return sized()

    clock = type("Clock", (), {"now": lambda _: now})()
    monkeypatch.setattr(tasks, "clock", lambda: clock)
    monkeypatch.setattr(tasks, "exchange", lambda: exchange)
    monkeypatch.setattr(tasks, "size", size)
    tasks.offer_bids()

    assert Bid.objects.get().aggregation_ean == other
    assert Job.objects.get(status="failed").error == "ZeroDivisionError: no history"
    gate = announcement.starts_at - GATE
    assert duties.close_gates(gate=GATE, now=gate - timedelta(seconds=1)) == 0
    assert duties.close_gates(gate=GATE, now=gate) == 1
    assert duties.close_gates(gate=GATE, now=gate) == 0
    refusal = NoBid.objects.get()
    assert (refusal.reason, refusal.contract_id) == ("Sizing failed: ZeroDivisionError: no history", "BP-7")
    # and what nobody approved has lapsed, with its reason
    assert Bid.objects.get().status == Bid.Status.LAPSED


@pytest.mark.parametrize(
    ("autonomy", "reason"),
    [
        ("manual", "No operator made a bid before the gate closed."),
        ("automatic", "No answer was ready before the gate closed: nobody sized it in time."),
    ],
)
def test_the_gate_writes_down_what_nobody_did(announcement, group, contract, autonomy, reason, now):
    AggregationEan.objects.update(autonomy=autonomy)
    assert [group for _, group in announcements_to_answer(gate=GATE, now=now)] == (
        [] if autonomy == "manual" else [group]
    )
    duties.close_gates(gate=GATE, now=announcement.starts_at - GATE)
    assert NoBid.objects.get().reason == reason


def test_an_announcement_first_heard_of_after_its_gate_gets_its_reason(announcement, group, contract):
    duties.close_gates(gate=GATE, now=announcement.starts_at + timedelta(days=1))
    assert NoBid.objects.get().aggregation_ean == group


@pytest.mark.parametrize("named", [[], ["871685100000000033"]])
def test_a_contracted_group_that_gopacs_does_not_name_gets_that_as_its_reason(
    announcement, contract, group, now, named
):
    Announcement.objects.update(helping_eans=named)
    assert (announcements_to_answer(gate=GATE, now=now), open_duties(gate=GATE, now=now)) == ([], [])
    assert duties.close_gates(gate=GATE, now=announcement.starts_at - GATE) == 1
    assert duties.close_gates(gate=GATE, now=announcement.starts_at - GATE) == 0
    refusal = NoBid.objects.get()
    assert (refusal.contract_id, refusal.reason) == (
        "BP-7",
        f"GOPACS does not name EAN {group.ean} among those that help during all of the announcement.",
    )


def test_a_group_elsewhere_or_without_a_contract_owes_no_reason_when_it_is_not_named(announcement, group, contract):
    Announcement.objects.update(helping_eans=[], postcodes=["9711"])
    assert duties.close_gates(gate=GATE, now=announcement.starts_at - GATE) == 0
    contract.delete()
    Announcement.objects.update(postcodes=["3511"])
    assert duties.close_gates(gate=GATE, now=announcement.starts_at - GATE) == 0


def test_gopacs_is_asked_again_until_it_names_an_ean(announcement, group, now):
    for known, is_asked in ((None, True), ([], True), ([group.ean], False)):
        Announcement.objects.update(helping_eans=known)
        assert bool(announcements_without_eans(gate=GATE, now=now)) is is_asked


def test_an_announcement_asks_every_group_that_shares_a_postcode_or_that_gopacs_names(announcement, area, group):
    elsewhere = AggregationEan.objects.create(
        ean=Ean18.from_body("87168510000000003"), name="Elsewhere", brp="8719999000018",
        congestion_area=CongestionArea.objects.create(
            code="n", name="N", grid_operator="8716892000005", postcodes=["9711AB"]
        ),
    )  # fmt: skip

    def asked(postcodes=("3511",), helping_eans=None):
        announcement.postcodes, announcement.helping_eans = list(postcodes), helping_eans
        return groups_asked([announcement])[announcement]

    assert asked() == [group]
    assert asked(postcodes=["3512", "9711"]) == [group, elsewhere]
    assert asked(postcodes=[]) == []
    assert asked(helping_eans=[elsewhere.ean]) == [elsewhere]
    assert asked(helping_eans=[]) == []
