"""Entering contracts."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction

from aggregator.core import audit
from bidding.markets.uftp.vocabulary import Role
from bidding.models import Contract, UftpParticipant
from bidding.uftp.address_book import keys_of


class CounterpartyUnknown(LookupError):
    """A contract with an operator nobody entered."""


def find_operator(*, domain: str, now: datetime) -> UftpParticipant:
    """Return an operator that was entered or that the address book knows; raise `CounterpartyUnknown`."""
    keys_of(domain=domain, role=Role.DSO, now=now)  # looks it up when we do not know it yet
    operator = UftpParticipant.objects.filter(domain=domain, role=Role.DSO).first()
    if operator is None:
        raise CounterpartyUnknown(
            f"No operator {domain} is known. Enter it first: manage.py uftp_participant --domain {domain} --role DSO …"
        )
    return operator


@transaction.atomic
def enter_contract(*, operator: UftpParticipant, values: Mapping[str, Any], now: datetime) -> tuple[Contract, bool]:
    """Store a contract with an operator, or change the one of the same id; tell whether it is new.

    Raises `ValidationError` with what is wrong with the values.
    """
    known = Contract.objects.filter(dso=operator, contract_id=values["contract_id"]).first()
    contract = known or Contract(dso=operator)
    for name, value in values.items():
        setattr(contract, name, value)
    contract.full_clean()
    contract.save()
    audit.record(now=now, action=f"bidding.contract.{'changed' if known else 'entered'}", subject=contract)
    return contract, known is None
