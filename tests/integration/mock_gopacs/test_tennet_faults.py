"""TenneT misbehaving on demand: answers late, lost or refused, a signal that is wrong, a settlement that is late."""

from datetime import timedelta

import pytest
import requests

from tests.bid_documents import PTU_17, bid, document
from tests.integration.mock_gopacs.bsp_side import Bsp, iso, tennet_scenario
from tests.integration.mock_gopacs.market_process import utc


@pytest.fixture
def bsp(market_process):
    """A BSP with a bid of 5 MW up, of which 3 are wanted from 18:00 local time on."""
    market_process.set_clock(utc(14, 31))
    demand = [{"at": "18:00", "mw": 3}, {"at": "18:00:20", "mw": -3}]
    terms = {"lost_after_seconds": None}
    market_process.load(tennet_scenario(terms=terms, demand=demand))
    bsp = Bsp(market_process)
    assert bsp.codes(document(bid(price="10.00"))) == ["A01"]
    return bsp


def break_signal(bsp, kind, seconds=60.0):
    return bsp.market.control("POST", "tennet/faults", json={"kind": kind, "seconds": seconds})


def at(bsp, seconds):
    bsp.market.set_clock(PTU_17 + timedelta(seconds=seconds))


def test_an_acknowledgement_that_was_lost_is_there_when_the_same_is_sent_again(bsp):
    bsp.market.control("POST", "faults", json={"kind": "reply_lost", "path": "/tennet/documents"})
    change = document(bid(price="20.00"), mrid="document-2")
    with pytest.raises(requests.ConnectionError):
        bsp.send(change)
    # it was processed, though the gate has closed by now
    at(bsp, 0)
    assert bsp.codes(change) == ["A01"]


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_tennet_says_when_to_come_back_and_does_nothing(bsp, status):
    bsp.market.control(
        "POST", "faults", json={"kind": "status", "status": status, "retry_after": 7, "path": "/tennet/documents"}
    )
    refused = bsp.send(document(bid(price="20.00"), mrid="document-2"))
    assert (refused.status_code, refused.headers["Retry-After"]) == (status, "7")
    assert bsp.codes(document(bid(price="30.00"), mrid="document-2")) == ["A01"]


def test_an_acknowledgement_may_come_late(bsp):
    bsp.market.control("POST", "faults", json={"kind": "delay", "seconds": 0.2, "path": "/tennet/documents"})
    response = bsp.send(document(bid(price="20.00"), mrid="document-2"))
    assert response.elapsed.total_seconds() >= 0.2
    assert response.status_code == 200


def test_a_frozen_signal_repeats_one_cycle_and_then_goes_on(bsp):
    at(bsp, 6)
    break_signal(bsp, "frozen", seconds=20)
    frozen = bsp.setpoint()
    assert (frozen["at"], frozen["delta_setpoint_mw"]) == (iso(PTU_17 + timedelta(seconds=4)), "3.000")
    at(bsp, 25)
    assert bsp.setpoint() == frozen
    at(bsp, 26)
    going_on = bsp.setpoint()
    assert (going_on["sequence"], going_on["delta_setpoint_mw"]) == (frozen["sequence"] + 5, "0.000")


@pytest.mark.parametrize(
    ("kind", "value", "is_valid"),
    [("invalid", "3.000", False), ("not_a_number", "NaN", True), ("full_volume", "5.000", True)],
)
def test_a_signal_can_be_wrong_for_a_while(bsp, kind, value, is_valid):
    at(bsp, 0)
    break_signal(bsp, kind)
    wrong = bsp.setpoint()
    assert (wrong["delta_setpoint_mw"], wrong["is_valid"]) == (value, is_valid)
    # and what was asked is settled as it was meant
    assert bsp.market.control("DELETE", "tennet/faults") == []
    right = bsp.setpoint()
    assert (right["delta_setpoint_mw"], right["is_valid"]) == ("3.000", True)


def test_a_settlement_can_be_late(bsp):
    bsp.market.set_clock(utc(9, day=15))
    (armed,) = break_signal(bsp, "settlement_late", seconds=3600)
    assert armed["kind"] == "settlement_late"
    late = bsp.call("GET", "settlements/2026-01-14")
    assert (late.status_code, late.json()["errors"][0]["code"]) == (404, "SETTLEMENT_NOT_MADE")
    bsp.market.set_clock(utc(10, day=15))
    assert bsp.call("GET", "settlements/2026-01-14").status_code == 200


@pytest.mark.parametrize(
    "switch",
    [{"kind": "fire", "seconds": 1}, {"kind": "frozen"}, {"kind": "frozen", "seconds": 0},
     {"kind": "frozen", "seconds": 1, "times": 2}, {"kind": "frozen", "seconds": "long"}],
)  # fmt: skip
def test_a_switch_of_tennet_that_makes_no_sense_is_refused(bsp, switch):
    response = requests.post(
        f"{bsp.market.address}/control/tennet/faults", headers={"X-Control-Token": "control"}, json=switch, timeout=20
    )
    assert (response.status_code, response.json()["errors"][0]["code"]) == (400, "FAULT_INVALID")
