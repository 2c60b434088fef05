"""Bids for aFRR energy as values, and what the terms say of one.

A bid is for one PTU and one direction. Up, more injection or less offtake, is our `reduce`; down is our `increase`.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Literal

from bidding.markets.afrr.terms import ProductTerms, require_ptu

Direction = Literal["reduce", "increase"]

LONGEST_MRID = 60
"""Characters, in a bid document of 7.2 or 7.4. An acknowledgement 7.0 has room for 35: the 32 of `uuid4().hex` fit."""
_is_mrid = re.compile(rf"[!-~]{{1,{LONGEST_MRID}}}", re.ASCII).fullmatch


class InvalidBid(ValueError):
    """A bid, or a document of bids, that may not be sent: what is wrong, why, and how to mend it."""


class AgreementKind(StrEnum):
    """How long the contract for capacity runs that a bid belongs to."""

    DAILY = "A01"
    WEEKLY = "A02"
    MONTHLY = "A03"
    YEARLY = "A04"
    HOURLY = "A13"


@dataclass(frozen=True, slots=True)
class Agreement:
    """The contract for capacity under which a bid is due."""

    kind: AgreementKind
    mrid: str

    def __post_init__(self) -> None:
        require_mrid(self.mrid, "an agreement")


@dataclass(frozen=True, slots=True)
class Bid:
    """Power for one PTU in one direction. Raises `InvalidBid` for what no terms allow.

    `mrid` names the bid for good: the same mRID in a later document changes its power and price, and 0 W takes it back.
    Its PTU and direction never change. A price above zero is paid to us for `reduce`, and by us for `increase`; below
    zero the other way round. Without an `agreement` the bid is voluntary.
    """

    mrid: str
    ptu: datetime
    direction: Direction
    power_w: int
    price_eur_per_mwh: Decimal
    agreement: Agreement | None = None

    def __post_init__(self) -> None:
        require_mrid(self.mrid, "a bid")
        try:
            object.__setattr__(self, "ptu", require_ptu(self.ptu))
        except ValueError as error:
            raise InvalidBid(f"Bid {self.mrid} is for no PTU: {error}") from error
        if self.direction not in {"reduce", "increase"}:
            raise InvalidBid(f"Bid {self.mrid} goes {self.direction!r}: give reduce (up) or increase (down).")
        if type(self.power_w) is not int:
            raise InvalidBid(f"Bid {self.mrid} is of {self.power_w!r} W: give a whole number of watts.")
        if not isinstance(self.price_eur_per_mwh, Decimal) or not self.price_eur_per_mwh.is_finite():
            raise InvalidBid(
                f"Bid {self.mrid} asks {self.price_eur_per_mwh!r} EUR/MWh: give a Decimal such as Decimal('12.34')."
            )


def require_mrid(mrid: str, of: str) -> None:
    """Raise `InvalidBid` where `mrid` cannot name what it is `of`."""
    if not isinstance(mrid, str) or not _is_mrid(mrid):
        raise InvalidBid(
            f"{mrid!r} cannot be the mRID of {of}: give 1 to {LONGEST_MRID} visible ASCII characters without blanks, "
            "such as a UUID."
        )


def require_within_terms(bid: Bid, terms: ProductTerms) -> None:
    """Raise `InvalidBid` for a bid that the terms do not allow; 0 W, which takes a bid back, they always do."""
    if bid.power_w and terms.power_to_bid_w(bid.power_w) != bid.power_w:
        raise InvalidBid(
            f"Bid {bid.mrid} is of {bid.power_w} W: give a multiple of {terms.power_step_w} W of at least "
            f"{terms.minimum_power_w} W, or 0 to take the bid back."
        )
    lowest, highest = terms.lowest_price_eur_per_mwh, terms.highest_price_eur_per_mwh
    if not lowest <= bid.price_eur_per_mwh <= highest:
        raise InvalidBid(
            f"Bid {bid.mrid} asks {bid.price_eur_per_mwh} EUR/MWh: give a price from {lowest} to {highest} EUR/MWh."
        )
    if bid.price_eur_per_mwh % terms.price_step_eur_per_mwh:
        raise InvalidBid(
            f"Bid {bid.mrid} asks {bid.price_eur_per_mwh} EUR/MWh: round it to steps of {terms.price_step_eur_per_mwh}."
        )
