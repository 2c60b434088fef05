import json
from urllib.parse import parse_qs, urlsplit

import pytest

from aggregator.core.http import Response
from bidding.markets.exchange import client
from bidding.markets.exchange.client import Exchange
from bidding.markets.exchange.venue import ExchangeUnavailable


class Book:
    """An exchange that lists all our orders, whichever reference is asked for, some at a time."""

    def __init__(self, *references, at_a_time=2) -> None:
        self.references, self.at_a_time = references, at_a_time

    def request(self, *, url, **_):
        page = int(parse_qs(urlsplit(url).query).get("page", ["0"])[0])
        start, end = page * self.at_a_time, (page + 1) * self.at_a_time
        content = [
            {"id": f"X-{reference}", "orderType": "SELL", "status": "OPEN", "final": False, "clearedQuantity": 0,
             "fills": [], "metaData": {"clientOrderId": reference}}
            for reference in self.references[start:end]
        ]  # fmt: skip
        return Response(200, {}, json.dumps({"content": content, "last": end >= len(self.references)}).encode())


def find(reference, book):
    return Exchange(http=book, base_url="https://x.example", participant_id="us", api_key="k").find(reference)


def test_an_order_is_found_on_whichever_page_it_is():
    found = find("e", Book("a", "b", "c", "d", "e"))
    assert found is not None
    state, answer = found
    assert (state.order_id, json.loads(answer.body)["id"]) == ("X-e", "X-e")
    assert find("f", Book("a", "b", "c", "d", "e")) is None


def test_in_a_list_without_an_end_nobody_knows_whether_the_order_is_there(monkeypatch):
    monkeypatch.setattr(client, "MOST_PAGES", 2)
    with pytest.raises(ExchangeUnavailable, match="more than 2 pages"):
        find("f", Book("a", "b", "c", "d", "e"))
