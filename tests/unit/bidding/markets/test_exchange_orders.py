import contextlib
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.core.interval import Interval
from bidding.markets.exchange.orders import (
    Order,
    UnreadableOrder,
    change_body,
    find_orders,
    order_body,
    order_state,
    read_order,
)

PERIOD = Interval(datetime(2026, 1, 14, 16, tzinfo=UTC), datetime(2026, 1, 14, 19, tzinfo=UTC))


def order(direction="reduce", power_w=300_000, price="183.07"):
    expires_at = PERIOD.starts_at - timedelta(minutes=15)
    return Order("ref", "participant", "871685900012636543", direction, PERIOD, expires_at, power_w, Decimal(price))


def answer(**changes):
    document = {
        "id": "X1",
        "orderType": "SELL",
        "metaData": {"clientOrderId": "ref"},
        "status": "PARTLY_CLEARED",
        "final": False,
        "clearedQuantity": 0.3,
        "fills": [{"quantity": 0.1, "price": 180.0}, {"quantity": 0.2, "price": 210.0}],
    }
    return json.dumps({**document, **changes}).encode()


def test_a_sale_is_posted_in_the_public_shape():
    document = json.loads(order_body(order()), parse_float=Decimal)
    assert document["orderType"] == "SELL"
    assert (document["quantity"], document["price"]) == (Decimal("0.3"), Decimal("183.07"))
    assert (document["start"], document["end"]) == (1768406400000, 1768417200000)


def test_what_we_receive_for_consuming_more_is_posted_as_the_negative_of_a_buyers_price():
    document = json.loads(order_body(order(direction="increase", price="25.00")), parse_float=Decimal)
    assert (document["orderType"], document["price"]) == ("BUY", Decimal("-25.0"))
    filled = read_order(answer(orderType="BUY", fills=[{"quantity": 0.3, "price": -25.0}]))
    assert filled.cleared_price_eur_per_mwh == Decimal("25.00")


@given(st.integers(1, 600).map(lambda steps: steps * 100_000))
def test_quantities_come_back_to_the_watt(power_w):
    quantity = json.loads(order_body(order(power_w=power_w)))["quantity"]
    state = read_order(answer(clearedQuantity=quantity))
    assert state.cleared_power_w == power_w


@pytest.mark.parametrize("power_w", [0, -100_000, 50_000, 150_000])
def test_power_off_the_grid_is_refused(power_w):
    with pytest.raises(ValueError, match="positive multiple of 100000 W"):
        order_body(order(power_w=power_w))


def test_the_price_of_several_fills_is_their_mean_by_volume():
    assert read_order(answer()).cleared_price_eur_per_mwh == Decimal("200.00")


def test_an_order_is_final_only_when_the_exchange_says_so():
    waiting = read_order(answer())
    ended = read_order(answer(final=True, status="EXPIRED"))
    assert (waiting.is_final, ended.is_final, ended.cleared_power_w) == (False, True, 300_000)
    assert read_order(answer(status="CANCELLED", final=True)).is_cancelled


def test_our_orders_are_found_in_a_page_or_not():
    page = b'{"content": [' + b",".join([answer(id="X0", metaData=None), answer(), answer(id="X2")]) + b"]}"
    assert find_orders(b'{"content": []}', "ref") == []
    assert find_orders(page, "another's") == []
    assert [(state.order_id, document["id"]) for state, document in find_orders(page, "ref")] == [
        ("X1", "X1"), ("X2", "X2"),
    ]  # fmt: skip


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"id": 1}', b'{"content": 3}', b"\xff", b"NaN"])
def test_what_is_no_order_is_named(body):
    with pytest.raises(UnreadableOrder):
        find_orders(body, "ref")


@given(
    st.recursive(st.none() | st.integers() | st.text(), lambda inner: st.dictionaries(st.text(), inner), max_leaves=9)
)
def test_nothing_but_our_own_refusal_escapes(document):
    with contextlib.suppress(UnreadableOrder):
        order_state(document if isinstance(document, dict) else {"id": document})


def test_an_order_says_when_it_expires_when_it_is_placed_and_when_it_is_changed():
    for body in (order_body(order()), change_body(order())):
        assert json.loads(body)["customExpirationTime"] == 1768405500000  # 15:45 UTC
