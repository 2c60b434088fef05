"""Two contracts with one operator at one congestion point."""

from datetime import timedelta
from decimal import Decimal

import pytest

from bidding.markets.uftp import messages as m
from bidding.models import Contract, ContractCall
from tests.conformance.uftp.samples import DAY
from tests.integration.uftp.operator_side import limit_request, order_for

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
