"""A grid operator's contract and its calls, as tests of dispatch, ledger and settlement need them."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.db import transaction

from assets.models import AggregationEan
from bidding.markets.uftp.messages import FlexOrder
from bidding.models import Activation, Contract, UftpMessage, UftpParticipant
from bidding.uftp.calls import take_call
from bidding.uftp.demands import Demand

DAY = date(2026, 1, 14)


def make_contract(group: AggregationEan, **fields: Any) -> Contract:
    """Return a contract to move power when called, at 95 EUR/MWh."""
    standard = {
        "contract_id": "CSC-1",
        "kind": Contract.Kind.CSC_A,
        "congestion_point": group.ean,
        "power_meaning": "delta",
        "price_eur_per_mwh": Decimal("95.00"),
        "active_from": date(2026, 1, 1),
    }
    dso = UftpParticipant.objects.create(domain="dso.example.com", role="DSO", source="by_hand")
    return Contract.objects.create(dso=dso, aggregation_ean=group, **{**standard, **fields})


@transaction.atomic
def call(
    contract: Contract, demands: Sequence[Demand], *, now: datetime, day: date = DAY, reference: str = "o"
) -> Activation:
    """Take on a call of a contract; return its activation."""
    message = UftpMessage.objects.create(
        participant=contract.dso, way="received", element=FlexOrder.element, message_id=f"{day} {reference[:9]}",
        conversation_id="1", document=b"", at=now,
    )  # fmt: skip
    called = take_call(
        contract=contract, order_reference=reference, day=day, message=message, offer=None, demands=demands, now=now
    )
    return Activation.objects.get(contract_call=called)
