"""The real-time signal to a BSP and its settlements, as TenneT gives them out, faults included."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from aggregator.core.ptu import day_interval
from mock_gopacs.models import AfrrFault, Bsp
from mock_gopacs.tennet.cycles import CYCLES_PER_PTU, cycle_of, start_of
from mock_gopacs.tennet.facts import activation_over, delivered_mw, terms
from mock_gopacs.tennet.ladder import Direction
from mock_gopacs.tennet.settling import SettledPtu, judged_cycles, settle

_Kind = AfrrFault.Kind


@dataclass(frozen=True, slots=True)
class Signal:
    """The setpoint of one cycle."""

    sequence: int
    at: datetime
    delta_setpoint_mw: Decimal
    is_valid: bool


class NotSettled(LookupError):
    """The day has no settlement yet; the text says why, and when to ask again."""


def signal_to(bsp: Bsp, *, now: datetime) -> Signal:
    """Return what a BSP is told now. Faults change what it is told, never what the settlement is made of."""
    faults = {fault.kind: fault for fault in AfrrFault.objects.filter(starts_at__lte=now, ends_at__gt=now)}
    frozen = faults.get(_Kind.FROZEN)
    cycle = cycle_of(frozen.starts_at if frozen else now)
    if _Kind.NOT_A_NUMBER in faults:
        setpoint = Decimal("NaN")
    elif _Kind.FULL_VOLUME in faults:
        setpoint = _full_volume_mw(bsp, cycle)
    else:
        (setpoint,) = activation_over(range(cycle, cycle + 1)).setpoints_mw(bsp.pk, range(cycle, cycle + 1))
    return Signal(cycle, start_of(cycle), setpoint, _Kind.INVALID not in faults)


def settlement_of(bsp: Bsp, day: date, *, now: datetime) -> list[SettledPtu]:
    """Return the settlement of a Dutch day; raises `NotSettled` before it is made."""
    agreed = terms()
    made_at = day_interval(day).ends_at + agreed.settles_after
    late = AfrrFault.objects.filter(kind=_Kind.SETTLEMENT_LATE, starts_at__lte=now, ends_at__gt=now)
    if now < made_at:
        raise NotSettled(f"The settlement of {day} is made at {made_at:%Y-%m-%dT%H:%M:%SZ}: ask again then.")
    if late.exists():
        raise NotSettled(f"The settlement of {day} is late: ask again.")
    cycles = judged_cycles(day)
    activation, delivered = activation_over(cycles), delivered_mw(bsp, cycles, agreed)
    return settle(day, bsp.pk, activation=activation, delivered_mw=delivered)


def _full_volume_mw(bsp: Bsp, cycle: int) -> Decimal:
    """Return the sum of a BSP's bids of the PTU in the direction of the demand."""
    activation = activation_over(range(cycle, cycle + 1))
    direction = Direction.DOWN if activation.demand_mw(cycle) < 0 else Direction.UP
    offers = activation.offers.get(cycle - cycle % CYCLES_PER_PTU, ())
    own = (
        direction.sign * offer.quantity_mw for offer in offers if offer.bsp == bsp.pk and offer.direction is direction
    )
    return sum(own, Decimal(0))
