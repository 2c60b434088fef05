r"""What moving a MWh costs a group, and so what it asks for it. Pure and exact.

The group owns energy that it bought day-ahead. Reducing, it sells that energy and buys it again when it comes back;
increasing, it buys energy now and need not have it later. Per MWh moved in the window, with

| symbol | meaning |
|---|---|
| s | +1 for reduce, -1 for increase |
| r, p | part that comes back, and the mean day-ahead price when it does |
| f, e | part that passes through V2G cars and batteries, and their efficiency from grid to grid |
| w, t, u | wear and energy tax per kWh, and the part of the storage that is taxed twice |
| d, m | what drivers get, and the margin |

    energy  = s r p              bought again, or saved
    losses  = r p f (1/e - 1)    reduce: to discharge 1 MWh, 1/e comes back
            = r p f (1 - e)      increase: of 1 MWh stored, e is saved later
    wear    = 1000 f w           every kWh that passes through storage
    tax     = 1000 f u t / e     reduce: what returned to the grid is taxed when charged again
            = 1000 f u t         increase: what is stored is taxed now, and again when it is used
    price   = energy + losses + wear + tax + d + m

Each part is rounded up to the cent, so that the parts add up to the price exactly. Sources: energy tax is paid twice on
V2G behind small connections (ROBUST progress report 2025); drivers are paid per kWh, hour or month (same). That the
comeback is spread evenly over some hours is our inference.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from math import ceil
from typing import Literal

KWH_PER_MWH = 1_000


@dataclass(frozen=True, slots=True)
class CostFactors:
    """The symbols above that an operator sets; shares between 0 and 1, `round_trip_efficiency` above 0."""

    rebound_share: Decimal
    storage_share: Decimal
    round_trip_efficiency: Decimal
    wear_eur_per_kwh: Decimal
    energy_tax_eur_per_kwh: Decimal
    taxed_twice_share: Decimal
    drivers_eur_per_mwh: Decimal
    margin_eur_per_mwh: Decimal


@dataclass(frozen=True, slots=True)
class PricePart:
    """One part of a price, and the arithmetic that it came from."""

    name: str
    eur_per_mwh: Decimal
    how: str


def price_parts(
    *, direction: Literal["reduce", "increase"], rebound_eur_per_mwh: Sequence[Decimal], factors: CostFactors
) -> tuple[PricePart, ...]:
    """Return the parts of what is asked per MWh moved, in cents; their sum is the price we must receive.

    `rebound_eur_per_mwh` are the day-ahead prices of the quarter hours in which the energy comes back, at least one.
    A negative sum means that the group can pay for being moved.
    """
    is_reduce = direction == "reduce"
    mean = sum(map(Fraction, rebound_eur_per_mwh), Fraction(0)) / len(rebound_eur_per_mwh)
    returning, stored = Fraction(factors.rebound_share), Fraction(factors.storage_share)
    efficiency = Fraction(factors.round_trip_efficiency)
    lost = 1 / efficiency - 1 if is_reduce else 1 - efficiency
    charged = 1 / efficiency if is_reduce else Fraction(1)
    comes_back = (
        f"{factors.rebound_share} x € {_cents_up(mean)} mean day-ahead price of {len(rebound_eur_per_mwh)} PTUs"
    )
    through = f"{factors.storage_share} through storage"
    tax = Fraction(factors.energy_tax_eur_per_kwh) * Fraction(factors.taxed_twice_share)
    return (
        PricePart(
            "energy",
            _cents_up(mean * returning * (1 if is_reduce else -1)),
            f"{'bought again' if is_reduce else 'saved later'}: {comes_back}",
        ),
        PricePart(
            "losses",
            _cents_up(mean * returning * stored * lost),
            f"{through} at {factors.round_trip_efficiency}: {comes_back}",
        ),
        PricePart(
            "wear",
            _cents_up(KWH_PER_MWH * stored * Fraction(factors.wear_eur_per_kwh)),
            f"{through} x € {factors.wear_eur_per_kwh} per kWh",
        ),
        PricePart(
            "energy tax",
            _cents_up(KWH_PER_MWH * stored * tax * charged),
            f"{through} x {factors.taxed_twice_share} taxed twice x € {factors.energy_tax_eur_per_kwh} per kWh",
        ),
        PricePart("drivers", _cents_up(Fraction(factors.drivers_eur_per_mwh)), "compensation per MWh moved"),
        PricePart("margin", _cents_up(Fraction(factors.margin_eur_per_mwh)), "set by the policy"),
    )


def _cents_up(eur: Fraction) -> Decimal:
    return Decimal(ceil(eur * 100)).scaleb(-2)
