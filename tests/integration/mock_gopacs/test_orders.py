"""The exchange's order API over HTTP."""

from typing import Any

import pytest

from tests.integration.mock_gopacs.market_process import (
    EAN_CENTRE,
    EAN_NORTH,
    EAN_STRANGER,
    ORDERS,
    PARTICIPANT_ID,
    STRANGER_ID,
    ms,
    order_body,
    scenario_document,
    utc,
)


def codes(response):
    return [error["code"] for error in response.json()["errors"]]


def own_orders(market, **query: Any):
    return market.call("GET", ORDERS, params={"participantId": PARTICIPANT_ID, **query}).json()


def test_a_placed_order_reads_back_in_full(market):
    # when
    order = market.placed(metaData={"clientOrderId": "bid-1"}, contractId="BID-7")
    # then
    assert order == {
        "id": order["id"], "orderType": "SELL", "participantId": PARTICIPANT_ID, "quantity": 0.4,
        "start": ms(utc(16)), "end": ms(utc(19)), "price": 180.25, "ean": EAN_CENTRE, "marketBased": True,
        "facilityType": None, "contractId": "BID-7", "usageFraction": None,
        "customExpirationTime": ms(utc(15, 45)), "metaData": {"clientOrderId": "bid-1"},
        "status": "OPEN", "final": False, "locked": False, "clearedQuantity": 0.0, "remainingQuantity": 0.4,
        "version": 1, "createdTimestamp": order["createdTimestamp"],
        "lastUpdatedTimestamp": order["createdTimestamp"], "fills": [],
        "history": [
            {"version": 1, "event": "CREATED", "timestamp": order["createdTimestamp"], "status": "OPEN",
             "quantity": 0.4, "price": 180.25, "clearedQuantity": 0.0}
        ],
        "warnings": [],
    }  # fmt: skip
    assert order["createdTimestamp"] == ms(utc(14, 31))
    assert market.order(order["id"]) == order


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"quantity": 0.05}, 400, "QUANTITY_STEP"),
        ({"start": ms(utc(16)) + 60_000}, 400, "PERIOD_GRID"),
        ({"ean": "123"}, 400, "EAN_FORMAT"),
        ({"volume": 1}, 400, "FIELD_UNKNOWN"),
        ({"customExpirationTime": ms(utc(16))}, 400, "EXPIRATION_LATE"),
        ({"participantId": STRANGER_ID}, 403, "PARTICIPANT_FOREIGN"),
        ({"ean": EAN_STRANGER}, 403, "EAN_FOREIGN"),
        ({"ean": "871685900099999999"}, 412, "EAN_NOT_REGISTERED"),
        ({"start": ms(utc(14, 45))}, 412, "GATE_CLOSED"),
        ({"start": ms(utc(14, 30))}, 412, "GATE_CLOSED"),
    ],
)  # fmt: skip
def test_a_refused_order_is_not_in_the_book(market, changes, status, code):
    response = market.place(**changes)
    assert (response.status_code, codes(response)) == (status, [code])
    assert own_orders(market)["totalElements"] == 0


def test_an_order_one_ptu_before_the_gate_is_taken(market):
    assert market.place(start=ms(utc(15))).status_code == 200


@pytest.mark.parametrize("key", ["", "wrong", "gopacs-key"])
def test_without_the_exchange_key_nothing_is_told(market, key):
    order = market.placed()
    for method, path in [
        ("POST", ORDERS),
        ("GET", ORDERS),
        ("GET", f"{ORDERS}/{order['id']}"),
        ("DELETE", f"{ORDERS}/{order['id']}"),
    ]:
        response = market.call(method, path, key=key, json=order_body())
        assert (response.status_code, codes(response)) == (403, ["API_KEY_UNKNOWN" if key else "API_KEY_MISSING"])
    assert market.order(order["id"])["status"] == "OPEN"


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_a_foreign_order_does_not_exist(market, method):
    order = market.placed()
    body = {"quantity": 0.1, "price": 1, "ean": EAN_STRANGER}
    response = market.call(method, f"{ORDERS}/{order['id']}", key="stranger-key", json=body)
    assert (response.status_code, codes(response)) == (404, ["ORDER_UNKNOWN"])
    assert market.order(order["id"]) == order


def test_a_lost_order_is_found_by_its_client_reference(market):
    # given two orders, and a third of which the client never saw the reply
    market.placed(metaData={"clientOrderId": "bid-1"})
    lost = market.placed(metaData={"clientOrderId": "bid-2"})
    market.placed()
    # when
    page = own_orders(market, clientOrderId="bid-2")
    # then
    assert [order["id"] for order in page["content"]] == [lost["id"]]
    assert own_orders(market, clientOrderId="bid-3")["content"] == []


def test_the_list_comes_in_pages_and_only_to_its_owner(market):
    placed = [market.placed(price=price)["id"] for price in (1, 2, 3)]
    first, second = (own_orders(market, size=2, page=page) for page in (0, 1))
    assert sorted(order["id"] for page in (first, second) for order in page["content"]) == sorted(placed)
    assert (first["totalElements"], first["totalPages"], first["last"], second["last"]) == (3, 2, False, True)
    response = market.call("GET", ORDERS, params={"participantId": STRANGER_ID})
    assert (response.status_code, codes(response)) == (403, ["PARTICIPANT_FOREIGN"])
    assert market.call("GET", ORDERS).status_code == 400


def test_a_change_keeps_what_it_does_not_name(market):
    order = market.placed(contractId="BID-7", metaData={"clientOrderId": "bid-1"})
    # when
    response = market.call("PUT", f"{ORDERS}/{order['id']}", json={"quantity": 0.6, "price": 90, "ean": EAN_NORTH})
    # then
    changed = response.json()
    assert response.status_code == 200
    assert (changed["quantity"], changed["price"], changed["ean"], changed["version"]) == (0.6, 90.0, EAN_NORTH, 2)
    assert (changed["contractId"], changed["metaData"]) == ("BID-7", {"clientOrderId": "bid-1"})
    assert [event["event"] for event in changed["history"]] == ["CREATED", "CHANGED"]


def test_a_change_to_not_market_based_needs_a_facility_type(market):
    order = market.placed()
    body = {"quantity": 0.4, "price": 1, "ean": EAN_CENTRE, "marketBased": False}
    response = market.call("PUT", f"{ORDERS}/{order['id']}", json=body)
    assert (response.status_code, codes(response)) == (400, ["FACILITY_TYPE_REQUIRED"])
    assert market.order(order["id"]) == order


def test_a_withdrawn_order_is_final(market):
    order = market.placed()
    withdrawn = market.call("DELETE", f"{ORDERS}/{order['id']}")
    assert (withdrawn.status_code, withdrawn.json()["status"], withdrawn.json()["final"]) == (200, "CANCELLED", True)
    for method in ("DELETE", "PUT"):
        again = market.call(method, f"{ORDERS}/{order['id']}", json={"quantity": 1, "price": 1, "ean": EAN_CENTRE})
        assert (again.status_code, codes(again)) == (412, ["ORDER_FINAL"])
        assert again.json()["order"] == withdrawn.json()


def test_an_order_expires_at_its_own_time_or_15_minutes_before_start(market):
    early = market.placed(customExpirationTime=ms(utc(15)))
    late = market.placed(quantity=0.9)
    market.advance(utc(15, 44))
    assert (market.order(early["id"])["status"], market.order(late["id"])["status"]) == ("EXPIRED", "PARTLY_CLEARED")
    market.advance(utc(15, 45))
    assert market.order(late["id"])["status"] == "EXPIRED"
    assert market.order(early["id"])["history"][-1]["timestamp"] == ms(utc(15))


def test_past_its_expiration_an_order_is_out_of_reach_even_before_the_market_has_noticed(market):
    order = market.placed()
    market.set_clock(utc(15, 45))
    response = market.call("DELETE", f"{ORDERS}/{order['id']}")
    assert (response.status_code, codes(response)) == (412, ["GATE_CLOSED"])


def test_a_body_of_5_mb_is_refused(market):
    response = market.call("POST", ORDERS, data=b'{"metaData": "' + b"x" * 5_000_000 + b'"}')
    assert (response.status_code, codes(response)) == (413, ["BODY_TOO_LARGE"])


def test_an_unknown_method_or_path_gets_a_json_error(market):
    assert codes(market.call("PATCH", ORDERS)) == ["METHOD_NOT_ALLOWED"]
    assert codes(market.call("GET", "/public-api/2.0/electricity/orders")) == ["PATH_UNKNOWN"]
    assert codes(market.call("GET", f"{ORDERS}/17")) == ["ORDER_UNKNOWN"]


def test_a_wrong_check_digit_is_taken_with_a_warning(market):
    # given a registered EAN whose last digit is wrong, like the exchange's published example
    odd_ean = "871685920001768800"
    document = scenario_document()
    document["participants"][0]["registrations"].append({"ean": odd_ean, "postcode": "3511"})
    market.load(document)
    assert [warning["code"] for warning in market.placed(ean=odd_ean)["warnings"]] == ["EAN_CHECK_DIGIT"]


@pytest.mark.parametrize(("after_change", "old"), [("new_id", (200, "CANCELLED")), ("old_id_gone", (404, None))])
def test_a_changed_order_can_get_a_new_id_and_takes_what_was_cleared_along(market, after_change, old):
    document = scenario_document()
    document["settings"]["after_change"] = after_change
    document["announcements"][0]["required_mw"] = 0.1
    market.set_clock(utc(14, 31))
    market.load(document)
    market.advance(utc(14, 31))
    order = market.placed(metaData={"clientOrderId": "bid-1"})
    market.advance(utc(15, 5))
    market.advance(utc(15, 10))
    # when
    body = {"quantity": 0.3, "price": 90, "ean": EAN_CENTRE}
    changed = market.call("PUT", f"{ORDERS}/{order['id']}", json=body).json()
    # then
    assert changed["id"] != order["id"]
    assert (changed["quantity"], changed["clearedQuantity"], changed["status"]) == (0.3, 0.1, "PARTLY_CLEARED")
    assert ([fill["quantity"] for fill in changed["fills"]], changed["version"]) == ([0.1], 1)
    found = own_orders(market, clientOrderId="bid-1")["content"]
    assert {one["id"] for one in found if not one["final"]} == {changed["id"]}
    answer = market.call("GET", f"{ORDERS}/{order['id']}")
    assert (answer.status_code, answer.json().get("status")) == old
