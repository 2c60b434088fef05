"""The market's day: publish, lock, clear, expire, close; and the same after being killed."""

import signal
from datetime import timedelta
from typing import Any

import psycopg
import pytest
import requests

from tests.integration.mock_gopacs.market_process import (
    EAN_CENTRE,
    EAN_NORTH,
    ORDERS,
    PARTICIPANT_ID,
    end,
    ms,
    run_with_models,
    scenario_document,
    start_clockwork,
    utc,
    wait_until,
)


def announcements(market):
    return market.call("GET", "/public/announcements").json()["content"]


def codes(response):
    return [error["code"] for error in response.json()["errors"]]


def changed_announcement(**changes: Any):
    document = scenario_document()
    document["announcements"][0].update(changes)
    return document


def test_nothing_is_announced_before_its_time(market_process):
    market_process.set_clock(utc(14, 29))
    market_process.load(scenario_document())
    assert market_process.advance(utc(14, 29)) == []
    assert announcements(market_process) == []


def test_an_announcement_has_the_public_shape(market):
    (announcement,) = announcements(market)
    assert announcement == {
        "id": announcement["id"], "problemId": announcement["problemId"], "message": "",
        "type": "CONGESTIONMANAGEMENT", "complianceType": "VOLUNTARY", "announcementState": "ANNOUNCEMENT_OPEN",
        "organisationName": "Stedin", "problemAreaDescription": "Centre",
        "requestAreaDescriptionBuyOrders": "Outside Centre", "requestAreaDescriptionSellOrders": "Centre",
        "createdTimestamp": ms(utc(14, 30)), "lastUpdatedTimestamp": ms(utc(14, 30)),
        "day": ms(utc(23, day=13)),
        "problemPeriod": {"startTime": ms(utc(16)), "endTime": ms(utc(19)), "durationInHours": 3.0,
                          "numberOfQuartersInTimeSpan": 12},
        "bidValidityPeriod": {"startTime": ms(utc(14, 30)), "endTime": ms(utc(15, 45))},
        "requiredProblemProfileInMW": [0.5] * 12, "remainingProblemProfileInMW": [0.5] * 12,
        "congestedZipCodes": ["3511", "3512"],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ({}, 1),
        ({"postalcode": "3511"}, 1),
        ({"postalcode": "9711"}, 0),
        ({"state": "ANNOUNCEMENT_OPEN", "type": "CONGESTIONMANAGEMENT"}, 1),
        ({"state": "ANNOUNCEMENT_CLOSED"}, 0),
        ({"type": "OTHER"}, 0),
        ({"starttime": ms(utc(18)), "endtime": ms(utc(22))}, 1),
        ({"starttime": ms(utc(19))}, 0),
        ({"endtime": ms(utc(16))}, 0),
    ],
)  # fmt: skip
def test_the_machine_list_filters(market, query, count):
    assert len(market.call("GET", "/machineannouncements", params=query).json()) == count


def test_the_effectivity_names_only_the_callers_eans_in_the_area(market):
    path = f"/public-api/1.0/announcements/{announcements(market)[0]['id']}/eansolvingeffectivity"
    assert market.call("GET", path, key="gopacs-key").json() == [
        {
            "during": {"startTime": ms(utc(16)), "endTime": ms(utc(19))},
            "eansByCategory": {"THREE_PHASE_NETWORK_REDUCE": [EAN_CENTRE]},
        }
    ]
    assert market.call("GET", path, key="exchange-key").status_code == 403
    unknown = path.replace(announcements(market)[0]["id"], "c" * 8)
    assert codes(market.call("GET", unknown, key="gopacs-key")) == ["ANNOUNCEMENT_UNKNOWN"]


def test_prices_and_the_need_decide_full_part_and_none(market):
    # given a need of 0.5 MW and three orders inside, and one outside the area
    cheap = market.placed(quantity=0.3, price=100)
    middle = market.placed(quantity=0.4, price=200)
    dear = market.placed(quantity=0.2, price=300)
    elsewhere = market.placed(quantity=0.5, price=1, ean=EAN_NORTH)
    # when
    market.advance(utc(15, 10))
    # then
    after = [market.order(order["id"]) for order in (cheap, middle, dear, elsewhere)]
    assert [(order["status"], order["clearedQuantity"], order["remainingQuantity"]) for order in after] == [
        ("CLEARED", 0.3, 0.0),
        ("PARTLY_CLEARED", 0.2, 0.2),
        ("OPEN", 0.0, 0.2),
        ("OPEN", 0.0, 0.5),
    ]
    (announcement,) = announcements(market)
    assert announcement["remainingProblemProfileInMW"] == [0.0] * 12
    (clearing,) = market.control("GET", "clearings")
    assert after[1]["fills"] == [
        {"id": after[1]["fills"][0]["id"], "clearingId": clearing["id"], "announcementId": announcement["id"],
         "side": "SELL", "quantity": 0.2, "price": 200.0, "start": ms(utc(16)), "end": ms(utc(19)),
         "clearedTimestamp": ms(utc(15, 10))}
    ]  # fmt: skip
    # 0.3 MW x 3 h x (100 - 50) + 0.2 MW x 3 h x (200 - 50) EUR
    assert (clearing["clearedMwh"], clearing["shortageMwh"], clearing["spreadEur"]) == (1.5, 0.0, 135.0)


def test_what_is_left_can_be_cleared_by_the_next_round(market_process):
    market_process.set_clock(utc(14, 31))
    market_process.load(changed_announcement(clears_at=["16:10", "16:30"]))
    market_process.control("POST", "step")
    first = market_process.placed(quantity=0.3)
    market_process.advance(utc(15, 11))
    second = market_process.placed(quantity=0.9)
    # when
    market_process.advance(utc(15, 30))
    # then
    assert market_process.order(first["id"])["clearedQuantity"] == 0.3
    assert market_process.order(second["id"])["clearedQuantity"] == 0.2


def test_while_the_book_is_locked_every_change_in_its_period_waits(market):
    order = market.placed()
    other_evening = market.placed(start=ms(utc(20)), end=ms(utc(21)))
    assert market.advance(utc(15, 5)) == ["book locked"]
    # when
    refused = [
        market.place(),
        market.call("PUT", f"{ORDERS}/{order['id']}", json={"quantity": 0.1, "price": 1, "ean": EAN_CENTRE}),
        market.call("DELETE", f"{ORDERS}/{order['id']}"),
    ]
    # then nothing has changed, and the answers show the order as it stands
    assert [(response.status_code, codes(response)) for response in refused] == [(423, ["BOOK_LOCKED"])] * 3
    locked = market.order(order["id"])
    assert (locked["locked"], locked["version"], locked["quantity"]) == (True, 2, 0.4)
    assert refused[2].json()["order"] == locked
    # and outside the period the book is open
    assert market.call("DELETE", f"{ORDERS}/{other_evening['id']}").status_code == 200
    # and after the clearing it is free again
    market.advance(utc(15, 10))
    assert [event["event"] for event in market.order(order["id"])["history"]] == ["CREATED", "LOCKED", "CLEARED"]
    assert market.place().status_code == 200


def test_a_partly_cleared_order_can_lose_its_rest_but_not_its_duty(market):
    order = market.placed(quantity=0.9)
    market.advance(utc(15, 10))
    path = f"{ORDERS}/{order['id']}"
    too_low = market.call("PUT", path, json={"quantity": 0.5, "price": 1, "ean": EAN_CENTRE})
    assert (too_low.status_code, codes(too_low)) == (412, ["QUANTITY_BELOW_CLEARED"])
    withdrawn = market.call("DELETE", path).json()
    assert (withdrawn["status"], withdrawn["clearedQuantity"], withdrawn["final"]) == ("CANCELLED", 0.5, True)


def test_an_order_that_has_not_dwelt_long_enough_is_left_out(market_process):
    market_process.set_clock(utc(14, 31))
    market_process.load(scenario_document(settings={"lock_minutes": 5, "minimum_dwell_minutes": 10}))
    market_process.control("POST", "step")
    market_process.set_clock(utc(14, 55))
    in_time = market_process.placed(quantity=0.2, price=300)
    market_process.set_clock(utc(14, 56))
    too_late = market_process.placed(quantity=0.2, price=100)
    market_process.advance(utc(15, 10))
    assert market_process.order(in_time["id"])["clearedQuantity"] == 0.2
    assert market_process.order(too_late["id"])["clearedQuantity"] == 0.0


def test_an_order_that_expires_at_the_clearing_is_left_out_and_freed(market_process):
    market_process.set_clock(utc(14, 31))
    market_process.load(changed_announcement(clears_at=["16:15"]))
    market_process.control("POST", "step")
    order = market_process.placed(customExpirationTime=ms(utc(15, 15)))
    market_process.advance(utc(15, 15))
    history = market_process.order(order["id"])["history"]
    assert [event["event"] for event in history] == ["CREATED", "LOCKED", "UNLOCKED", "EXPIRED"]


def test_an_order_held_by_two_clearings_is_free_after_the_second(market_process):
    # given two areas whose clearings overlap by three minutes
    document = scenario_document()
    document["announcements"].append({**document["announcements"][0], "area": "north", "clears_at": ["16:12"]})
    market_process.set_clock(utc(14, 31))
    market_process.load(document)
    market_process.control("POST", "step")
    order = market_process.placed()
    # when the first is done
    assert market_process.advance(utc(15, 10)) == ["book locked", "book locked", "book cleared"]
    # then the order is still locked, until the second is
    assert market_process.order(order["id"])["locked"]
    assert market_process.call("DELETE", f"{ORDERS}/{order['id']}").status_code == 423
    market_process.advance(utc(15, 12))
    assert not market_process.order(order["id"])["locked"]


def test_an_answer_to_a_book_that_has_changed_meanwhile_is_not_applied(market):
    # given a locked book
    market.placed()
    market.advance(utc(15, 5))
    # when the problem shrinks between solving and settling, as it does when another clearing of it comes first
    script = """
import django; django.setup()
from datetime import datetime, UTC
from mock_gopacs import market
from mock_gopacs.book import read_book, solve
from mock_gopacs.models import Announcement, Clearing, Fill
clearing = Clearing.objects.get()
solution = solve(read_book(clearing), time_limit_seconds=5)
Announcement.objects.update(remaining_mw=["0.1"] * 12)
assert market._settle(clearing, solution, clearing.clears_at) is None
assert (Clearing.objects.get().state, Fill.objects.count()) == ("LOCKED", 0)
"""
    run_with_models(market.environment, script)
    # then the market solves what is there now
    market.advance(utc(15, 10))
    assert market.control("GET", "clearings")[0]["clearedMwh"] == 0.3


def test_a_counter_order_in_another_congested_area_is_not_used(market_process):
    # given a second announcement for the area in which the only counter-order lies
    document = scenario_document()
    document["announcements"].append({**document["announcements"][0], "area": "north", "clears_at": ["16:40"]})
    market_process.set_clock(utc(14, 31))
    market_process.load(document)
    market_process.control("POST", "step")
    order = market_process.placed()
    market_process.advance(utc(15, 10))
    assert market_process.order(order["id"])["clearedQuantity"] == 0.0


def test_a_forced_outcome_overrides_prices(market_process):
    document = scenario_document(forced_outcomes=[{"ean": EAN_CENTRE, "cleared_share": 0.5}])
    market_process.set_clock(utc(14, 31))
    market_process.load(document)
    market_process.control("POST", "step")
    order = market_process.placed(price=9999)
    market_process.advance(utc(15, 10))
    assert market_process.order(order["id"])["clearedQuantity"] == 0.2


def test_a_clearing_that_would_come_after_the_start_is_missed_and_the_book_is_freed(market):
    order = market.placed()
    market.advance(utc(15, 5))
    assert market.advance(utc(16)) == ["clearing missed", "orders expired", "announcement closed"]
    assert market.order(order["id"])["status"] == "EXPIRED"
    assert market.order(order["id"])["clearedQuantity"] == 0.0


def test_a_withdrawn_announcement_is_not_cleared(market):
    order = market.placed()
    market.advance(utc(15, 5))
    market.control("POST", f"announcements/{announcements(market)[0]['id']}/withdraw")
    assert announcements(market)[0]["announcementState"] == "ANNOUNCEMENT_WITHDRAWN"
    assert announcements(market)[0]["lastUpdatedTimestamp"] == ms(utc(15, 5))
    market.advance(utc(15, 10))
    assert [event["event"] for event in market.order(order["id"])["history"]] == ["CREATED", "LOCKED", "UNLOCKED"]


@pytest.mark.parametrize(
    ("local_date", "midnight", "hours", "ptus"),
    [("2026-03-29", utc(23, day=28, month=3), 2, 8), ("2026-10-25", utc(22, day=24, month=10), 4, 16)],
)
def test_on_a_day_of_the_clock_change_profile_and_clearing_keep_to_real_quarters(
    market_process, local_date, midnight, hours, ptus
):
    # given a problem from 01:00 to 04:00 on the clock, around the change
    document = changed_announcement(publish_at="00:15", starts_at="01:00", ends_at="04:00", clears_at=["00:40"])
    document["date"] = local_date
    document["foreign_orders"][0].update(starts_at="01:00", ends_at="04:00", placed_at="00:15")
    market_process.set_clock(midnight + timedelta(minutes=20))
    market_process.load(document)
    market_process.control("POST", "step")
    starts_at = midnight + timedelta(hours=1)
    ends_at = starts_at + timedelta(hours=hours)
    # when an order covers all of it
    order = market_process.placed(start=ms(starts_at), end=ms(ends_at), quantity=0.5)
    market_process.advance(midnight + timedelta(minutes=40))
    # then
    (announcement,) = announcements(market_process)
    assert announcement["problemPeriod"] == {
        "startTime": ms(starts_at), "endTime": ms(ends_at), "durationInHours": float(hours),
        "numberOfQuartersInTimeSpan": ptus,
    }  # fmt: skip
    assert announcement["requiredProblemProfileInMW"] == [0.5] * ptus
    assert market_process.order(order["id"])["status"] == "CLEARED"
    assert market_process.control("GET", "clearings")[0]["clearedMwh"] == 0.5 * hours


def test_the_market_process_does_all_of_it_by_the_clock(market):
    order = market.placed(quantity=0.9)
    with market.clockwork():
        market.set_clock(utc(15, 9, day=14))
        assert wait_until(lambda: market.order(order["id"])["locked"])
        market.set_clock(utc(15, 46))
        assert wait_until(lambda: announcements(market)[0]["announcementState"] == "ANNOUNCEMENT_CLOSED")
    assert [event["event"] for event in market.order(order["id"])["history"]] == [
        "CREATED", "LOCKED", "PARTLY_CLEARED", "EXPIRED",
    ]  # fmt: skip


def test_killed_while_locked_the_market_goes_on_where_it_stopped(market):
    order = market.placed(quantity=0.9)
    market.set_clock(utc(15, 6))
    first = start_clockwork(market.environment)
    assert wait_until(lambda: market.order(order["id"])["locked"])
    end(first, signal.SIGKILL)
    # when the clearing comes due with nobody there, and then another process starts
    market.set_clock(utc(15, 12))
    with market.clockwork():
        assert wait_until(lambda: market.order(order["id"])["clearedQuantity"])
    # then it is cleared once, at its own time
    assert [fill["clearedTimestamp"] for fill in market.order(order["id"])["fills"]] == [ms(utc(15, 10))]
    assert [clearing["state"] for clearing in market.control("GET", "clearings")] == ["CLEARED"]


def test_the_market_outlives_a_lost_database_connection(market, market_database):
    order = market.placed()
    with market.clockwork() as process:
        market.set_clock(utc(15, 6))
        assert wait_until(lambda: market.order(order["id"])["locked"])
        # when the server ends every connection to the database, as a restart does
        with psycopg.connect(market_database, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        market.set_clock(utc(15, 10))
        # then the same process goes on
        assert wait_until(lambda: market.call("GET", f"{ORDERS}/{order['id']}").json().get("status") == "CLEARED")
        assert process.poll() is None


def test_two_market_processes_clear_once(market):
    for price in range(100, 110):
        market.placed(quantity=0.1, price=price)
    market.set_clock(utc(15, 12))
    with market.clockwork(), market.clockwork():
        assert wait_until(lambda: market.control("GET", "clearings")[0]["state"] == "CLEARED")
    page = market.call("GET", ORDERS, params={"participantId": PARTICIPANT_ID}).json()["content"]
    assert sorted(order["clearedQuantity"] for order in page) == [0.0] * 5 + [0.1] * 5
    assert all(len(order["fills"]) <= 1 for order in page)


def test_the_page_shows_announcements_orders_and_clearings_in_local_time(market):
    market.placed(quantity=0.9)
    market.advance(utc(15, 10))
    page = market.call("GET", "/").text
    for text in (
        "Wednesday 14 January 2026 16:10:00",
        "Centre",
        "14 Jan 17:00",
        EAN_CENTRE,
        "Partly Cleared",
        "OPTIMAL",
    ):
        assert text in page


def test_an_open_announcement_can_be_changed_and_keeps_what_was_cleared(market_process):
    market_process.set_clock(utc(14, 31))
    market_process.load(changed_announcement(clears_at=["16:10", "16:30"]))
    market_process.control("POST", "step")
    market_process.placed(quantity=0.3)
    market_process.advance(utc(15, 11))
    announcement = announcements(market_process)[0]
    # when the operator needs more, for an hour less
    path = f"announcements/{announcement['id']}/change"
    market_process.control("POST", path, json={"starts_at": ms(utc(17)), "ends_at": ms(utc(19)), "required_mw": 0.8})
    # then
    changed = announcements(market_process)[0]
    assert changed["problemPeriod"]["numberOfQuartersInTimeSpan"] == 8
    assert changed["requiredProblemProfileInMW"] == [0.8] * 8
    assert changed["remainingProblemProfileInMW"] == [0.5] * 8
    assert changed["lastUpdatedTimestamp"] == ms(utc(15, 11))


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"required_mw": [0.1, 0.2]}, 400),
        ({"starts_at": ms(utc(17))}, 400),
        ({"starts_at": ms(utc(17)) + 1, "ends_at": ms(utc(18))}, 400),
        ({"required_mw": "much"}, 400),
    ],
)
def test_a_change_that_makes_no_sense_changes_nothing(market, body, status):
    before = announcements(market)
    address = f"{market.address}/control/announcements/{before[0]['id']}/change"
    answer = requests.post(address, headers={"X-Control-Token": "control"}, json=body, timeout=20)
    assert answer.status_code == status
    assert announcements(market) == before
