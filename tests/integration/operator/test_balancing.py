"""The page of what could be offered as balancing energy."""

import json
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from aggregator.core.ptu import PTU
from aggregator.operator.balancing import balancing_page
from tests.integration.operator.conftest import NOW, WINDOW_START

PAGE = "/admin/bidding/balancingheadroom/overview/"
NEXT = WINDOW_START + 4 * PTU  # 18:00 in Amsterdam, whose gate is at 17:35
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
    assert found["North"]["next"] == f"18:00{TO}18:15: 500 of 800 kW up; 500 of 600 kW down."
    assert (
        found["All groups together"]["next"]
        == f"18:00{TO}18:15: 2,200 of 2,500 kW up, that is 2 MW; 500 of 600 kW down, that is 0 MW."
    )
    quarter = f"2026-01-14 18:00 {TO} 18:15"
    assert rows(found["All groups together"]) == [[quarter, "2,500", "2,200", "2", "600", "500", "0", "2 of 2"]]
    limit = "drivers who leave soon need their energy"
    assert rows(found["North"]) == [[quarter, "800", "500", "600", "500", limit, limit]]


def test_the_chart_shows_a_day_and_what_comes_and_leaves_gaps(evening, groups):
    evening.headroom(groups[0], ptu_start=NEXT)
    evening.headroom(groups[0], ptu_start=NEXT - timedelta(days=1), up_w=250_000)
    evening.headroom(groups[0], ptu_start=NEXT - timedelta(days=2))
    labels, series = drawn(sections()["North"])
    assert (labels[0], labels[-1], len(labels)) == ("01-13 17:15", "01-14 18:00", 100)
    up_kw = series["Up: consume less"]
    assert (up_kw[3], up_kw[4], up_kw[-1]) == (250.0, None, 300.0)
    assert set(series["1 MW: the smallest bid"]) == {1000.0}


def test_what_is_not_sized_is_said_and_not_taken_for_zero(evening, groups):
    evening.headroom(groups[0], ptu_start=NEXT - PTU)
    found = sections()
    assert found["North"]["next"] == f"18:00{TO}18:15: not sized yet."
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
    queries()
    before = queries()
    for number in range(3):
        evening.headroom(evening.group(is_sized_for_balancing=True), ptu_start=NEXT - number * PTU)
    assert queries() == before


def test_the_menu_leads_to_the_page_for_whoever_may_see_it(client, colleague, evening):
    client.force_login(colleague("bidding.view_bid"))
    assert client.get(PAGE).status_code == 403
    client.force_login(colleague("bidding.view_balancingheadroom", "bidding.view_bid"))
    assert f'href="{PAGE}"' in client.get("/admin/").content.decode()
    text = client.get(PAGE).content.decode()
    assert "Not offered by itself yet" in text
    assert "from 25 min before the quarter hour" in text
    assert client.post(PAGE).status_code == 405
