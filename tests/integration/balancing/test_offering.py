"""Balancing energy offered to TenneT by itself: once, in time, within mandates, and never what is sold already."""

import threading
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection, transaction

from aggregator.core.models import OutboxMessage
from aggregator.core.ptu import PTU
from assets.models import SteeringLimit
from bidding import services
from bidding.models import Activation, Announcement, BalancingBid, Bid, Commitment, LedgerEntry
from bidding.operations import bids
from bidding.operations.approvals import GateClosed, NotInState
from bidding.operations.balancing_bids import BEFORE_GATE, offer_balancing
from bidding.operations.balancing_notes import notes
from bidding.operations.bids import SizedWindow
from bidding.operations.ledger import commit, locked_group
from tests.integration.balancing.conftest import GATE, MW, PTU_18, SIZED_AT, parts_w
from tests.waiting import in_turn

pytestmark = pytest.mark.django_db(transaction=True)

Status = BalancingBid.Status
LAST_CALL = GATE - timedelta(minutes=2)


def stay_out(direction="reduce", ptu=PTU_18):
    return notes([(ptu, direction)])[ptu, direction].stay_out


def test_groups_are_offered_together_taken_and_stand_in_the_merit_order(field, portfolio):
    north, south = portfolio.group(), portfolio.group(price="95.50")
    portfolio.sized(north, up_w=2_400_000, down_w=700_000)
    portfolio.sized(south, up_w=1_200_000, down_w=500_000)
    field.tick()
    bids = field.bids()
    assert {way: (bid.power_w, bid.status) for way, bid in bids.items()} == {"reduce": (3 * MW, Status.STANDS)}
    assert parts_w(bids["reduce"]) == {"Group 1": 2 * MW, "Group 2": 1 * MW}
    assert bids["reduce"].price_eur_per_mwh == Decimal("95.50")  # what the dearest asks
    assert field.merit_order() == {"up": [(3, 95.5)], "down": []}
    entries = dict(LedgerEntry.objects.values_list("aggregation_ean__name", "sellable_w"))
    assert entries == {"Group 1": 2_400_000, "Group 2": 1_200_000}
    message = OutboxMessage.objects.get()
    assert (message.deadline_at, message.void_from) == (GATE, GATE)
    assert "bsp-key" not in str(message.headers)


def test_a_group_goes_one_way_and_both_ways_go_in_one_document(field, portfolio):
    up, down = portfolio.group(), portfolio.group(price="-20.00")
    portfolio.sized(up, up_w=1_500_000, down_w=4 * MW)
    portfolio.sized(down, up_w=0, down_w=2_900_000)
    field.tick()
    bids = field.bids()
    assert {way: parts_w(bid) for way, bid in bids.items()} == {
        "reduce": {"Group 1": 1 * MW}, "increase": {"Group 2": 2 * MW},
    }  # fmt: skip
    assert OutboxMessage.objects.count() == 1
    # Group 2 wants to pay no more than 20 EUR for what it takes
    assert field.merit_order() == {"up": [(1, 90.0)], "down": [(2, 20.0)]}


def test_it_is_offered_once_however_often_and_by_however_many_it_is_tried(field, portfolio):
    portfolio.sized(portfolio.group(), up_w=2 * MW)
    portfolio.sized(portfolio.group(), up_w=2 * MW)
    start, failed = threading.Barrier(3), []

    def work():
        try:
            start.wait()
            offer_balancing(ptu_start=PTU_18, tennet=services.tennet(), now=SIZED_AT)
        except Exception as error:  # noqa: BLE001 - whatever it is, the test must see it
            failed.append(error)
        finally:
            connection.close()

    workers = [threading.Thread(target=work) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    field.tick()
    assert failed == []
    assert (BalancingBid.objects.count(), OutboxMessage.objects.count(), Commitment.objects.count()) == (1, 1, 2)
    assert field.merit_order()["up"] == [(4, 90.0)]


def test_a_bid_waits_for_groups_that_are_not_sized_yet_until_the_last_call(field, portfolio):
    portfolio.sized(portfolio.group(), up_w=2 * MW)
    portfolio.group()
    field.at(LAST_CALL - timedelta(seconds=1))
    field.tick()
    assert field.bids() == {}
    field.at(LAST_CALL)
    field.tick()
    assert parts_w(field.bids()["reduce"]) == {"Group 1": 2 * MW}
    assert stay_out() == {"Group 2": "not sized in time"}


def test_nothing_is_offered_when_the_gate_is_near(field, portfolio):
    portfolio.sized(portfolio.group(), up_w=2 * MW)
    field.at(GATE - BEFORE_GATE)
    field.tick()
    assert not OutboxMessage.objects.exists()
    with pytest.raises(GateClosed, match="are final from"):
        offer_balancing(ptu_start=PTU_18, tennet=services.tennet(), now=GATE - BEFORE_GATE)


def test_less_than_a_megawatt_is_not_bid_and_looked_at_once(field, portfolio, monkeypatch):
    portfolio.sized(portfolio.group(), up_w=700_000)
    field.tick()
    note = notes([(PTU_18, "reduce")])[PTU_18, "reduce"]
    assert (note.offered_w, note.prequalified_mw, note.stay_out) == (700_000, 20, {})
    monkeypatch.setattr("bidding.operations.balancing_bids.offer_balancing", lambda **_: 1 / 0)
    field.tick()
    assert not BalancingBid.objects.exists()


def test_no_more_is_bid_than_is_prequalified(field, portfolio, settings):
    settings.AFRR_MOST_UP_MW = 3
    for _ in range(2):
        portfolio.sized(portfolio.group(), up_w=2 * MW)
    field.tick()
    assert parts_w(field.bids()["reduce"]) == {"Group 1": 1_500_000, "Group 2": 1_500_000}


def test_only_groups_that_may_go_out_by_themselves_have_a_part(field, portfolio):
    for fields in (
        {"mandate_w": 1_250_000}, {"autonomy": "approve"}, {"mandate_w": 0}, {"price": "15000.01"},
        {"offers_balancing": False},
    ):  # fmt: skip
        portfolio.sized(portfolio.group(**fields), up_w=2 * MW)
    field.tick()
    assert parts_w(field.bids()["reduce"]) == {"Group 1": 1 * MW}
    assert stay_out() == {
        "Group 2": "A person decides about each bid of this group.",
        "Group 3": "The group has no mandate, so a person decides.",
        "Group 4": "it asks € 15000.01 per MWh, and € 15000 is the most that a bid can ask",
    }


def test_a_price_below_the_limits_is_raised_to_them(field, portfolio):
    portfolio.sized(portfolio.group(price="-16000.00"), up_w=2 * MW)
    field.tick()
    assert field.bids()["reduce"].price_eur_per_mwh == Decimal(-15_000)


def test_the_worth_of_a_day_counts_balancing_bids(field, portfolio):
    group = portfolio.group(mandate_eur=50)  # 2 MW for a quarter hour at 90 EUR/MWh are 45
    for ptu in (PTU_18, PTU_18 + PTU):
        portfolio.sized(group, up_w=2 * MW, ptu=ptu)
        field.at(SIZED_AT + (ptu - PTU_18))
        field.tick()
    assert [bid.ptu_start for bid in BalancingBid.objects.all()] == [PTU_18]
    [why] = stay_out(ptu=PTU_18 + PTU).values()
    assert why.startswith("The day's bids are worth € 90.00, above the mandate's € 50.00")


def test_a_stop_since_it_was_sized_counts(field, portfolio):
    group = portfolio.group()
    portfolio.sized(group, up_w=2 * MW)
    SteeringLimit.objects.create(aggregation_ean=group, max_moved_w=0, reason="smoke")
    field.tick()
    assert (field.bids(), stay_out()) == ({}, {"Group 1": "nothing is left of it"})


@pytest.mark.parametrize(
    ("acts", "ptu", "parts"),
    [
        ({"stop_reason": "smoke"}, PTU_18, {"Group 2": 2 * MW}),
        ({"stop_reason": "smoke"}, PTU_18 + PTU, {"Group 2": 2 * MW}),
        ({"hold_reason": "wait"}, PTU_18, {"Group 2": 2 * MW}),
        ({"hold_reason": "wait"}, PTU_18 + PTU, {"Group 1": 2 * MW, "Group 2": 2 * MW}),
        ({"cap_w": MW}, PTU_18, {"Group 1": 1 * MW, "Group 2": 2 * MW}),
        ({"cap_w": MW}, PTU_18 + PTU, {"Group 1": 2 * MW, "Group 2": 2 * MW}),
        ({"stop_reason": "smoke", "direction": "increase"}, PTU_18, {"Group 1": 2 * MW, "Group 2": 2 * MW}),
    ],
)
def test_no_more_is_offered_than_an_operator_lets_the_activation_deliver_that_it_would_join(
    field, portfolio, acts, ptu, parts
):
    groups = [portfolio.group(), portfolio.group()]
    Activation.objects.create(
        reference="afrr-before", is_balancing=True, aggregation_ean=groups[0], starts_at=PTU_18 - 4 * PTU,
        ends_at=PTU_18, ordered_at=SIZED_AT, updated_at=SIZED_AT, **{"direction": "reduce", **acts},
    )  # fmt: skip
    for group in groups:
        portfolio.sized(group, up_w=2 * MW, ptu=ptu)
    field.at(SIZED_AT + (ptu - PTU_18))
    field.tick()
    assert parts_w(field.bids()["reduce"]) == parts


@pytest.mark.parametrize("is_of_cars", [False, True])
def test_the_same_power_is_offered_in_each_quarter_hour(field, portfolio, is_of_cars):
    group = portfolio.group(is_of_cars=is_of_cars)
    for number in range(5):
        field.at(SIZED_AT + number * PTU)
        portfolio.sized(group, up_w=4 * MW, ptu=PTU_18 + number * PTU)
        field.tick()
    assert list(BalancingBid.objects.values_list("power_w", flat=True)) == [4 * MW] * 5


@pytest.mark.parametrize(("is_of_cars", "offered_mw"), [(False, [4, 4, 4, 4, 4]), (True, [4, 4, 4, 0, 0])])
def test_where_it_is_sized_before_its_block_an_offer_is_lowered_for_earlier_bids(
    field, portfolio, settings, is_of_cars, offered_mw
):
    settings.AFRR_GATE = timedelta(minutes=30)  # as the block begins, so there is no time to size in it
    group = portfolio.group(is_of_cars=is_of_cars)
    for number in range(5):
        ptu = PTU_18 + number * PTU
        at = ptu - timedelta(minutes=43)
        field.at(at)
        portfolio.sized(group, up_w=4 * MW, ptu=ptu, at=at)
        field.tick()
    made = dict(BalancingBid.objects.values_list("ptu_start", "power_w"))
    assert [made.get(PTU_18 + number * PTU, 0) // MW for number in range(5)] == offered_mw


def test_an_earlier_and_larger_bid_of_cars_costs_its_excess(field, portfolio):
    group = portfolio.group(is_of_cars=True)
    for number, up_w in enumerate((5 * MW, 4 * MW)):
        field.at(SIZED_AT + number * PTU)
        portfolio.sized(group, up_w=up_w, ptu=PTU_18 + number * PTU)
        field.tick()
    assert [bid.power_w for bid in BalancingBid.objects.order_by("ptu_start")] == [5 * MW, 3 * MW]


@transaction.atomic
def redispatch(group, *, starts_at, ptus, power_w, now):
    """Sell power to the exchange."""
    announcement = Announcement.objects.create(
        external_id=f"A{now}", revision=1, known_at=now, congestion_area=group.congestion_area, postcodes=["3511"],
        direction="reduce", starts_at=starts_at, ends_at=starts_at + ptus * PTU, required_power_w=[power_w] * ptus,
        document={},
    )  # fmt: skip
    bid = Bid.objects.create(
        announcement=announcement, aggregation_ean=group, direction="reduce", starts_at=starts_at,
        ends_at=announcement.ends_at, power_w=power_w, min_power_w=power_w, step_w=power_w, price_eur_per_mwh=1,
        reliability=group.reliability, explanation={}, created_at=now, updated_at=now,
    )  # fmt: skip
    window = [starts_at + number * PTU for number in range(ptus)]
    commit(to=bid, aggregation_ean=group, ptus=window, power_w=power_w, sellable_w=power_w, now=now)


def test_what_redispatch_holds_in_the_block_is_not_offered(field, portfolio):
    group = portfolio.group()
    redispatch(group, starts_at=PTU_18 - 2 * PTU, ptus=1, power_w=1_500_000, now=SIZED_AT - timedelta(hours=1))
    portfolio.sized(group, up_w=4 * MW)
    field.tick()
    assert field.bids()["reduce"].power_w == 2 * MW


def test_energy_of_storage_that_was_sold_since_its_sizing_is_not_offered(field, portfolio):
    group = portfolio.group()
    portfolio.sized(group, up_w=4 * MW, at=SIZED_AT)
    redispatch(group, starts_at=PTU_18 + PTU, ptus=4, power_w=1 * MW, now=SIZED_AT)
    field.tick()
    assert (field.bids(), stay_out()) == ({}, {"Group 1": "something else was sold of it since it was sized"})


def test_nothing_is_offered_beside_what_is_sold_the_other_way(field, portfolio):
    group = portfolio.group()
    redispatch(group, starts_at=PTU_18 - PTU, ptus=1, power_w=1 * MW, now=SIZED_AT - timedelta(hours=1))
    portfolio.sized(group, down_w=4 * MW)
    field.tick()
    why = "sold the other way in the quarter hours in which it must be held"
    assert (field.bids(), stay_out("increase")) == ({}, {"Group 1": why})


def test_what_is_offered_is_not_sold_for_redispatch_any_more(field, portfolio, monkeypatch):
    group = portfolio.group()
    portfolio.sized(group, up_w=2 * MW)
    field.tick()
    announcement = Announcement.objects.create(
        external_id="A1", revision=1, known_at=SIZED_AT, congestion_area=group.congestion_area, postcodes=["3511"],
        direction="reduce", starts_at=PTU_18, ends_at=PTU_18 + 4 * PTU, required_power_w=[3 * MW] * 4, document={},
    )  # fmt: skip
    market = type("Market", (), {"gate": timedelta(minutes=15), "minimum_dwell": timedelta(0)})()
    monkeypatch.setattr(bids, "send_out", lambda **_: None)
    made = bids.offer(
        announcement=announcement, aggregation_ean=group, exchange=market, now=SIZED_AT,
        sized=SizedWindow(3 * MW, 3 * MW, [MW] * 4, {}, "3 MW"),
    )  # fmt: skip
    assert made.power_w == 1 * MW
    assert LedgerEntry.objects.get(ptu_start=PTU_18).committed_w == 3 * MW


def test_power_that_redispatch_is_taking_right_now_is_not_offered_beside_it(field, portfolio):
    group = portfolio.group()
    portfolio.sized(group, up_w=2 * MW)

    def sell():
        locked_group(group.pk)
        redispatch(group, starts_at=PTU_18, ptus=1, power_w=1 * MW, now=SIZED_AT)

    assert in_turn(sell, lambda: offer_balancing(ptu_start=PTU_18, tennet=services.tennet(), now=SIZED_AT)) == []
    assert LedgerEntry.objects.get().committed_w == 1 * MW


def test_a_later_quarter_hour_waits_for_an_earlier_one(field, portfolio, settings):
    settings.AFRR_GATE = timedelta(minutes=27)  # three minutes into the block, in which the next is sized
    group, slow = portfolio.group(is_of_cars=True), portfolio.group()
    later, block_starts_at = PTU_18 + PTU, PTU_18 - 2 * PTU
    portfolio.sized(group, up_w=4 * MW, at=block_starts_at - PTU)
    for one in (group, slow):
        portfolio.sized(one, up_w=2 * MW, ptu=later, at=block_starts_at)
    field.at(block_starts_at - timedelta(seconds=1))
    field.tick()
    assert field.bids() == {}
    field.at(block_starts_at + timedelta(minutes=1))
    field.tick()
    assert [bid.ptu_start for bid in BalancingBid.objects.order_by("pk")] == [PTU_18, later]
    with pytest.raises(NotInState, match="later quarter hour"):
        offer_balancing(ptu_start=PTU_18 - PTU, tennet=services.tennet(), now=SIZED_AT - PTU)


def test_without_tennets_settings_nothing_is_done(field, portfolio, settings):
    settings.TENNET_API_KEY = ""
    portfolio.sized(portfolio.group(), up_w=2 * MW)
    field.tick()
    assert not BalancingBid.objects.exists()
