"""Another exchange fits behind `Venue`: one with other addresses, words, units and signs than the one we ship."""

import json
from datetime import timedelta
from decimal import Decimal

import pytest

from aggregator.core.http import RequestFailed, Response
from bidding import tasks
from bidding.markets.exchange.orders import OrderState
from bidding.markets.exchange.venue import ExchangeUnavailable, MarketRequest, Outcome
from bidding.models import Activation, Bid, OrderChange
from bidding.operations.order_changes import change, withdraw
from tests.integration.mock_gopacs.market_process import utc
from tests.integration.redispatch.conftest import NOW

pytestmark = pytest.mark.django_db(transaction=True)


class Book:
    """The other exchange: `/volume` in kW, `side` as a sign, deals in euro cents, nothing but PATCH and POST."""

    def __init__(self) -> None:
        self.orders, self.is_away = {}, False

    def request(self, *, method, url, body=b"", **_):
        if self.is_away:
            raise RequestFailed("nobody there")
        said = json.loads(body) if body else {}
        if method == "POST":
            self.orders[said["tag"]] = {**said, "dealt_kw": 0, "over": False}
        elif method == "PATCH":
            self.orders[url.rsplit("/", 1)[1]].update(said)
        return Response(200, {}, json.dumps(self.orders.get(url.rsplit("/", 1)[1]) or said).encode())


class OtherVenue:
    participant_id, minimum_dwell, gate = "us", timedelta(0), timedelta(minutes=40)
    in_flight = timedelta(minutes=2)

    def __init__(self, book) -> None:
        self.http = book

    def credentials(self):
        return {"X-Key": "k"}

    def placing(self, order):
        sign = 1 if order.direction == "reduce" else -1
        said = {
            "tag": order.reference,
            "volume_kw": sign * order.power_w // 1000,
            "cents": int(order.price_eur_per_mwh * 100),
            "place": order.ean,
            "from": order.period.starts_at.isoformat(),
            "to": order.period.ends_at.isoformat(),
            "until": order.expires_at.isoformat(),
        }
        return MarketRequest("POST", "https://other.example/new", {}, json.dumps(said).encode())

    def changing(self, order_id, order):
        said = {"volume_kw": order.power_w // 1000, "cents": int(order.price_eur_per_mwh * 100)}
        return MarketRequest("PATCH", f"https://other.example/{order_id}", {}, json.dumps(said).encode())

    def withdrawing(self, order_id):
        return MarketRequest("PATCH", f"https://other.example/{order_id}", {}, b'{"over": true}')

    def meaning_of(self, _purpose, answer):
        return Outcome.DONE if answer.is_success else Outcome.WAIT

    def state_in(self, answer):
        said = json.loads(answer.body)
        return OrderState(
            order_id=said["tag"], reference=said["tag"], cleared_power_w=said.get("dealt_kw", 0) * 1000,
            cleared_price_eur_per_mwh=Decimal(said["cents"]) / 100, is_final=said.get("over", False),
            is_cancelled=said.get("over", False),
        )  # fmt: skip

    def order(self, order_id):
        return self.state_in(Response(200, {}, json.dumps(self.http.orders[order_id]).encode()))

    def find(self, reference):
        if self.http.is_away:
            raise ExchangeUnavailable("nobody there")
        known = self.http.orders.get(reference)
        answer = Response(200, {}, json.dumps(known).encode())
        return [(self.state_in(answer), answer)] if known else []


@pytest.fixture
def book(field, monkeypatch):
    made = Book()
    monkeypatch.setattr(tasks, "exchange", lambda: OtherVenue(made))
    return made


def test_a_bid_lives_its_whole_life_on_another_exchange(field, book, operator):
    book.is_away = True
    field.at(NOW)
    assert field.bid().status == Bid.Status.APPROVED
    book.is_away = False
    field.at(NOW + timedelta(seconds=30))
    (order,) = book.orders.values()
    assert (order["volume_kw"], order["cents"], order["place"]) == (300, 18_025, field.bid().aggregation_ean_id)
    assert order["until"] == "2026-01-14T15:20:00+00:00"

    terms = {"exchange": OtherVenue(book), "now": field.now(), "actor": operator, "reason": "Fewer cars."}
    change(bid_id=field.bid().pk, power_w=200_000, price_eur_per_mwh=Decimal(170), **terms)
    field.at(NOW + timedelta(seconds=60))
    assert OrderChange.objects.get().status == OrderChange.Status.DONE
    assert (order["volume_kw"], field.bid().power_w) == (200, 200_000)

    order["dealt_kw"] = 100
    field.at(NOW + timedelta(seconds=90))
    assert set(Activation.objects.get().ptus.values_list("ordered_w", flat=True)) == {100_000}

    withdraw(bid_id=field.bid().pk, now=field.now(), actor=operator, reason="Enough.")
    field.at(NOW + timedelta(seconds=120))
    assert (order["over"], field.bid().status) == (True, Bid.Status.PARTLY_CLEARED)


def test_its_gate_lets_bids_lapse(field, book, group):
    group.autonomy = "approve"
    group.save()
    field.at(NOW)
    field.at(utc(15, 20) - timedelta(seconds=1))
    assert field.bid().status == Bid.Status.PROPOSED
    field.at(utc(15, 20))
    assert field.bid().status == Bid.Status.LAPSED


def test_nothing_goes_out_after_its_gate(field, book):
    book.is_away = True
    field.at(NOW)
    field.at(utc(15, 20) - timedelta(seconds=1))
    book.is_away = False
    field.at(utc(15, 20))
    assert (book.orders, field.bid().status) == ({}, Bid.Status.SOUGHT)
    field.at(utc(15, 22))
    assert field.bid().status == Bid.Status.FAILED
