"""The settlement of one BSP's Dutch day, worked out from what is stored.

Pure. Requested energy is that of the setpoints, not what was metered; up and down are kept apart. Energies are rounded
to whole Wh and amounts to cents, once each, halves to even; amounts follow from the rounded energies, so that whoever
has the settlement can work them out again. Up at a price: TenneT pays it. Down at a price: the BSP pays it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_HALF_EVEN, Decimal

from aggregator.core.money import CENT
from aggregator.core.ptu import ptus_of_day
from mock_gopacs.tennet.activation import Activation
from mock_gopacs.tennet.compliance import MODELS, Powers
from mock_gopacs.tennet.cycles import CYCLE_SECONDS, CYCLES_PER_PTU, cycle_of
from mock_gopacs.tennet.ladder import Direction

LEAD_CYCLES = CYCLES_PER_PTU
"""Cycles before the day that are judged too: what was asked then is still being ramped to when the day begins."""
WATT_HOUR = Decimal("0.000001")
_SECONDS_PER_HOUR = 3600


@dataclass(frozen=True, slots=True)
class SettledPtu:
    """One PTU: energies in MWh, at least 0; `amount_eur` above 0 is paid by TenneT, a penalty by the BSP."""

    position: int
    starts_at: datetime
    requested_up_mwh: Decimal
    requested_down_mwh: Decimal
    price_up_eur_per_mwh: Decimal
    price_down_eur_per_mwh: Decimal
    amount_eur: Decimal
    missed_up_mwh: Decimal
    missed_down_mwh: Decimal
    penalty_eur: Decimal


def judged_cycles(day: date) -> range:
    """Return the cycles for which the delivered power is needed to settle a day."""
    ptus = ptus_of_day(day)
    return range(cycle_of(ptus[0]) - LEAD_CYCLES, cycle_of(ptus[-1]) + CYCLES_PER_PTU)


def settle(day: date, bsp: str, *, activation: Activation, delivered_mw: Sequence[float]) -> list[SettledPtu]:
    """Return the PTUs of a day; `delivered_mw` has a value for each of `judged_cycles`."""
    setpoints = activation.setpoints_mw(bsp, judged_cycles(day))
    missed = MODELS[activation.terms.compliance_model]([float(setpoint) for setpoint in setpoints], delivered_mw)
    settled = []
    for number, ptu in enumerate(ptus_of_day(day)):
        part = slice(LEAD_CYCLES + number * CYCLES_PER_PTU, LEAD_CYCLES + (number + 1) * CYCLES_PER_PTU)
        up, down = _energies_mwh(setpoints[part])
        price_up, price_down = (activation.price_eur_per_mwh(cycle_of(ptu), direction) for direction in Direction)
        missed_up, missed_down = _energy_mwh(missed.up_mw[part]), _energy_mwh(missed.down_mw[part])
        settled.append(
            SettledPtu(
                position=number + 1,
                starts_at=ptu,
                requested_up_mwh=up,
                requested_down_mwh=down,
                price_up_eur_per_mwh=price_up,
                price_down_eur_per_mwh=price_down,
                amount_eur=_cents(up * price_up - down * price_down),
                missed_up_mwh=missed_up,
                missed_down_mwh=missed_down,
                penalty_eur=_cents((missed_up + missed_down) * activation.terms.penalty_eur_per_mwh),
            )
        )
    return settled


def _energies_mwh(setpoints_mw: Sequence[Decimal]) -> tuple[Decimal, Decimal]:
    up = sum((setpoint for setpoint in setpoints_mw if setpoint > 0), Decimal(0))
    down = sum((-setpoint for setpoint in setpoints_mw if setpoint < 0), Decimal(0))
    return _rounded(up), _rounded(down)


def _energy_mwh(powers_mw: Powers) -> Decimal:
    return _rounded(Decimal(str(round(float(powers_mw.sum()), 9))))


def _rounded(summed_mw: Decimal) -> Decimal:
    """Return the energy of powers summed over cycles, in whole Wh."""
    return (summed_mw * CYCLE_SECONDS / _SECONDS_PER_HOUR).quantize(WATT_HOUR, ROUND_HALF_EVEN)


def _cents(amount: Decimal) -> Decimal:
    return amount.quantize(CENT, ROUND_HALF_EVEN) + 0  # no minus before a zero
