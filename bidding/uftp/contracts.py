"""Entering contracts, and ending them."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Max

from aggregator.core import audit
from bidding.markets.uftp.vocabulary import Role
from bidding.models import Contract, UftpParticipant
from bidding.uftp.address_book import keys_of

_FREE = {"sends_prognosis", "sends_metering"}
"""What may change after a call: nothing is settled by it. Its end is changed by `end_contract`."""


class CounterpartyUnknown(LookupError):
    """A contract with an operator nobody entered."""


class NotEnded(RuntimeError):
    """The contract cannot end on that day; the text says why, and on which it can."""


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
def enter_contract(
    *, operator: UftpParticipant, values: Mapping[str, Any], now: datetime, actor: AbstractBaseUser | None = None
) -> tuple[Contract, bool]:
    """Store a contract with an operator, or change the one of the same id; tell whether it is new.

    From its first call on it is settled by its terms, and they stay. Raises `ValidationError` with what is wrong with
    the values.
    """
    known = Contract.objects.select_for_update().filter(dso=operator, contract_id=values["contract_id"]).first()
    contract = known or Contract(dso=operator)
    if known and known.calls.exists():
        _refuse_changes(known, values)
    for name, value in values.items():
        setattr(contract, name, value)
    contract.full_clean()
    contract.save()
    action = f"bidding.contract.{'changed' if known else 'entered'}"
    audit.record(now=now, action=action, subject=contract, actor=actor)
    return contract, known is None


def _refuse_changes(known: Contract, values: Mapping[str, Any]) -> None:
    changed = sorted(name for name, value in values.items() if name not in _FREE and getattr(known, name) != value)
    if changed:
        message = "The contract was called, so its terms stay. End it, and enter the new terms under another id."
        raise ValidationError(dict.fromkeys(changed, message))


@transaction.atomic
def end_contract(
    *, contract_id: int, last_day: date, now: datetime, actor: AbstractBaseUser | None, reason: str
) -> Contract:
    """Let a contract end with `last_day`, earlier than it would; what is called after that is rejected.

    Raises `NotEnded` when it ends by then anyway, or has a duty later: calls that we took on stand.
    """
    contract = Contract.objects.select_for_update().get(pk=contract_id)
    if contract.active_until is not None and contract.active_until <= last_day:
        raise NotEnded(f"It ends on {contract.active_until} already. Give an earlier day.")
    if last_day < contract.active_from:
        raise NotEnded(f"It begins on {contract.active_from} only. Give that day or a later one.")
    called = contract.calls.filter(day__gt=last_day).aggregate(Max("day"))["day__max"]
    if called is not None:
        raise NotEnded(f"It is called for {called}, and that call stands. Give that day or a later one.")
    before, contract.active_until = contract.active_until, last_day
    contract.save(update_fields=["active_until"])
    audit.record(
        now=now,
        action="bidding.contract.ended",
        subject=contract,
        actor=actor,
        reason=reason,
        before={"active_until": str(before) if before else None},
        after={"active_until": str(last_day)},
    )
    return contract
