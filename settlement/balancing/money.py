"""The money of balancing energy. Pure; exact decimals.

Up (`reduce`) at a price above zero is paid by TenneT, down (`increase`) by us. A price here that is "paid" is what the
group receives per MWh delivered, as that of any order: below zero, it pays.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal

from aggregator.core.money import CENT
from bidding.markets.afrr.settlement import SettledDirection, SettledPeriod

WAYS = ("reduce", "increase")
WATT_HOURS_PER_MEGAWATT_HOUR = 1_000_000


def settled(period: SettledPeriod, direction: str) -> SettledDirection:
    """Return one direction of a PTU."""
    return period.reduce if direction == "reduce" else period.increase


def paid_eur_per_mwh(period: SettledPeriod, direction: str) -> Decimal:
    """Return what a group receives per MWh in a PTU; below zero, it pays."""
    price = settled(period, direction).price_eur_per_mwh
    return price if direction == "reduce" else -price


def worth_eur(period: SettledPeriod) -> Decimal:
    """Return what the requested energy of a PTU comes to at its prices, unrounded; above zero, TenneT pays us."""
    return sum((settled(period, way).requested_mwh * paid_eur_per_mwh(period, way) for way in WAYS), Decimal(0))


@dataclass(frozen=True, slots=True)
class DayMoney:
    """Money of a Dutch day on whole cents.

    Attributes:
        amount_eur: what TenneT pays for requested energy; below zero, we pay.
        penalty_eur: what we pay for what was missed: the aggregator's alone, as penalties of contracts are.
        groups_receive_eur: what groups get for what meters say they delivered.
        groups_pay_eur: what they pay for it in PTUs whose price is below zero.
    """

    amount_eur: Decimal
    penalty_eur: Decimal
    groups_receive_eur: Decimal
    groups_pay_eur: Decimal

    @property
    def rest_eur(self) -> Decimal:
        """What is left of TenneT's amount beside the groups': the aggregator's, before the penalty."""
        return self.amount_eur - self.groups_receive_eur + self.groups_pay_eur

    @property
    def result_eur(self) -> Decimal:
        """What is left after the penalty."""
        return self.rest_eur - self.penalty_eur


def day_money(periods: Iterable[SettledPeriod], delivered: Iterable[tuple[int, Decimal]]) -> DayMoney:
    """Return the money of a day from TenneT's PTUs and what groups delivered in each [Wh at a price]."""
    listed = list(periods)
    worths = [energy_wh * price / WATT_HOURS_PER_MEGAWATT_HOUR for energy_wh, price in delivered]
    return DayMoney(
        amount_eur=_cents(period.amount_eur for period in listed),
        penalty_eur=_cents(period.penalty_eur for period in listed),
        groups_receive_eur=_cents(worth for worth in worths if worth > 0),
        groups_pay_eur=_cents(-worth for worth in worths if worth < 0),
    )


def _cents(amounts: Iterable[Decimal]) -> Decimal:
    return sum(amounts, Decimal(0)).quantize(CENT, ROUND_HALF_EVEN)
