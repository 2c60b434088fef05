"""Speaking to the exchange's order interface over HTTP."""

import json
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from aggregator.core.http import HttpClient, Response
from bidding.markets.exchange.orders import OrderState, find_order, read_order

ORDERS_PATH = "/public-api/2.0/electricity/orders/gopacs"
NOT_FOUND = 404


class ExchangeUnavailable(RuntimeError):
    """The exchange gave no usable answer; asking again later may help."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """Where the exchange is and who we are there."""

    http: HttpClient
    base_url: str
    participant_id: str
    api_key: str

    @property
    def orders_url(self) -> str:
        """The address orders are posted to."""
        return f"{self.base_url}{ORDERS_PATH}"

    def order_url(self, order_id: str) -> str:
        """Return the address of one order."""
        return f"{self.orders_url}/{quote(order_id, safe='')}"

    def credentials(self) -> dict[str, str]:
        """Return the headers that say who we are; never stored with a message."""
        return {"api_key": self.api_key}

    def order(self, order_id: str) -> OrderState:
        """Return the present state of one of our orders."""
        return read_order(self._get(self.order_url(order_id)).body)

    def find(self, reference: str) -> tuple[OrderState, Response] | None:
        """Return the order that carries our reference, and an answer as if it had just been placed."""
        query = urlencode({"participantId": self.participant_id, "clientOrderId": reference})
        answer = self._get(f"{self.orders_url}?{query}")
        state = find_order(answer.body)
        if state is None:
            return None
        placed = json.dumps(json.loads(answer.body)["content"][0]).encode()
        return state, Response(answer.status_code, answer.headers, placed)

    def _get(self, url: str) -> Response:
        answer = self.http.request(method="GET", url=url, headers=self.credentials())
        if not answer.is_success:
            raise ExchangeUnavailable(f"The exchange answered HTTP {answer.status_code} to {url}.")
        return answer
