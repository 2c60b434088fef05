"""Two contracts with one operator at one congestion point."""

from datetime import timedelta
from decimal import Decimal
from threading import Event, Thread

import pytest
from django.db import connection, transaction

from assets.models import AggregationEan, Membership
from bidding.markets.uftp import messages as m
from bidding.markets.uftp import settlement_messages as s
from bidding.models import Contract, ContractCall, UftpMessage
from bidding.uftp.reports import send_reports
from tests.conformance.uftp.samples import DAY, NOW
from tests.integration.uftp.operator_side import limit_request, order_for
from tests.integration.uftp.test_reports import THE_DAY_AFTER, THE_DAY_BEFORE, cars, meter
from tests.waiting import is_waited_for

__all__ = ["cars"]  # a fixture

pytestmark = pytest.mark.django_db


def beside(contract, **changes):
    """Enter another contract like `contract`."""
    return Contract.objects.create(
        **{
            "contract_id": f"{contract.contract_id}-2", "kind": contract.kind, "dso": contract.dso,
            "aggregation_ean": contract.aggregation_ean, "congestion_point": contract.congestion_point,
            "volume_w": contract.volume_w, "power_meaning": contract.power_meaning, "price_eur_per_mwh": Decimal(80),
            "active_from": contract.active_from, **changes,
        }
    )  # fmt: skip


@pytest.mark.parametrize("change", ["ended the day before", "begins the day after", "holds without calls"])
def test_a_call_that_names_no_contract_is_under_the_one_that_can_be_called_then(
    say, tick, contract, other_side, change
):
    if change == "ended the day before":
        beside(contract, active_until=DAY - timedelta(days=1))
    elif change == "begins the day after":
        beside(contract, active_from=DAY + timedelta(days=1))
    else:
        beside(contract, kind=Contract.Kind.CLC_T, limit_w=100_000)
    say(limit_request(contract_id=None))
    tick()
    assert [type(message) for message in other_side.messages()] == [m.FlexRequestResponse, m.FlexOffer]
    say(order_for(other_side.messages()[-1]))
    tick()
    assert ContractCall.objects.get().contract == contract


def test_a_call_that_may_be_under_either_is_rejected(say, tick, contract, other_side):
    beside(contract)
    say(limit_request(contract_id=None))
    tick()
    (answer,) = other_side.messages()
    assert answer.rejection_reason == "Unknown reference ContractID"


@pytest.fixture
def two_groups(contract, cars):
    """Each has one of the two cars, and its contract at the same place."""
    other = AggregationEan.objects.get(pk=contract.aggregation_ean_id)
    other.ean, other.name = "871685900000000017", "Centrum bij winkels"
    other.save(force_insert=True)
    Membership.objects.filter(asset=cars[1]).update(aggregation_ean=other)
    return contract, beside(contract, aggregation_ean=other)


def test_the_prognosis_of_a_place_is_that_of_all_its_groups(two_groups, tick, other_side, set_clock):
    Contract.objects.update(sends_prognosis=True)
    due = THE_DAY_BEFORE + timedelta(hours=4)
    assert [send_reports(now=due) for _ in range(2)] == [1, 0]
    set_clock(due)
    tick()
    (prognosis,) = other_side.messages()
    assert max(isp.power_w for isp in prognosis.isps) == 22_000


def test_a_place_is_metered_once_with_all_its_groups(two_groups, cars, tick, other_side, set_clock):
    Contract.objects.update(sends_metering=True)
    for one in two_groups:
        ContractCall.objects.create(
            contract=one, order_reference="o", day=DAY, direction="reduce", starts_at=NOW,
            ends_at=NOW + timedelta(hours=1), called_at=NOW,
        )  # fmt: skip
    set_clock(THE_DAY_AFTER)
    meter(cars[:1], 250)
    assert send_reports(now=THE_DAY_AFTER) == 0, "the other group's values are missing"
    meter(cars[1:], 500)
    assert [send_reports(now=THE_DAY_AFTER) for _ in range(3)] == [1, 0, 0]
    tick()
    (metering,) = [message for message in other_side.messages() if isinstance(message, s.Metering)]
    assert {isp.value for isp in metering.profiles[0].isps} == {Decimal("0.750")}


@pytest.mark.django_db(transaction=True)
def test_a_second_worker_waits_while_the_place_is_reported_on_for_the_other_contract(two_groups):
    Contract.objects.update(sends_prognosis=True)
    is_under_way, sent_meanwhile = Event(), []
    prognoses = UftpMessage.objects.filter(element=m.DPrognosis.element)

    def report_on_the_other():
        with transaction.atomic():
            Contract.objects.select_for_update().get(pk=two_groups[1].pk)
            is_under_way.set()
            is_waited_for(unless=prognoses.exists)
            sent_meanwhile.append(prognoses.count())
        connection.close()

    other = Thread(target=report_on_the_other)
    other.start()
    is_under_way.wait()
    sent = send_reports(now=THE_DAY_BEFORE + timedelta(hours=4))
    other.join()

    assert (sent_meanwhile, sent) == ([0], 1)
