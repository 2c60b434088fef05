"""How much a grid operator may still call of a contract, PTU by PTU: its volume, or what it kept of it."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from bidding.markets.uftp.codec import parse
from bidding.markets.uftp.messages import FlexReservationUpdate
from bidding.markets.uftp.powers import deviations
from bidding.models import Contract, ContractReservation, UftpMessage

ABOVE_VOLUME = "Power above the volume of the contract"


def callable_w(contract: Contract, ptus: Iterable[datetime]) -> Mapping[datetime, int]:
    """Return the most that may be called in each of `ptus`."""
    starts = list(ptus)
    kept = dict(contract.reservations.filter(ptu_start__in=starts).values_list("ptu_start", "power_w"))
    return {start: kept.get(start, contract.volume_w) for start in starts}


def keep_reserved(update: FlexReservationUpdate, *, contract: Contract, message: UftpMessage) -> list[str]:
    """Write down what an operator keeps reserved; return why that cannot be, if so.

    What it says later replaces that, also when it comes before. What is called already stays called: an update
    releases what could still have been.
    """
    powers = deviations(update.isps, period=update.period)
    if any(abs(power_w) > contract.volume_w for _, power_w in powers):
        return [ABOVE_VOLUME]
    known = contract.reservations.filter(ptu_start__in=[start for start, _ in powers]).select_related("message")
    said_later = {row.ptu_start for row in known if parse(bytes(row.message.document)).time_stamp > update.time_stamp}
    ContractReservation.objects.bulk_create(
        [
            ContractReservation(contract=contract, ptu_start=start, power_w=abs(power_w), message=message)
            for start, power_w in powers
            if start not in said_later
        ],
        update_conflicts=True,
        unique_fields=["contract", "ptu_start"],
        update_fields=["power_w", "message"],
    )
    return []
