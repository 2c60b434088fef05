"""Whose the delivered energy is, and the money for it. Pure; exact integers and decimals, rounded to cents once.

Energy: in each PTU the paid energy is split over partners by what their assets delivered, in whole watt-hours.
Money: a partner gets its energy times the price times the partner share of the group, the aggregator the rest. Those
products are exact; the lines of one aggregation EAN are rounded together, by largest remainder, so that they add up
to the EAN's own total on the cent. An EAN is the unit because that is what the market pays for.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from aggregator.core.money import Money, split_exactly

WATT_HOURS_PER_MEGAWATT_HOUR = Decimal(1_000_000)
_WATT_HOUR = Decimal(1)


@dataclass(frozen=True, slots=True)
class EnergyShare:
    """Paid energy of one partner's assets in one aggregation EAN, on the terms it was delivered on.

    Attributes:
        partner_id: whose assets delivered it.
        paid_wh: energy, at least zero.
        price_eur_per_mwh: what the market pays; below zero, we pay.
        partner_share: the partner's part of that money, 0 to 1.
    """

    partner_id: int
    paid_wh: int
    price_eur_per_mwh: Decimal
    partner_share: Decimal

    @property
    def amount_eur(self) -> Decimal:
        """The money for the energy, unrounded."""
        return amount_eur(self.paid_wh, self.price_eur_per_mwh)


@dataclass(frozen=True, slots=True)
class Line:
    """One beneficiary's part of an aggregation EAN; the aggregator's own has no partner and no energy."""

    partner_id: int | None
    delivered_wh: int
    amount_eur: Decimal


def amount_eur(energy_wh: int, price_eur_per_mwh: Decimal) -> Decimal:
    """Return the unrounded money for an energy at a price.

    >>> amount_eur(25_000, Decimal("180.00"))
    Decimal('4.50')
    """
    return energy_wh * price_eur_per_mwh / WATT_HOURS_PER_MEGAWATT_HOUR


def split_energy(paid_wh: int, contribution_wh: Mapping[int, int]) -> dict[int, int]:
    """Split the paid energy of a PTU over partners by their contributions, in whole watt-hours that add up to it.

    Args:
        paid_wh: at least zero.
        contribution_wh: per partner, at least zero. When nobody contributed (a nominated baseline can pay a group
            whose own assets show nothing) the energy is split evenly.

    Raises:
        ValueError: when there is energy but no partner, or a negative contribution.
    """
    if not contribution_wh and not paid_wh:
        return {}
    partners = sorted(contribution_wh)  # ties must not depend on the order of rows
    weights = [Decimal(contribution_wh[partner]) for partner in partners]
    parts = split_exactly(Decimal(paid_wh), weights, quantum=_WATT_HOUR)
    return {partner: int(part) for partner, part in zip(partners, parts, strict=True)}


def lines_of_ean(shares: Iterable[EnergyShare]) -> list[Line]:
    """Return the lines of one aggregation EAN: partners by id, then the aggregator.

    Money to receive and money to pay (a price below zero) are rounded apart, as on an invoice and a credit note.
    """
    energy_wh: dict[int, int] = defaultdict(int)
    receive: dict[int | None, Decimal] = defaultdict(Decimal)
    pay: dict[int | None, Decimal] = defaultdict(Decimal)
    for share in shares:
        energy_wh[share.partner_id] += share.paid_wh
        side, amount = (pay, -share.amount_eur) if share.amount_eur < 0 else (receive, share.amount_eur)
        side[share.partner_id] += amount * share.partner_share
        side[None] += amount * (1 - share.partner_share)
    beneficiaries: list[int | None] = [*sorted(energy_wh), None]
    received, paid = _rounded(receive, beneficiaries), _rounded(pay, beneficiaries)
    return [
        Line(partner_id=who, delivered_wh=energy_wh[who] if who is not None else 0, amount_eur=plus - minus)
        for who, plus, minus in zip(beneficiaries, received, paid, strict=True)
    ]


def _rounded(amounts: Mapping[int | None, Decimal], beneficiaries: list[int | None]) -> list[Decimal]:
    """Return the amounts on cents, adding up to their rounded total."""
    total = Money(sum(amounts.values(), Decimal(0))).rounded().amount
    return split_exactly(total, [amounts.get(who, Decimal(0)) for who in beneficiaries])
