"""A called contract is settled like a bid, at the contract's price; then fee, penalty, and the operator's view."""

import uuid
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from aggregator.core.interval import Interval
from assets.models import Asset
from bidding.markets.uftp.codec import parse, serialise
from bidding.markets.uftp.vocabulary import SettlementDisposition
from bidding.models import Activation, Contract, UftpMessage, UftpParticipant
from bidding.uftp.demands import Demand
from bidding.uftp.own_keys import make_own_key
from bidding.uftp.settlements import dispute_of_order, read_settlement
from settlement.delivery.baselines import BaselineMethod, NominationMissing
from settlement.delivery.operations import settle
from settlement.models import OperatorSettlement, Statement
from settlement.queries import month_interval
from settlement.reconciliation.operations import reconcile_due
from settlement.statements.document import statement_document
from settlement.statements.operations import issue_statement
from tests import called_contracts
from tests.conformance.uftp.samples import SAMPLES
from tests.integration.settlement.conftest import WINDOW_START, ptu_values
from tests.waiting import in_turn

PTU = timedelta(minutes=15)


@pytest.fixture
def called(world):
    """40 kW less for half an hour, called under a contract at 95 EUR/MWh; one car waited."""
    return take(world, (0, 1))


def take(world, ptus):
    """Take a call for 40 kW less in some PTUs of the window; a car that would take 40 kW waited in those."""
    car = world.asset("c1", max_import_w=40_000)
    world.session(car, energy_wh=40_000, power_w=40_000)
    world.meter(car, *(0 if n in ptus else 10_000 for n in range(max(ptus) + 1)))
    contract = called_contracts.make_contract(world.ean, volume_w=100_000)
    called_contracts.call(contract, [Demand(WINDOW_START + n * PTU, -40_000) for n in ptus], now=WINDOW_START)
    Activation.objects.update(status=Activation.Status.FINISHED)
    return Activation.objects.get()


def test_a_call_is_paid_at_the_price_of_its_contract(called):
    delivery = settle(activation_id=called.pk, now=called.ends_at + timedelta(hours=13))
    assert (delivery.ordered_wh, delivery.delivered_wh) == (20_000, 20_000)
    assert set(ptu_values(delivery, "price_eur_per_mwh")) == {(Decimal("95.00"),)}


JANUARY = month_interval(2026, 1)
NOW = datetime(2026, 2, 1, 9, tzinfo=UTC)


def money(statement):
    charges = [(charge.kind, str(charge.amount_eur)) for charge in statement.charges.order_by("kind")]
    own = statement.lines.get(partner=None)
    return charges, str(own.amount_eur), str(statement.total_eur)


@pytest.mark.parametrize("taken_wh", [10_000, 11_250])
def test_a_shortfall_costs_the_penalty_in_the_aggregators_line(called, world, taken_wh):
    # given a second quarter hour in which the car took its 10 kWh after all, or more: half of 20 kWh is delivered
    Contract.objects.update(penalty_eur_per_mwh=Decimal("200.00"))
    world.meter(Asset.objects.get(), 0, taken_wh, revision=1)
    settle(activation_id=called.pk, now=NOW)
    # then 10 kWh at 95 is 0.95 of which 0.28 or 0.29 is ours, and 10 kWh missing at 200 is 2.00
    statement = issue_statement(interval=JANUARY, now=NOW)
    charges, own, total = money(statement)
    assert (charges, total) == ([("penalty", "-2.00")], "-1.05")
    assert Decimal(own) + sum(line.amount_eur for line in statement.lines.exclude(partner=None)) == Decimal("-1.05")


@pytest.mark.parametrize(
    ("active_until", "fee"),
    [(None, "310.00"), (date(2026, 1, 10), "100.00"), (date(2025, 12, 31), None), (date(2025, 11, 30), None)],
)
def test_availability_is_paid_by_the_day_of_whole_months(called, active_until, fee):
    Contract.objects.update(
        availability_fee_eur_per_month=Decimal("310.00"), active_from=date(2025, 1, 1), active_until=active_until
    )
    settle(activation_id=called.pk, now=NOW)
    charges, _, total = money(issue_statement(interval=JANUARY, now=NOW))
    assert charges == ([("availability", fee)] if fee else [])
    assert Decimal(total) == Decimal("1.90") + Decimal(fee or 0)
    # and nothing for a period that is no month
    evening = Interval(called.starts_at, called.ends_at)
    assert money(issue_statement(interval=evening, now=NOW)) == ([], "0.57", "1.90")


def test_of_a_period_that_begins_within_a_month_only_the_whole_months_are_paid(called):
    Contract.objects.update(availability_fee_eur_per_month=Decimal("310.00"))
    period = Interval(called.starts_at, month_interval(2026, 2).ends_at)
    assert money(issue_statement(interval=period, now=NOW))[0] == [("availability", "310.00")]


def test_a_changed_fee_makes_a_new_version_and_no_change_makes_none(called):
    settle(activation_id=called.pk, now=NOW)
    assert issue_statement(interval=JANUARY, now=NOW).version == 1
    Contract.objects.update(availability_fee_eur_per_month=Decimal(31))
    assert [issue_statement(interval=JANUARY, now=NOW).version for _ in range(2)] == [2, 2]
    assert statement_document(Statement.objects.latest("version"))["charges"][0]["amount_eur"] == "31.00"


@pytest.fixture
def claim(settings, called):
    """Let the operator settle the order as we did, or otherwise."""
    return claim_with(settings)


def claim_with(settings):
    settings.UFTP_DOMAIN, settings.UFTP_BROKER_URL = "agr.example.com", "https://broker.example/message"
    make_own_key(now=WINDOW_START, signs_from=WINDOW_START)
    participant = UftpParticipant.objects.get()
    sample = next(message for message in SAMPLES if message.element == "FlexSettlement")
    isp = replace(sample.order_settlements[0].isps[0], start=73, duration=1, ordered_flex_power_w=-40_000)

    def send(*, now=NOW, delivered_w=(-40_000, -40_000), numbers=(73, 74), currency="EUR", **changes):
        isps = tuple(
            replace(isp, start=number, delivered_flex_power_w=power_w)
            for number, power_w in zip(numbers, delivered_w, strict=True)
        )
        values = {"order_reference": "o", "period": date(2026, 1, 14), "isps": isps, "net_settlement": Decimal("1.90")}
        order = replace(sample.order_settlements[0], **(values | changes))
        message = replace(sample, order_settlements=(order,), currency=currency, message_id=str(uuid.uuid4()))
        UftpMessage.objects.create(
            participant=participant, way="received", element="FlexSettlement", message_id=message.message_id,
            conversation_id="1", document=serialise(message), at=now, result="accepted",
        )  # fmt: skip

    return send


def answers():
    found = UftpMessage.objects.filter(element="FlexSettlementResponse").order_by("pk")
    return [parse(bytes(message.document)).statuses[0] for message in found]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, ""),
        ({"delivered_w": (-39_100, -40_900)}, ""),
        ({"delivered_w": (-90_000, -40_000)}, ""),  # more than ordered is not paid
        ({"delivered_w": (-40_000, 40_000)}, "DeliveredFlexPower differs from our meter values"),
        ({"price": Decimal(0), "net_settlement": Decimal(0)}, ""),
        ({"delivered_w": (-40_000, -30_000)}, "DeliveredFlexPower differs from our meter values"),
        ({"net_settlement": Decimal("1.50")}, "NetSettlement differs from what the contract makes of the delivery"),
        ({"currency": "NOK"}, "Currency is not EUR, in which the contract is paid; settle it in EUR"),
        ({"currency": "NOK", "price": Decimal(0), "net_settlement": Decimal(0)}, ""),
        ({"numbers": (74, 73)}, ""),
        ({"numbers": (69, 70)}, "OrderedFlexPower differs from what was ordered"),
        ({"order_reference": "other"}, "No such order was accepted"),
        ({"period": date(2026, 1, 15)}, "The order is for another day"),
        ({"isps": ()}, "OrderedFlexPower differs from what was ordered"),
    ],
)
def test_an_operators_settlement_is_compared_with_ours(called, claim, changes, reason):
    settle(activation_id=called.pk, now=NOW)
    if changes.get("isps") == ():
        sample = next(message for message in SAMPLES if message.element == "FlexSettlement")
        changes = {"isps": (replace(sample.order_settlements[0].isps[0], ordered_flex_power_w=1),)}
    claim(**changes)
    assert reconcile_due(now=NOW) == 1
    assert reconcile_due(now=NOW) == 0

    (status,) = answers()
    assert (status.dispute_reason or "") == reason
    assert status.disposition is (SettlementDisposition.DISPUTED if reason else SettlementDisposition.ACCEPTED)
    assert OperatorSettlement.objects.get().dispute_reason == reason


@pytest.mark.parametrize(
    ("isps", "reason"),
    [
        ([(73, 2, -40_000)], ""),
        ([(73, 1, -40_000), (74, 1, -40_000), (75, 2, 0)], ""),
        ([(72, 1, 0), (73, 2, -40_000)], ""),
        ([(1, 2, -40_000)], "OrderedFlexPower differs from what was ordered"),
        ([(73, 1, -40_000), (75, 1, -40_000)], "OrderedFlexPower differs from what was ordered"),
    ],
)
def test_what_was_ordered_is_compared_quarter_hour_by_quarter_hour(called, claim, isps, reason):
    sample = next(message for message in SAMPLES if message.element == "FlexSettlement").order_settlements[0].isps[0]
    settled = tuple(
        replace(sample, start=start, duration=duration, ordered_flex_power_w=power_w)
        for start, duration, power_w in isps
    )
    claim(isps=settled)
    (order,) = read_settlement(UftpMessage.objects.get(element="FlexSettlement")).order_settlements
    assert dispute_of_order(order, participant=UftpParticipant.objects.get()) == reason


def test_a_reference_that_comes_back_another_day_or_is_very_long_names_its_own_call(called, claim):
    first = called.contract_call
    for day in (13, 15):
        starts_at = WINDOW_START + timedelta(days=day - 14)
        called_contracts.call(
            first.contract, [Demand(starts_at + n * PTU, -40_000) for n in range(2)], now=WINDOW_START,
            day=date(2026, 1, day), reference="o" if day == 15 else "x" * 300,
        )  # fmt: skip
    for day, reference in ((14, "o"), (15, "o"), (13, "x" * 300)):
        claim(order_reference=reference, period=date(2026, 1, day))
    for message in UftpMessage.objects.filter(element="FlexSettlement"):
        (order,) = read_settlement(message).order_settlements
        assert dispute_of_order(order, participant=message.participant) == ""


def test_a_settlement_that_fails_keeps_no_other_from_its_answer(called, claim, caplog):
    settle(activation_id=called.pk, now=NOW)
    for _ in range(2):
        claim()
    bad = UftpMessage.objects.filter(element="FlexSettlement").earliest("pk")
    UftpMessage.objects.filter(pk=bad.pk).update(document=b"<Garbled")

    assert reconcile_due(now=NOW) == 1

    assert [answer.disposition for answer in answers()] == [SettlementDisposition.ACCEPTED]
    assert f"FlexSettlement {bad.message_id} of dso.example.com was not answered" in caplog.text
    assert "Traceback" in caplog.text


@pytest.mark.parametrize("theirs_w", [0, 5_000, -900])
def test_who_took_more_than_without_the_call_delivered_nothing_as_the_operator_may_say_too(
    called, claim, world, theirs_w
):
    world.meter(Asset.objects.get(), 0, 11_250, revision=1)
    assert list(settle(activation_id=called.pk, now=NOW).ptus.values_list("delivered_w", flat=True)) == [40_000, -5_000]
    claim(delivered_w=(-40_000, theirs_w), net_settlement=Decimal("0.95"))

    assert reconcile_due(now=NOW) == 1

    assert answers()[0].dispute_reason is None


@pytest.mark.parametrize(
    ("delivered_w", "reason"),
    [((-40_000, -40_000), None), ((-40_000, 0), "DeliveredFlexPower differs from our meter values")],
)
def test_quarter_hours_between_two_parts_of_a_call_are_compared_with_nothing(world, settings, delivered_w, reason):
    activation = take(world, (0, 2))
    settle(activation_id=activation.pk, now=NOW)
    claim_with(settings)(numbers=(73, 75), delivered_w=delivered_w)

    assert reconcile_due(now=NOW) == 1

    assert answers()[0].dispute_reason == reason


@pytest.mark.django_db(transaction=True)
def test_a_second_worker_leaves_a_settlement_to_the_one_that_answers_it(called, claim, caplog):
    settle(activation_id=called.pk, now=NOW)
    claim()

    assert in_turn(lambda: reconcile_due(now=NOW), lambda: reconcile_due(now=NOW)) == 0

    assert len(answers()) == 1
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_an_answer_waits_for_our_own_settlement_but_not_for_ever(called, claim):
    claim()
    assert reconcile_due(now=NOW) == 0
    assert reconcile_due(now=NOW + timedelta(days=3)) == 1
    assert answers()[0].dispute_reason == "Our own settlement is not complete; send it again later"


def test_a_call_has_no_nominated_baseline(called):
    with pytest.raises(NominationMissing):
        settle(activation_id=called.pk, now=called.ends_at + timedelta(hours=13), method=BaselineMethod.NOMINATED)
