"""What a test or a demo does to TenneT: want more or less, and misbehave. What is past stays as it was."""

from datetime import datetime, timedelta
from decimal import Decimal

from django.db import transaction

from mock_gopacs.models import AfrrFault, DemandChange, Market
from mock_gopacs.tennet.cycles import CYCLE, cycle_of, start_of

LONGEST_FAULT_SECONDS = 86_400


class InvalidSteering(ValueError):
    """The market cannot be told this."""


@transaction.atomic
def set_demand(mw: Decimal, *, at: datetime | None, now: datetime) -> DemandChange:
    """Change the demand from the next cycle on, or from that of a later instant; later changes still follow.

    Raises `InvalidSteering` for the past, or `Market.DoesNotExist` without a scenario.
    """
    Market.lock()
    next_cycle = start_of(cycle_of(now)) + CYCLE
    starts_at = next_cycle if at is None else start_of(cycle_of(at))
    if starts_at < next_cycle:
        raise InvalidSteering(f"at is before the next cycle, {next_cycle:%H:%M:%S}Z: what was asked then was sent.")
    change, _ = DemandChange.objects.update_or_create(at=starts_at, defaults={"mw": mw})
    return change


def misbehave(kind: str, *, seconds: float, now: datetime) -> AfrrFault:
    """Let the signal or the settlements be wrong for some seconds of market time; raises `InvalidSteering`."""
    if kind not in AfrrFault.Kind.values:
        raise InvalidSteering(f"{kind!r} is no fault of TenneT: choose from {AfrrFault.Kind.values}.")
    if not 0 < seconds <= LONGEST_FAULT_SECONDS:
        raise InvalidSteering(f"A {kind} fault needs seconds above 0, and at most {LONGEST_FAULT_SECONDS}.")
    return AfrrFault.objects.create(kind=kind, starts_at=now, ends_at=now + timedelta(seconds=seconds))
