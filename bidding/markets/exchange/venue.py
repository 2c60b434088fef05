"""What the product needs of an exchange; `client` is the one whose interface is public (ETPA).

Another exchange fits by saying how its requests look and what its answers mean. Everything else - storing before
sending, finding lost orders, ledger, duties - stays as it is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, auto
from typing import Literal, Protocol

from aggregator.core.http import RequestFailed, Response, SendsRequests
from bidding.markets.exchange.orders import Order, OrderState

Purpose = Literal["order", "change", "withdraw"]


class ExchangeUnavailable(RequestFailed):
    """The exchange gave no usable answer; asking again later may help."""


class Outcome(Enum):
    """What an answer to one of our requests means."""

    DONE = auto()
    """Taken; the answer holds the order."""
    WAIT = auto()
    """Not processed; the same request may succeed later. A locked book (423) is this."""
    UNKNOWN = auto()
    """Nobody can tell whether it was processed."""
    OVERTAKEN = auto()
    """The order has ended meanwhile, so nothing is left to change or withdraw."""
    PERHAPS_OVERTAKEN = auto()
    """There is no such order, says somebody who may be a server in front of the exchange; a search tells."""
    REFUSED = auto()
    """Refused for good."""


@dataclass(frozen=True, slots=True)
class MarketRequest:
    """One HTTP request as it is stored before it is sent; without credentials."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes


class Venue(Protocol):
    """An exchange that takes GOPACS orders."""

    @property
    def http(self) -> SendsRequests:
        """What sends."""
        ...

    @property
    def participant_id(self) -> str:
        """Who we are there."""
        ...

    @property
    def gate(self) -> timedelta:
        """How long before its start an order expires, and can no longer be placed or changed."""
        ...

    @property
    def in_flight(self) -> timedelta:
        """How long after we sent an order it may still get into the book, where its answer was lost."""
        ...

    @property
    def minimum_dwell(self) -> timedelta:
        """How long an order must stand in the book before it may be cleared, changed or withdrawn."""
        ...

    def placing(self, order: Order) -> MarketRequest:
        """Return the request that places an order."""
        ...

    def changing(self, order_id: str, order: Order) -> MarketRequest:
        """Return the request that gives a placed order the power and price of `order`."""
        ...

    def withdrawing(self, order_id: str) -> MarketRequest:
        """Return the request that takes what is not cleared out of the book."""
        ...

    def credentials(self) -> Mapping[str, str]:
        """Return the headers that say who we are; never stored with a message."""
        ...

    def meaning_of(self, purpose: Purpose, answer: Response) -> Outcome:
        """Return what an answer means."""
        ...

    def state_in(self, answer: Response) -> OrderState | None:
        """Return the state of the order that an answer carries, refusals too; None when it carries none."""
        ...

    def order(self, order_id: str) -> OrderState | None:
        """Return the present state of one of our orders, None where there is none; raises `ExchangeUnavailable`."""
        ...

    def find(self, reference: str) -> Sequence[tuple[OrderState, Response]]:
        """Return the orders that carry our reference, each with an answer as if it had just been placed.

        An exchange may let another order take the place of one that is changed: then that is out, and the other carries
        the reference and what was cleared. More than one that is not out is a mishap. Raises `ExchangeUnavailable`.
        """
        ...
