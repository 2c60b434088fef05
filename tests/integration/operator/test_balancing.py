"""The page of what could be offered as balancing energy."""

import json
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from aggregator.core.models import OutboxMessage
from aggregator.core.ptu import PTU
from aggregator.operator.balancing import balancing_page
from bidding.operations.balancing_notes import Note, keep_note
from bidding.services import tennet
from tests.integration.operator.conftest import NOW, WINDOW_START

PAGE = "/admin/bidding/balancingheadroom/overview/"
NEXT = WINDOW_START + 3 * PTU  # 17:45 in Amsterdam, sized from 17:15 to its gate at 17:20
TO = "\N{EN DASH}"


@pytest.fixture
def groups(evening):
    return [evening.group(name=name, is_sized_for_balancing=True) for name in ("North", "South")]


def sections():
    return {section["name"]: section for section in balancing_page(now=NOW)["sections"]}


def rows(section):
    return [[cell["text"] for cell, _ in row] for row in section["table"]["rows"]]


def drawn(section):
    data = json.loads(section["chart"].data)
    return data["labels"], {one["label"]: one["data"] for one in data["datasets"]}


def test_a_group_and_all_together_are_told_in_kilowatts_and_whole_megawatts(evening, groups):
    evening.headroom(groups[0], ptu_start=NEXT, up_w=800_000, down_w=600_000, free_w=500_000)
    evening.headroom(groups[1], ptu_start=NEXT, up_w=1_700_000, down_w=0)
    found = sections()
    assert found["North"]["next"] == f"17:45{TO}18:00: 500 of 800 kW up; 500 of 600 kW down."
    assert (
        found["All groups together"]["next"]
        == f"17:45{TO}18:00: 2,200 of 2,500 kW up, that is 2 MW; 500 of 600 kW down, that is 0 MW."
    )
    quarter = f"2026-01-14 17:45 {TO} 18:00"
    assert rows(found["All groups together"]) == [[quarter, "2,500", "2,200", "2", "600", "500", "0", "2 of 2"]]
    limit = "drivers who leave soon need their energy"
    assert rows(found["North"]) == [[quarter, "800", "500", "600", "500", limit, limit]]


def test_what_was_held_in_hindsight_is_told_by_group_and_promise(evening, groups, pages):
    for hours in range(48):
        ptu_start = NEXT - timedelta(hours=hours)
        evening.headroom(groups[0], ptu_start=ptu_start, up_w=300_000, held_w=200_000 if hours == 3 else 300_000)
    record = balancing_page(now=NOW)["record"]
    assert [header["text"] for header in record["headers"]][:4] == ["Group", "Promised", "Quarter hours", "Days"]
    row = [cell["text"] for cell, _ in record["rows"][0]]
    assert row[:6] == ["North", "95.0%", "48", "3", "47", "97.9%"]
    assert len(record["rows"]) == 1  # of South nothing was replayed
    evening.headroom(groups[1], ptu_start=NEXT, held_w=0)
    names = [row[0][0]["text"] for row in balancing_page(now=NOW)["record"]["rows"]]
    assert names == ["All groups together", "North", "South"]
    assert "Did it hold?" in (html := pages.get(PAGE).content.decode())
    assert "97.9%" in html


def test_before_anything_was_replayed_it_is_said(evening, groups, pages):
    evening.headroom(groups[0], ptu_start=NEXT)
    assert "Nothing can be said yet" in pages.get(PAGE).content.decode()


def test_the_chart_shows_a_day_and_what_comes_and_leaves_gaps(evening, groups):
    evening.headroom(groups[0], ptu_start=NEXT)
    evening.headroom(groups[0], ptu_start=NEXT - timedelta(days=1), up_w=250_000)
    evening.headroom(groups[0], ptu_start=NEXT - timedelta(days=2))
    labels, series = drawn(sections()["North"])
    assert (labels[0], labels[-1], len(labels)) == ("01-13 17:15", "01-14 17:45", 99)
    up_kw = series["Up: consume less"]
    assert (up_kw[2], up_kw[3], up_kw[-1]) == (250.0, None, 300.0)
    assert set(series["1 MW: the smallest bid"]) == {1000.0}


def test_what_is_not_sized_is_said_and_not_taken_for_zero(evening, groups):
    evening.headroom(groups[0], ptu_start=NEXT - PTU)
    found = sections()
    assert found["North"]["next"] == f"17:45{TO}18:00: not sized yet."
    assert rows(found["All groups together"])[0][-1] == "1 of 2"
    assert rows(found["South"]) == []


def test_a_group_that_is_not_asked_is_not_shown(pages, evening):
    evening.headroom(evening.group(), ptu_start=NEXT)
    assert balancing_page(now=NOW)["sections"] == []
    assert "Is sized for balancing" in pages.get(PAGE).content.decode()


def test_the_queries_do_not_grow_with_groups_and_quarter_hours(pages, evening, groups):
    def queries():
        with CaptureQueriesContext(connection) as captured:
            assert pages.get(PAGE).status_code == 200
        return len(captured)

    evening.headroom(groups[0], ptu_start=NEXT)
    evening.balancing_bid(groups[0], ptu_start=NEXT - PTU)
    queries()
    before = queries()
    for number in range(3):
        evening.headroom(evening.group(is_sized_for_balancing=True), ptu_start=NEXT - number * PTU)
        evening.balancing_bid(*evening.groups, ptu_start=NEXT - number * PTU, direction="increase")
    assert queries() == before


@pytest.fixture
def configured(settings):
    settings.TENNET_URL, settings.TENNET_API_KEY, settings.TENNET_PARTY_ID = (
        "https://tennet.example",
        "k",
        "8712345000004",
    )
    settings.AFRR_MOST_UP_MW = 3
    return settings


def state():
    return balancing_page(now=NOW)["state"]


def test_the_page_says_whether_it_sells_or_what_is_missing(evening, groups, configured):
    assert state() == "Nothing is offered: no group is ticked “Offers balancing”."
    groups[0].offers_balancing = True
    groups[0].save()
    assert state() == "Offered by itself, from 1 group: at most 3 MW up and 0 MW down."
    configured.AFRR_MOST_UP_MW = 0
    assert state() == "Nothing is offered: AFRR_MOST_UP_MW and AFRR_MOST_DOWN_MW, what TenneT lets us bid, are 0."
    configured.TENNET_API_KEY = ""
    assert state() == "Nothing is offered. Not set: TENNET_API_KEY."


def test_bids_are_told_with_their_parts_and_why_there_are_no_more(evening, groups):
    evening.balancing_bid(*groups, ptu_start=NEXT)
    evening.balancing_bid(
        groups[0], ptu_start=NEXT - 8 * PTU, direction="increase", power_w=1_000_000, status="refused",
        status_reason="A59 Too much.", price_eur_per_mwh=20,
    )  # fmt: skip
    keep_note(NEXT, "reduce", Note(prequalified_mw=3, offered_w=2_000_000, stay_out={"East": "not sized in time"}))
    keep_note(NEXT, "increase", Note(prequalified_mw=2, offered_w=700_000))
    keep_note(NEXT - PTU, "increase", Note(prequalified_mw=0))
    bids = balancing_page(now=NOW)["bids"]
    parts = "North 1,000 kW; South 1,000 kW"
    assert rows({"table": bids["coming"]}) == [
        ["01-14 17:45", "up", "2", "we get € 90.00", "Taken by TenneT", parts, "East: not sized in time"],
        ["01-14 17:45", "down", "0", "", "No bid", "", ""],
        ["01-14 17:30", "down", "0", "", "No bid", "", ""],
    ]
    whys = [row[4][0]["note"] for row in bids["coming"]["rows"]]
    assert whys == ["", "0.7 MW of the 1 MW that a bid needs", "TenneT lets us bid none this way"]
    [refused] = rows({"table": bids["past"]})
    assert refused[2:6] == ["1", "we pay € 20.00", "Refused by TenneT", "North 1,000 kW"]
    assert bids["past"]["rows"][0][4][0]["note"] == "A59 Too much."


def test_a_bid_is_taken_back_by_whoever_may_act_and_says_why(client, colleague, evening, groups, configured):
    tennet.cache_clear()
    bid = evening.balancing_bid(*groups, ptu_start=NEXT + PTU)  # its gate is open
    address, chosen = "/admin/bidding/balancingbid/", {"action": "take_back", "_selected_action": [bid.pk]}
    client.force_login(colleague("bidding.view_balancingbid"))
    client.post(address, {**chosen, "reason": "No."})
    bid.refresh_from_db()
    assert bid.take_back_asked_at is None
    client.force_login(colleague("bidding.view_balancingbid", "bidding.change_balancingbid"))
    assert "Reason" in client.post(address, chosen).content.decode()
    answer = client.post(address, {**chosen, "reason": "The depot is on fire."}, follow=True)
    assert "1 balancing bid asked to be taken back." in answer.content.decode()
    bid.refresh_from_db()
    assert (bid.take_back_asked_at, bid.status_reason) == (NOW, "The depot is on fire.")
    assert OutboxMessage.objects.get().channel == "tennet"
    answer = client.post(address, {**chosen, "reason": "Again."}, follow=True)
    assert "It was asked already." in answer.content.decode()
    tennet.cache_clear()


def test_the_menu_leads_to_the_page_for_whoever_may_see_it(client, colleague, evening):
    client.force_login(colleague("bidding.view_bid"))
    assert client.get(PAGE).status_code == 403
    client.force_login(colleague("bidding.view_balancingheadroom", "bidding.view_bid"))
    assert f'href="{PAGE}"' in client.get("/admin/").content.decode()
    text = client.get(PAGE).content.decode()
    assert "Nothing is offered. Not set: TENNET_URL, TENNET_API_KEY, TENNET_PARTY_ID." in text
    assert "Bids to TenneT" not in text  # may not see them
    assert "from 25 min before the quarter hour" in text
    assert client.post(PAGE).status_code == 405
