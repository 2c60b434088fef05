"""A called contract is settled like a bid, at the contract's price."""

from datetime import date, timedelta
from decimal import Decimal

import pytest

from bidding.models import Activation, Contract, UftpMessage, UftpParticipant
from bidding.uftp.calls import take_call
from bidding.uftp.demands import Demand
from settlement.delivery.baselines import BaselineMethod, NominationMissing
from settlement.delivery.operations import settle
from tests.integration.settlement.conftest import WINDOW_START

PTU = timedelta(minutes=15)


@pytest.fixture
def called(world):
    """40 kW less for half an hour, called under a contract at 95 EUR/MWh; one car waited."""
    car = world.asset("c1")
    world.session(car, energy_wh=40_000, power_w=40_000)
    world.meter(car, 0, 0)
    dso = UftpParticipant.objects.create(domain="dso.example.com", role="DSO", source="by_hand")
    contract = Contract.objects.create(
        contract_id="CSC-1", kind=Contract.Kind.CSC_A, dso=dso, aggregation_ean=world.ean, volume_w=100_000,
        congestion_point=world.ean.ean, power_meaning="delta", price_eur_per_mwh=Decimal("95.00"),
        active_from=date(2026, 1, 1),
    )  # fmt: skip
    message = UftpMessage.objects.create(
        participant=dso, way="received", element="FlexOrder", message_id="1", conversation_id="1", document=b"",
        at=WINDOW_START,
    )  # fmt: skip
    take_call(
        contract=contract, order_reference="o", day=date(2026, 1, 14), message=message, offer=None, now=WINDOW_START,
        demands=[Demand(WINDOW_START + n * PTU, -40_000) for n in range(2)],
    )  # fmt: skip
    Activation.objects.update(status=Activation.Status.FINISHED)
    return Activation.objects.get()


def test_a_call_is_paid_at_the_price_of_its_contract(called):
    delivery = settle(activation_id=called.pk, now=called.ends_at + timedelta(hours=13))
    assert (delivery.ordered_wh, delivery.delivered_wh) == (20_000, 20_000)
    assert delivery.price_eur_per_mwh == Decimal("95.00")


def test_a_call_has_no_nominated_baseline(called):
    with pytest.raises(NominationMissing):
        settle(activation_id=called.pk, now=called.ends_at + timedelta(hours=13), method=BaselineMethod.NOMINATED)
