"""The merit order of one PTU, and what a demand takes of it.

Pure. Demand is signed as TenneT's setpoints are: above zero wants more injection or less offtake (up).
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum


class Direction(StrEnum):
    """Which way a bid moves the grid, in the code of the documents."""

    UP = "A01"
    DOWN = "A02"

    @property
    def sign(self) -> int:
        """1 for up, -1 for down."""
        return 1 if self is Direction.UP else -1


@dataclass(frozen=True, slots=True)
class Offer:
    """A bid as it stands in the merit order; `key` is its place among bids of one price, earlier first."""

    key: int
    bsp: str
    mrid: str
    direction: Direction
    quantity_mw: Decimal
    price_eur_per_mwh: Decimal


@dataclass(frozen=True, slots=True)
class Clearing:
    """What a demand takes: offers with their volume above zero in MW, and the price of the last one."""

    direction: Direction
    price_eur_per_mwh: Decimal | None
    taken: tuple[tuple[Offer, Decimal], ...]

    def target_mw(self, bsp: str) -> Decimal:
        """Return the signed sum of a BSP's activated volumes."""
        return sum((self.direction.sign * volume for offer, volume in self.taken if offer.bsp == bsp), Decimal(0))


def merit_order(offers: Iterable[Offer], direction: Direction) -> list[Offer]:
    """Return the offers of a direction, best for the grid first: up by what it costs, down by what the BSP pays."""
    wanted = (offer for offer in offers if offer.direction is direction)
    return sorted(wanted, key=lambda offer: (direction.sign * offer.price_eur_per_mwh, offer.key))


def clear(offers: Iterable[Offer], *, demand_mw: Decimal, unavailable: Collection[str] = ()) -> Clearing:
    """Return what a demand takes of the offers, as far as they reach; those of BSPs that are unavailable are passed."""
    direction = Direction.DOWN if demand_mw < 0 else Direction.UP
    left = abs(demand_mw)
    taken: list[tuple[Offer, Decimal]] = []
    for offer in merit_order(offers, direction):
        if not left:
            break
        if offer.bsp in unavailable:
            continue
        volume = min(left, offer.quantity_mw)
        taken.append((offer, volume))
        left -= volume
    return Clearing(direction, taken[-1][0].price_eur_per_mwh if taken else None, tuple(taken))
