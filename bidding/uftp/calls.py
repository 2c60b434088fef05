"""A call that we take on: a duty in the ledger, and an activation for dispatch."""

from collections.abc import Sequence
from datetime import date, datetime

from django.db.models import F
from django.db.models.functions import Greatest

from aggregator.core import audit
from aggregator.core.ptu import PTU
from bidding.models import (
    Activation,
    ActivationPtu,
    Commitment,
    Contract,
    ContractCall,
    ContractCallPtu,
    LedgerEntry,
    UftpMessage,
)
from bidding.operations.ledger import locked_entries, locked_group
from bidding.uftp.demands import Demand, gaps
from bidding.uftp.reservations import callable_w

LONGEST_REFERENCE = 200
"""Characters of an operator's name for its order that we keep; the protocol sets no limit."""


class NotAvailable(RuntimeError):
    """The power was sold already."""


def is_available(*, contract: Contract, demands: Sequence[Demand]) -> bool:
    """Tell whether the ledger still holds what `demands` take."""
    entries = LedgerEntry.objects.filter(
        aggregation_ean=contract.aggregation_ean_id,
        direction=demands[0].direction,
        ptu_start__in=[demand.ptu_start for demand in demands],
    )
    entry_of = {entry.ptu_start: entry for entry in entries}
    most_w = callable_w(contract, [demand.ptu_start for demand in demands])
    return all(_fits(entry_of.get(demand.ptu_start), demand, most_w[demand.ptu_start]) for demand in demands)


def take_call(
    *,
    contract: Contract,
    order_reference: str,
    day: date,
    message: UftpMessage | None,
    offer: UftpMessage | None,
    demands: Sequence[Demand],
    now: datetime,
) -> ContractCall:
    """Take a duty on: reserve its power and make the activation; the caller holds the transaction.

    The contract vouches that the group can deliver its volume, as an operator does for a bid made by hand. Raises
    `NotAvailable` when other promises hold the power; then nothing but unsold ledger rows was written.
    """
    locked_group(contract.aggregation_ean_id)
    direction = demands[0].direction
    entries = locked_entries(
        aggregation_ean=contract.aggregation_ean,
        direction=direction,
        ptus=[demand.ptu_start for demand in demands],
        sellable_w=contract.volume_w,
    )
    most_w = callable_w(contract, [demand.ptu_start for demand in demands])
    if not all(_fits(entry, demand, most_w[demand.ptu_start]) for entry, demand in zip(entries, demands, strict=True)):
        raise NotAvailable("Other promises hold the power. Wait until they lapse, or reject the call.")
    call = ContractCall.objects.create(
        contract=contract,
        message=message,
        offer=offer,
        order_reference=order_reference[:LONGEST_REFERENCE],
        day=day,
        direction=direction,
        starts_at=demands[0].ptu_start,
        ends_at=demands[-1].ptu_start + PTU,
        called_at=now,
    )
    ContractCallPtu.objects.bulk_create(
        ContractCallPtu(
            call=call,
            ptu_start=demand.ptu_start,
            power_w=demand.power_w,
            max_import_w=demand.max_import_w,
            max_export_w=demand.max_export_w,
        )
        for demand in demands
    )
    LedgerEntry.objects.filter(pk__in=[entry.pk for entry in entries]).update(
        sellable_w=Greatest(F("sellable_w"), contract.volume_w)
    )
    Commitment.objects.bulk_create(
        Commitment(
            entry=entry,
            contract_call=call,
            power_w=demand.reserved_w(most_w[demand.ptu_start]),
            committed_at=now,
        )
        for entry, demand in zip(entries, demands, strict=True)
    )
    _activate(call, demands, now)
    audit.record(
        now=now,
        action="bidding.contract-call.accepted",
        subject=call,
        after={"order": order_reference[:LONGEST_REFERENCE]},
    )
    return call


def _fits(entry: LedgerEntry | None, demand: Demand, callable_w: int) -> bool:
    sellable_w, committed_w = (entry.sellable_w, entry.committed_w) if entry else (0, 0)
    return committed_w + demand.reserved_w(callable_w) <= max(sellable_w, callable_w)


def _activate(call: ContractCall, demands: Sequence[Demand], now: datetime) -> None:
    activation = Activation.objects.create(
        reference=f"call-{call.message.message_id}" if call.message else f"standing-{call.contract_id}-{call.day}",
        contract_call=call,
        aggregation_ean_id=call.contract.aggregation_ean_id,
        direction=call.direction,
        starts_at=call.starts_at,
        ends_at=call.ends_at,
        ordered_at=now,
        updated_at=now,
    )
    ActivationPtu.objects.bulk_create(
        [
            ActivationPtu(
                activation=activation,
                ptu_start=demand.ptu_start,
                ordered_w=0 if demand.is_limit else abs(demand.power_w),
                max_import_w=demand.max_import_w,
                max_export_w=demand.max_export_w,
            )
            for demand in demands
        ]
        + [ActivationPtu(activation=activation, ptu_start=ptu, ordered_w=0) for ptu in gaps(demands)]
    )
