"""Speaking to the exchange's order interface over HTTP."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import quote, urlencode

from aggregator.core.http import LONGEST_REQUEST, RequestFailed, RequestRefused, Response, SendsRequests
from aggregator.core.ptu import PTU
from bidding.markets.exchange.orders import (
    Order,
    OrderState,
    UnreadableOrder,
    change_body,
    find_orders,
    is_last_page,
    order_body,
    read_order,
    read_refused,
    refusal_codes,
)
from bidding.markets.exchange.venue import ExchangeUnavailable, MarketRequest, Outcome, Purpose

ORDERS_PATH = "/public-api/2.0/electricity/orders/gopacs"
JSON_BODY = {"Content-Type": "application/json"}
UNAUTHORIZED, FORBIDDEN, NOT_FOUND = 401, 403, 404
NOT_PROCESSED = frozenset({UNAUTHORIZED, 423, 425, 429})
"""Statuses that say so; any other that may pass, such as 503 by a server in front, may follow what was processed."""
PAGE_SIZE = 100
MOST_PAGES = 50
LATEST_EXPIRY = timedelta(minutes=15)
IN_FLIGHT = timedelta(minutes=5)
"""Not known of any exchange. Servers in front of others commonly give up after a minute, a book is locked for minutes
while it clears, and clocks may be a minute apart; waiting longer costs the bids of the last minutes only."""
FOREIGN_CODES = frozenset({"PARTICIPANT_FOREIGN", "EAN_FOREIGN"})
GONE_CODES = frozenset({"ORDER_FINAL", "ORDER_UNKNOWN"})


@dataclass(frozen=True, slots=True)
class Exchange:
    """An exchange with the public order interface of ETPA (a `Venue`): where it is and who we are there.

    `http` sends, `polls` asks.
    """

    http: SendsRequests
    polls: SendsRequests
    base_url: str
    participant_id: str
    api_key: str = field(repr=False)
    minimum_dwell: timedelta = timedelta(0)
    gate: timedelta = LATEST_EXPIRY
    in_flight: timedelta = IN_FLIGHT

    def __post_init__(self) -> None:
        if self.in_flight <= LONGEST_REQUEST:
            raise ValueError(
                f"An order whose answer was lost may still arrive after the {LONGEST_REQUEST} that a request of ours "
                f"takes; {self.in_flight} is not longer."
            )
        if self.gate < LATEST_EXPIRY or self.gate % PTU:
            raise ValueError(
                f"Orders expire a whole number of quarter hours before their start, and at least one; {self.gate} is "
                "not that."
            )

    def placing(self, order: Order) -> MarketRequest:
        """Return the request that places an order."""
        return MarketRequest("POST", f"{self.base_url}{ORDERS_PATH}", JSON_BODY, order_body(order))

    def changing(self, order_id: str, order: Order) -> MarketRequest:
        """Return the request that gives a placed order the power and price of `order`."""
        return MarketRequest("PUT", self._order_url(order_id), JSON_BODY, change_body(order))

    def withdrawing(self, order_id: str) -> MarketRequest:
        """Return the request that takes what is not cleared out of the book."""
        return MarketRequest("DELETE", self._order_url(order_id), {}, b"")

    def credentials(self) -> dict[str, str]:
        """Return the headers that say who we are; never stored with a message."""
        return {"api_key": self.api_key}

    def meaning_of(self, purpose: Purpose, answer: Response) -> Outcome:
        """Return what an answer means.

        A wrong key is the operator's to mend, not the order's fault: nothing was processed, so it waits. So is an
        address that is not found. Only what names another party's order or EAN is refused for good.
        """
        if answer.is_success:
            return Outcome.DONE if self.state_in(answer) else Outcome.UNKNOWN
        if answer.status_code in NOT_PROCESSED:
            return Outcome.WAIT
        if answer.can_be_retried:
            return Outcome.UNKNOWN
        codes = refusal_codes(answer.body)
        if purpose != "order" and codes & GONE_CODES:
            return Outcome.OVERTAKEN
        if answer.status_code == NOT_FOUND:
            return Outcome.WAIT if purpose == "order" else Outcome.PERHAPS_OVERTAKEN
        is_our_key = answer.status_code == FORBIDDEN and not codes & FOREIGN_CODES
        return Outcome.WAIT if is_our_key else Outcome.REFUSED

    def state_in(self, answer: Response) -> OrderState | None:
        """Return the state of the order that an answer carries, refusals too; None when it carries none."""
        try:
            return read_order(answer.body) if answer.is_success else read_refused(answer.body)
        except UnreadableOrder:
            return None

    def order(self, order_id: str) -> OrderState | None:
        """Return the present state of one of our orders, None where there is none; raises `ExchangeUnavailable`."""
        try:
            return read_order(self._get(self._order_url(order_id)).body)
        except UnreadableOrder as error:
            raise ExchangeUnavailable(str(error)) from error
        except ExchangeUnavailable as failure:
            if failure.answer and failure.answer.status_code == NOT_FOUND:
                return None
            raise

    def find(self, reference: str) -> list[tuple[OrderState, Response]]:
        """Return the orders that carry our reference, each with an answer as if it had just been placed.

        All pages are looked at: an exchange that does not know this search lists all our orders, and one that was
        overlooked would be placed again. Raises `ExchangeUnavailable`.
        """
        query = {"participantId": self.participant_id, "clientOrderId": reference, "size": PAGE_SIZE}
        found: list[tuple[OrderState, Response]] = []
        for page in range(MOST_PAGES):
            answer = self._get(f"{self.base_url}{ORDERS_PATH}?{urlencode({**query, 'page': page})}")
            try:
                found += [
                    (state, _as_placed(answer, document)) for state, document in find_orders(answer.body, reference)
                ]
                if is_last_page(answer.body):
                    return found
            except UnreadableOrder as error:
                raise ExchangeUnavailable(str(error)) from error
        raise ExchangeUnavailable(f"The exchange lists more than {MOST_PAGES} pages of orders; {reference} may be on.")

    def _order_url(self, order_id: str) -> str:
        return f"{self.base_url}{ORDERS_PATH}/{quote(order_id, safe='')}"

    def _get(self, url: str) -> Response:
        try:
            answer = self.polls.request(method="GET", url=url, headers=self.credentials(), body=b"")
        except (RequestFailed, RequestRefused) as failure:  # the address is a setting of ours, which people can mend
            raise ExchangeUnavailable(str(failure)) from failure
        if not answer.is_success:
            raise ExchangeUnavailable(f"The exchange answered HTTP {answer.status_code} to {url}.", answer)
        return answer


def _as_placed(answer: Response, document: Mapping[str, Any]) -> Response:
    return Response(answer.status_code, answer.headers, json.dumps(document, default=str).encode())
