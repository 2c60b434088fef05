"""Entering contracts."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction

from aggregator.core import audit
from bidding.markets.uftp.vocabulary import Role
from bidding.models import Contract, UftpParticipant


class CounterpartyUnknown(LookupError):
    """A contract with an operator nobody entered."""


@transaction.atomic
def enter_contract(*, dso: str, values: Mapping[str, Any], now: datetime) -> tuple[Contract, bool]:
    """Store a contract with the operator of domain `dso`, or change the one of the same id; tell whether it is new.

    Raises `CounterpartyUnknown`, or `ValidationError` with what is wrong with the values.
    """
    operator = UftpParticipant.objects.filter(domain=dso, role=Role.DSO).first()
    if operator is None:
        raise CounterpartyUnknown(
            f"No operator {dso} is known. Enter it first: manage.py uftp_participant --domain {dso} --role DSO …"
        )
    contract = Contract.objects.filter(dso=operator, contract_id=values["contract_id"]).first() or Contract(
        dso=operator
    )
    is_new = contract.pk is None
    for name, value in values.items():
        setattr(contract, name, value)
    contract.full_clean()
    contract.save()
    audit.record(now=now, action=f"bidding.contract.{'entered' if is_new else 'changed'}", subject=contract)
    return contract, is_new
