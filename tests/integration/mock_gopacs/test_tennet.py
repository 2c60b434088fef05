"""The mock TenneT over HTTP: bids to merit order, setpoints, measurements and settlement, by the market's clock."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal

import pytest
import requests

from tests.bid_documents import PTU_17, bid, document
from tests.integration.mock_gopacs.bsp_side import STRANGER, Bsp, iso, reason_codes, tennet_scenario
from tests.integration.mock_gopacs.market_process import ms, utc

CYCLE = timedelta(seconds=4)


@pytest.fixture
def bsp(market_process):
    """A BSP at 15:31 local time, whose connection is never lost."""
    market_process.set_clock(utc(14, 31))
    market_process.load(tennet_scenario(terms={"lost_after_seconds": None, "penalty_eur_per_mwh": 100}))
    return Bsp(market_process)


def merit_order(bsp, at=PTU_17):
    return bsp.market.control("GET", "tennet/merit-order", params={"at": ms(at)})


def rows(ladder):
    return [(row["mRID"].partition("-")[0], row["quantityMw"], row["activatedMw"]) for row in ladder]


def test_bids_stand_in_the_merit_order_beside_the_competitors(bsp):
    assert bsp.codes(document(bid("a", price="90.00"), bid("b", price="70.00"), bid("c", direction="A02"))) == ["A01"]
    order = merit_order(bsp)
    assert rows(order["up"]) == [("b", 5, 0), ("other", 10, 0), ("a", 5, 0)]
    assert rows(order["down"]) == [("c", 5, 0), ("other", 10, 0)]
    assert (order["startsAt"], order["gateClosesAt"], order["frozen"]) == (ms(PTU_17), ms(utc(16, 35)), False)


def test_a_shortfall_of_what_is_contracted_is_shown(bsp):
    bsp.codes(document(bid(quantity="4")))
    assert merit_order(bsp)["contractedShortfallMw"] == {
        "8712345000004": {"up": 2, "down": 0}, STRANGER: {"up": 0, "down": 0},
    }  # fmt: skip


def test_a_bid_is_changed_and_cancelled_under_its_own_name_until_the_gate_freezes_it(bsp):
    bsp.codes(document(bid()))
    assert bsp.codes(document(bid(quantity="7", price="60.00"), mrid="document-2")) == ["A01"]
    assert rows(merit_order(bsp)["up"]) == [("bid", 7, 0), ("other", 10, 0)]
    assert bsp.codes(document(bid(quantity="0", price=None), mrid="document-3")) == ["A01"]
    assert rows(merit_order(bsp)["up"]) == [("other", 10, 0)]
    assert bsp.codes(document(bid(quantity="6"), mrid="document-4")) == ["A01"]
    # when the gate has closed
    bsp.market.set_clock(utc(16, 35))
    assert bsp.codes(document(bid(quantity="0"), mrid="document-5")) == ["A57", "A02"]
    # then it stands
    order = merit_order(bsp)
    assert (rows(order["up"]), order["frozen"]) == ([("other", 10, 0), ("bid", 6, 0)], True)


def test_one_wrong_bid_refuses_all_of_the_document(bsp):
    response = bsp.send(document(bid("good"), bid("wrong", quantity="2.5"), bid("late", start=utc(14, 45))))
    assert reason_codes(response) == ["A57", "A42", "A02"]
    assert "wrong" in response.text
    assert rows(merit_order(bsp)["up"]) == [("other", 10, 0)]


def test_the_cap_holds_over_all_documents(bsp):
    assert bsp.codes(document(bid("a", quantity="15"))) == ["A01"]
    assert bsp.codes(document(bid("b", quantity="6"), mrid="document-2")) == ["A59", "A02"]
    assert bsp.codes(document(bid("a", quantity="14"), bid("b", quantity="6"), mrid="document-3")) == ["A01"]


def test_documents_at_the_same_moment_do_not_pass_the_cap_together(bsp):
    bodies = [document(bid(f"bid-{number}"), mrid=f"document-{number}") for number in range(6)]
    with ThreadPoolExecutor(6) as threads:
        answers = list(threads.map(bsp.codes, bodies))
    # 5 MW each, and 20 prequalified
    assert sorted(answers) == [["A01"]] * 4 + [["A59", "A02"]] * 2


def test_documents_and_a_reload_at_the_same_time_do_not_break_each_other(bsp):
    bodies = [document(bid(), mrid=f"document-{number}") for number in range(60)]
    with ThreadPoolExecutor(6) as threads:
        answers = threads.map(bsp.send, bodies)
        for bsps in ([], tennet_scenario()["tennet"]["bsps"]) * 3:
            bsp.market.load(tennet_scenario(bsps=bsps))
        assert {answer.status_code for answer in answers} <= {200, 403, 503}


def test_the_same_bytes_get_the_same_answer_and_others_under_that_name_are_refused(bsp):
    first = bsp.send(document(bid()))
    bsp.market.set_clock(utc(16, 40))  # after the gate
    assert bsp.send(document(bid())).content == first.content
    assert bsp.codes(document(bid(quantity="6"))) == ["A02", "A51"]
    # a refusal is repeated as well
    refused = bsp.send(document(bid(), mrid="document-2"))
    bsp.market.set_clock(utc(14, 31))
    assert bsp.send(document(bid(), mrid="document-2")).content == refused.content


def test_names_of_documents_and_bids_are_each_bsps_own(bsp):
    assert bsp.codes(document(bid())) == ["A01"]
    stranger = Bsp(bsp.market, key="stranger-key")
    assert stranger.codes(document(bid(), sender=STRANGER)) == ["A01"]
    assert stranger.codes(document(bid(), mrid="document-2")) == ["A02", "A78"]
    assert len(merit_order(bsp)["up"]) == 3


@pytest.mark.parametrize(("key", "code"), [("", "API_KEY_MISSING"), ("exchange-key", "API_KEY_UNKNOWN")])
@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "documents"), ("GET", "setpoint"), ("POST", "measurements"), ("GET", "settlements/2026-01-14")],
)
def test_every_door_asks_for_a_bsps_key(bsp, method, path, key, code):
    response = Bsp(bsp.market, key=key).call(method, path)
    assert (response.status_code, response.json()["errors"][0]["code"]) == (403, code)


def test_what_is_no_document_is_refused_in_json(bsp):
    for body in (b"", b"{}", b"<a", b"<!DOCTYPE a><a/>"):
        response = bsp.send(body)
        assert (response.status_code, response.json()["errors"][0]["code"]) == (400, "BODY_INVALID")
    response = bsp.call("POST", "documents", data=document(bid()), headers={"Content-Type": "application/json"})
    assert (response.status_code, response.json()["errors"][0]["code"]) == (400, "CONTENT_TYPE_INVALID")
    assert bsp.call("GET", "documents").status_code == 405
    assert bsp.codes(b"<a/>") == ["A02", "A94"]


def test_a_document_may_be_large_but_not_without_end(bsp):
    many = [bid(f"bid-{number}", quantity="1", start=utc(17) + timedelta(minutes=15 * (number % 20)))
            for number in range(400)]  # fmt: skip
    assert len(document(*many)) > 256 * 1024
    assert bsp.codes(document(*many)) == ["A01"]
    response = bsp.send(b" " * (4 * 1024 * 1024 + 1))
    assert (response.status_code, response.json()["errors"][0]["code"]) == (413, "BODY_TOO_LARGE")


def test_the_setpoint_follows_the_demand_by_the_clock_and_nothing_ticks(bsp):
    bsp.codes(document(bid("up", price="90.00"), bid("down", direction="A02", price="10.00")))
    bsp.market.set_clock(PTU_17)
    idle = bsp.setpoint()
    assert (idle["at"], idle["delta_setpoint_mw"], idle["is_valid"]) == (iso(PTU_17), "0.000", True)
    # when TenneT wants 12.5 MW more, our part of it comes with the next cycle
    changed = bsp.market.control("POST", "tennet/demand", json={"mw": 12.5})
    assert changed == {"at": ms(PTU_17 + CYCLE), "mw": 12.5}
    assert bsp.setpoint() == idle
    bsp.market.set_clock(PTU_17 + CYCLE + timedelta(seconds=3))
    assert bsp.setpoint() == {
        "sequence": idle["sequence"] + 1, "at": iso(PTU_17 + CYCLE), "delta_setpoint_mw": "2.500", "is_valid": True,
    }  # fmt: skip
    assert rows(merit_order(bsp, PTU_17 + CYCLE)["up"]) == [("other", 10, 10), ("up", 5, 2.5)]
    # and down in turn
    bsp.market.control("POST", "tennet/demand", json={"mw": -11, "at": ms(PTU_17 + 5 * CYCLE)})
    bsp.market.set_clock(PTU_17 + 5 * CYCLE)
    assert bsp.setpoint()["delta_setpoint_mw"] == "-1.000"
    assert Bsp(bsp.market, key="stranger-key").setpoint()["delta_setpoint_mw"] == "0.000"


def test_a_ramped_setpoint_and_the_trace_of_a_scenario(market_process):
    demand = [{"at": "18:00", "mw": 13}, {"at": "18:10", "mw": 0}]
    terms = {"lost_after_seconds": None, "is_ramped": True, "full_activation_seconds": 60}
    market_process.set_clock(utc(14, 31))
    market_process.load(tennet_scenario(terms=terms, demand=demand))
    bsp = Bsp(market_process)
    bsp.codes(document(bid()))
    told = []
    for seconds in (0, 28, 56, 60, 600, 656, 660):
        market_process.set_clock(PTU_17 + timedelta(seconds=seconds))
        told.append(bsp.setpoint()["delta_setpoint_mw"])
    assert told == ["0.200", "1.600", "3.000", "3.000", "2.800", "0.000", "0.000"]


@pytest.mark.parametrize(
    "body", [{}, {"mw": "x"}, {"mw": "NaN"}, {"mw": 1, "at": ms(utc(14))}, {"mw": 1, "at": "soon"}, {"mw": 1, "by": 2}]
)
def test_a_demand_that_makes_no_sense_or_is_past_is_refused(bsp, body):
    response = requests.post(
        f"{bsp.market.address}/control/tennet/demand", headers={"X-Control-Token": "control"}, json=body, timeout=20
    )
    assert response.status_code == 400
    assert bsp.market.control("GET", "tennet/demand") == []


def test_measurements_are_kept_as_they_came(bsp):
    assert bsp.measure(utc(14, 31), measured_mw="-2.5").status_code == 204
    (row,) = bsp.market.control("GET", "tennet/measurements")
    assert {name: row[name] for name in ("party", "at", "receivedAt", "is_in_control")} == {
        "party": "8712345000004", "at": iso(utc(14, 31)), "receivedAt": ms(utc(14, 31)), "is_in_control": True,
    }  # fmt: skip
    powers = ("reference_mw", "measured_mw", "available_up_mw", "available_down_mw")
    assert [Decimal(row[name]) for name in powers] == [-3, Decimal("-2.5"), 3, Decimal("1.5")]


@pytest.mark.parametrize(
    ("seconds", "changes", "code"),
    [(0, {}, "MEASUREMENT_ORDER"), (-13, {}, "MEASUREMENT_STALE"), (5, {}, "MEASUREMENT_FUTURE"),
     (4, {"measured_mw": "NaN"}, "FIELD_INVALID"), (4, {"measured_mw": "10000"}, "FIELD_INVALID")],
)  # fmt: skip
def test_a_measurement_not_to_be_believed_is_refused_and_not_kept(bsp, seconds, changes, code):
    assert bsp.measure(utc(14, 31)).status_code == 204
    response = bsp.measure(utc(14, 31) + timedelta(seconds=seconds), **changes)
    assert (response.status_code, response.json()["errors"][0]["code"]) == (422, code)
    assert len(bsp.market.control("GET", "tennet/measurements")) == 1


def test_a_bsp_is_passed_by_until_it_is_heard_and_once_it_is_silent(market_process):
    market_process.set_clock(utc(14, 31))
    market_process.load(tennet_scenario(demand=[{"at": "18:00", "mw": 5}]))
    bsp = Bsp(market_process)
    bsp.codes(document(bid(price="10.00")))
    told = []
    for seconds, is_heard in ((0, True), (4, False), (60, False), (64, False)):
        market_process.set_clock(PTU_17 + timedelta(seconds=seconds))
        if is_heard:
            assert bsp.measure(PTU_17 + timedelta(seconds=seconds)).status_code == 204
        told.append(bsp.setpoint()["delta_setpoint_mw"])
    assert told == ["0.000", "5.000", "5.000", "0.000"]
    (ours, _) = merit_order(bsp, PTU_17 + timedelta(seconds=64))["up"]
    assert (ours["available"], ours["activatedMw"]) == (False, 0)


def test_a_day_is_settled_once_it_is_over_by_what_was_asked(bsp):
    bsp.codes(document(bid(price="90.00"), bid("down", direction="A02", price="10.00")))
    bsp.market.set_clock(PTU_17 - 2 * CYCLE)
    bsp.market.control("POST", "tennet/demand", json={"mw": 15, "at": ms(PTU_17)})
    bsp.market.control("POST", "tennet/demand", json={"mw": -12, "at": ms(PTU_17 + 180 * CYCLE)})
    bsp.market.control("POST", "tennet/demand", json={"mw": 0, "at": ms(PTU_17 + 225 * CYCLE)})
    early = bsp.call("GET", "settlements/2026-01-14")
    assert (early.status_code, early.json()["errors"][0]["code"]) == (404, "SETTLEMENT_NOT_MADE")
    assert "2026-01-15T09:00:00Z" in early.json()["errors"][0]["message"]
    # when it is made, ten hours after Dutch midnight
    bsp.market.set_clock(utc(9, day=15))
    settlement = bsp.call("GET", "settlements/2026-01-14").json()
    # then the PTU has its energies, prices and amount; nothing was delivered
    assert (settlement["day"], settlement["is_final"], len(settlement["periods"])) == ("2026-01-14", True, 96)
    period = settlement["periods"][72]
    missed_up, missed_down = Decimal(period.pop("missed_up_mwh")), Decimal(period.pop("missed_down_mwh"))
    penalty = Decimal(period.pop("penalty_eur"))
    assert period == {
        "position": 73, "starts_at": iso(PTU_17), "requested_up_mwh": "1.000000", "requested_down_mwh": "0.100000",
        "price_up_eur_per_mwh": "90.00", "price_down_eur_per_mwh": "10.00", "amount_eur": "89.00",
    }  # fmt: skip
    assert Decimal("0.6") < missed_up < Decimal("0.9")
    assert penalty == ((missed_up + missed_down) * 100).quantize(Decimal("0.01"))
    assert settlement["periods"][0]["amount_eur"] == "0.00"


def test_who_delivered_as_measured_misses_nothing(bsp):
    bsp.codes(document(bid(price="10.00")))
    bsp.market.set_clock(PTU_17 - CYCLE)
    bsp.market.control("POST", "tennet/demand", json={"mw": 5, "at": ms(PTU_17)})
    bsp.market.control("POST", "tennet/demand", json={"mw": 0, "at": ms(PTU_17 + 100 * CYCLE)})
    for seconds, measured in ((0, "2.000"), (420, "-3.000")):
        bsp.market.set_clock(PTU_17 + timedelta(seconds=seconds))
        assert bsp.measure(PTU_17 + timedelta(seconds=seconds), measured_mw=measured).status_code == 204
    bsp.market.set_clock(utc(9, day=15))
    period = bsp.call("GET", "settlements/2026-01-14").json()["periods"][72]
    assert (period["requested_up_mwh"], period["missed_up_mwh"], period["penalty_eur"]) == (
        "0.555556", "0.000000", "0.00",
    )  # fmt: skip


@pytest.mark.parametrize(("day", "count"), [("2026-03-29", 92), ("2026-10-25", 100)])
def test_days_on_which_the_clock_changes_are_settled_whole(market_process, day, count):
    market_process.set_clock(utc(9, day=1, month=12))
    market_process.load({**tennet_scenario(), "date": day, "announcements": [], "foreign_orders": []})
    periods = Bsp(market_process).call("GET", f"settlements/{day}").json()["periods"]
    assert [period["position"] for period in periods] == list(range(1, count + 1))


@pytest.mark.parametrize("day", ["today", "2026-02-30", "0001-01-01", "9999-12-31"])
def test_what_is_no_day_has_no_settlement(bsp, day):
    response = bsp.call("GET", f"settlements/{day}")
    assert (response.status_code, response.json()["errors"][0]["code"]) == (404, "DAY_INVALID")


def test_without_a_scenario_nobody_bids(bsp):
    bsp.market.control("POST", "reset")
    assert bsp.send(document(bid())).status_code == 403
