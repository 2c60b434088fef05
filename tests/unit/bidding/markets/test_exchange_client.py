import json
from dataclasses import replace
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from aggregator.core.http import Response
from bidding.markets.exchange import client
from bidding.markets.exchange.client import Exchange
from bidding.markets.exchange.venue import ExchangeUnavailable, Outcome


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


EXCHANGE = Exchange(http=None, polls=Book(), base_url="https://x.example", participant_id="us", api_key="k")


def find(reference, book):
    return replace(EXCHANGE, polls=book).find(reference)


def test_an_order_is_found_on_whichever_page_it_is():
    [(state, answer)] = find("e", Book("a", "b", "c", "d", "e"))
    assert (state.order_id, json.loads(answer.body)["id"]) == ("X-e", "X-e")
    assert find("f", Book("a", "b", "c", "d", "e")) == []


def test_all_orders_with_our_reference_are_found():
    assert [state.order_id for state, _ in find("a", Book("a", "b", "c", "d", "a"))] == ["X-a", "X-a"]


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(200, Outcome.UNKNOWN), (401, Outcome.WAIT), (403, Outcome.WAIT), (408, Outcome.UNKNOWN), (423, Outcome.WAIT),
     (429, Outcome.WAIT), (500, Outcome.UNKNOWN), (502, Outcome.UNKNOWN), (503, Outcome.UNKNOWN)],
)  # fmt: skip
def test_only_what_says_so_was_not_processed(status, outcome):
    assert EXCHANGE.meaning_of("order", Response(status, {}, b"")) is outcome


def test_an_order_may_arrive_for_longer_than_a_request_of_ours_takes():
    with pytest.raises(ValueError, match="0:01:05"):
        replace(EXCHANGE, in_flight=timedelta(seconds=65))


def test_in_a_list_without_an_end_nobody_knows_whether_the_order_is_there(monkeypatch):
    monkeypatch.setattr(client, "MOST_PAGES", 2)
    with pytest.raises(ExchangeUnavailable, match="more than 2 pages"):
        find("f", Book("a", "b", "c", "d", "e"))


FRONT = b"<html><h1>404 Not Found</h1></html>"


@pytest.mark.parametrize("code", ["ORDER_UNKNOWN", "ORDER_FINAL"])
@pytest.mark.parametrize("purpose", ["change", "withdraw"])
def test_the_exchanges_own_word_that_an_order_is_gone_is_believed(purpose, code):
    body = json.dumps({"errors": [{"code": code}]}).encode()
    assert EXCHANGE.meaning_of(purpose, Response(404, {}, body)) is Outcome.OVERTAKEN


@pytest.mark.parametrize("body", [FRONT, b"", b'{"message": "no Route matched"}', b'{"errors": [{"code": "FAULT"}]}'])
def test_not_found_in_other_words_may_be_a_server_in_front(body):
    answer = Response(404, {}, body)
    assert EXCHANGE.meaning_of("withdraw", answer) is Outcome.PERHAPS_OVERTAKEN
    assert EXCHANGE.meaning_of("change", answer) is Outcome.PERHAPS_OVERTAKEN
    assert EXCHANGE.meaning_of("order", answer) is Outcome.WAIT
