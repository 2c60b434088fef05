"""What a message is judged by: the agreement with its sender, what our records know, and what time it is."""

from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from aggregator.core.ptu import PTU
from bidding.markets.uftp.messages import PayloadMessage
from bidding.markets.uftp.powers import PowerMeaning
from bidding.markets.uftp.vocabulary import Role


class _Everything:
    def __contains__(self, item: object) -> bool:
        return True


EVERYTHING: Container[str] = _Everything()
"""Stands for a list that nobody agreed on: all of its members are fine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """What holds between a sender and a receiver, as the receiver sees it."""

    recipient_domains: Container[str]
    """The domains that the receiver answers for."""
    versions: Container[str] = frozenset({"3.0.0", "3.1.0"})
    time_zone: str = "Europe/Amsterdam"
    isp_duration: timedelta = PTU
    currency_digits: dict[str, int] = field(default_factory=lambda: {"EUR": 2})
    """Accepted currencies and how many decimals a price in them may have."""
    congestion_points: Container[str] = EVERYTHING
    contract_ids: Container[str] = EVERYTHING
    baseline_references: Container[str] = EVERYTHING
    power_meaning: PowerMeaning = PowerMeaning.DELTA
    clock_tolerance: timedelta = timedelta(0)
    """How far the two clocks may differ: so much later than it says, a message still counts as in time."""
    unsolicited_orders: bool = False
    barred: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """What the receiver's records know about the messages that the judged one refers to; see `reference_of`."""

    reference: PayloadMessage | None = None
    """The referenced message, if exchanged with this counterparty."""
    accepted: bool = True
    """For a FlexOffer as reference: it was accepted."""
    revoked: bool = False
    """For a FlexOffer as reference: it was revoked. A revocation that crosses an order wins."""
    ordered: bool = False
    """For a FlexOffer as reference: an order for it was accepted already."""
    latest_revision: int | None = None
    """Highest Revision of this type of message for the same period and place."""
    d_prognosis_ids: Container[str] = EVERYTHING


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """All that a rule may look at."""

    message: Any
    sender_domain: str
    sender_role: Role
    agreement: Agreement
    records: Records
    now: datetime

    def is_over(self, instant: datetime) -> bool:
        """Tell whether an instant has passed on the sender's clock too, as far as ours can tell."""
        return instant <= self.now - self.agreement.clock_tolerance


Rule = Callable[[Case], Iterator[str]]
"""Yields the reasons it finds to reject the message."""
