"""Fault switches, the request log, and the control API's own manners."""

import threading
import time
from typing import Any

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.integration.mock_gopacs.market_process import (
    ORDERS,
    PARTICIPANT_ID,
    order_body,
    scenario_document,
    utc,
    wait_until,
)


def fault(market, **switch: Any):
    market.control("POST", "faults", json=switch)


def order_count(market):
    page = market.call("GET", ORDERS, params={"participantId": PARTICIPANT_ID}).json()
    return page["totalElements"]


def test_an_asked_for_error_comes_once_and_nothing_is_processed(market):
    fault(market, kind="status", status=429, retry_after=7, method="POST", path=ORDERS)
    # when a request that does not match comes first
    assert order_count(market) == 0
    refused = market.place()
    # then
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "7")
    assert refused.json()["errors"][0]["code"] == "FAULT"
    assert order_count(market) == 0
    assert market.place().status_code == 200


def test_a_fault_can_last_several_requests_and_be_switched_off(market):
    fault(market, kind="status", status=500, times=5)
    assert [market.place().status_code for _ in range(2)] == [500, 500]
    assert market.control("DELETE", "faults") == []
    assert market.place().status_code == 200


def test_a_lost_reply_leaves_an_order_that_its_reference_finds(market):
    fault(market, kind="reply_lost", method="POST")
    with pytest.raises(requests.ConnectionError):
        market.place(metaData={"clientOrderId": "bid-1"})
    page = market.call("GET", ORDERS, params={"participantId": PARTICIPANT_ID, "clientOrderId": "bid-1"}).json()
    assert [order["status"] for order in page["content"]] == ["OPEN"]


def test_an_error_after_processing_leaves_an_order_too(market):
    fault(market, kind="status_after", status=500, method="POST")
    assert market.place().status_code == 500
    assert order_count(market) == 1


def test_a_reset_connection_leaves_nothing(market):
    fault(market, kind="reset", method="POST")
    with pytest.raises(requests.ConnectionError):
        market.place()
    assert order_count(market) == 0


@pytest.mark.parametrize("kind", ["delay", "slow_body"])
def test_a_slow_answer_is_still_the_answer(market, kind):
    fault(market, kind=kind, seconds=0.5, method="POST")
    started = time.monotonic()
    response = market.place()
    assert time.monotonic() - started >= 0.45
    assert (response.status_code, response.json()["status"]) == (200, "OPEN")


def test_a_slow_answer_does_not_hold_up_others_and_comes_at_once_when_the_switch_is_cleared(market):
    fault(market, kind="delay", seconds=600, method="POST")
    slow = threading.Thread(target=market.place)
    slow.start()
    assert wait_until(lambda: market.control("GET", "faults") == [])  # the slow request has met its switch
    assert order_count(market) == 0
    assert slow.is_alive()
    market.control("DELETE", "faults")
    slow.join()
    assert order_count(market) == 1


def test_the_whole_book_can_be_locked_for_some_seconds_of_market_time(market):
    fault(market, kind="lock", seconds=60)
    locked = market.place()
    assert (locked.status_code, locked.json()["errors"][0]["code"]) == (423, "BOOK_LOCKED")
    market.set_clock(utc(14, 32))
    assert market.place().status_code == 200


@pytest.mark.parametrize(
    ("switch", "message"),
    [
        ({"kind": "fire"}, "no kind of fault"),
        ({"kind": "delay"}, "needs seconds"),
        ({"kind": "status", "status": 200}, "status from 400 to 599"),
        ({"kind": "reset", "seconds": 1}, "takes"),
        ({"kind": "reset", "times": 0}, "times"),
        ({"kind": "lock", "seconds": 1, "path": "/"}, "takes"),
    ],
)
def test_a_switch_that_makes_no_sense_is_refused(market, switch, message):
    response = requests.post(
        f"{market.address}/control/faults", headers={"X-Control-Token": "control"}, json=switch, timeout=20
    )
    assert response.status_code == 400
    assert message in response.json()["errors"][0]["message"]


@pytest.mark.parametrize("token", ["", "wrong"])
def test_the_control_api_asks_for_its_token(market, token):
    market.placed()
    response = requests.post(f"{market.address}/control/reset", headers={"X-Control-Token": token}, timeout=20)
    assert (response.status_code, response.json()["errors"][0]["code"]) == (403, "CONTROL_TOKEN_WRONG")
    assert order_count(market) == 1


def test_the_log_keeps_requests_and_answers_but_no_keys(market):
    before = market.control("GET", "log")[-1]["id"] if market.control("GET", "log") else 0
    fault(market, kind="reply_lost", method="POST")
    with pytest.raises(requests.ConnectionError):
        market.place(price=77.5)
    market.place(quantity=0.05)
    # when
    lost, refused = market.control("GET", "log", params={"after": before, "path": ORDERS})
    # then
    assert (lost["method"], lost["path"], lost["participant"], lost["status"], lost["fault"]) == (
        "POST", ORDERS, "aggregator", None, "reply_lost",
    )  # fmt: skip
    assert '"price": 77.5' in lost["requestBody"]
    assert (refused["status"], refused["fault"]) == (400, "")
    assert "QUANTITY_STEP" in refused["responseBody"]
    assert "exchange-key" not in str([lost, refused])


def test_a_scenario_that_cannot_be_played_leaves_the_present_one(market):
    order = market.placed()
    for body in ({"name": "no such"}, {"scenario": {"name": "empty"}}, {"scenario": 7}, {"name": "../settings"}):
        response = requests.post(
            f"{market.address}/control/scenario", headers={"X-Control-Token": "control"}, json=body, timeout=20
        )
        assert (response.status_code, response.json()["errors"][0]["code"]) == (400, "SCENARIO_INVALID")
    assert market.order(order["id"]) == order


def test_a_reset_empties_everything(market):
    market.placed()
    market.control("POST", "reset")
    assert market.call("GET", "/public/announcements").json()["totalElements"] == 0
    assert market.control("GET", "orders") == []
    assert market.place().status_code == 403


def test_orders_and_a_reload_at_the_same_time_do_not_break_each_other(market):
    statuses = []

    def place_many() -> None:
        statuses.extend(market.place().status_code for _ in range(15))

    from_threads = [threading.Thread(target=place_many) for _ in range(3)]
    for thread in from_threads:
        thread.start()
    for _ in range(5):
        market.load(scenario_document())
    for thread in from_threads:
        thread.join()
    assert len(statuses) == 45
    assert set(statuses) <= {200, 403, 412, 503}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    body=st.binary(max_size=200)
    | st.dictionaries(st.sampled_from(list(order_body())), st.none() | st.integers() | st.text("é0\x00", max_size=3))
)
def test_no_body_makes_the_market_fail(market, body):
    content = {"json": {**order_body(), **body}} if isinstance(body, dict) else {"data": body}
    assert market.call("POST", ORDERS, **content).status_code in {200, 400, 403, 412}


@pytest.mark.parametrize(
    "path",
    [
        "/public/announcements?page=-1", "/public/announcements?size=0", "/public/announcements?page=9999999999999",
        "/machineannouncements?starttime=soon", "/machineannouncements?endtime=99999999999999999999",
        f"{ORDERS}?participantId={PARTICIPANT_ID}&status=NEW", f"{ORDERS}?participantId={PARTICIPANT_ID}&size=501",
    ],
)  # fmt: skip
def test_a_query_out_of_bounds_is_refused(market, path):
    assert market.call("GET", path).status_code == 400


@pytest.mark.parametrize(
    "path",
    [
        "/machineannouncements?postalcode=%00", "/machineannouncements?state=%ff%00",
        f"{ORDERS}?participantId={PARTICIPANT_ID}&clientOrderId=%00",
        f"{ORDERS}?participantId={PARTICIPANT_ID}&clientOrderId=%ed%a0%80",
        "/public/announcements?page=0&page=1",
    ],
)  # fmt: skip
def test_strange_queries_are_answered(market, path):
    assert market.call("GET", path).status_code == 200
