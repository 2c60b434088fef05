"""The page with an asset's meter values."""

import json
from datetime import UTC, date, datetime

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from aggregator.core.ptu import PTU, day_interval
from aggregator.operator.meter_values import meter_page, readings
from assets.models import ReadingQuarter
from assets.operations import maintain_partitions

NOW = datetime(2026, 1, 14, 16, 20, tzinfo=UTC)
MIDNIGHT = datetime(2026, 1, 13, 23, tzinfo=UTC)
TO = "\N{EN DASH}"


@pytest.fixture
def asset(evening):
    return evening.asset(group=evening.group(), partner=evening.partner())


def rows(page, day=0):
    return [[cell["text"] for cell, _ in row] for row in page["days"][day]["table"]["rows"]]


def test_values_corrections_and_gaps_are_in_the_table_in_dutch_time(evening, asset):
    evening.meter(asset, MIDNIGHT + PTU, 2_000)
    evening.meter(asset, MIDNIGHT + PTU, 2_500, export_wh=500, revision=1, quality="estimated")

    first, second, third = rows(meter_page(asset=asset, last_day=date(2026, 1, 14), now=NOW))

    assert first[:2] == [f"2026-01-14 00:00 {TO} 00:15", "no value for 15 min"]
    assert second == [
        "2026-01-14 00:15", "2.500", "0.500", "8", "Estimated", "1", "2026-01-14 00:45", "revision 0: 8 kW",
    ]  # fmt: skip
    assert third[:2] == [f"2026-01-14 00:30 {TO} 17:15", "no value for 16 h 45 min"]


def test_minute_readings_are_added_up_per_quarter_hour(asset):
    maintain_partitions(now=NOW)
    ReadingQuarter.objects.create(
        asset=asset, starts_at=MIDNIGHT + PTU, minutes=5, import_wmin=40_000, export_wmin=10_000
    )
    page = meter_page(asset=asset, last_day=date(2026, 1, 14), now=NOW)
    shown = [[[cell["text"] for cell, _ in row] for row in day["minutes"]["rows"]] for day in page["days"]]
    assert shown == [[["2026-01-14 00:15", "6", "5 of 15"]], [], []]


def test_the_chart_leaves_gaps_and_has_every_quarter_hour(evening, asset):
    evening.meter(asset, MIDNIGHT, 1_000)
    page = meter_page(asset=asset, last_day=date(2026, 1, 14), now=NOW)
    data = json.loads(page["chart"].data)
    assert len(data["labels"]) == 3 * 96
    values = data["datasets"][0]["data"]
    assert (values[2 * 96], values[2 * 96 + 1]) == (4.0, None)


def test_a_day_when_the_clock_goes_back_has_a_hundred_quarter_hours(asset):
    page = meter_page(asset=asset, last_day=date(2026, 10, 25), now=NOW.replace(month=12))
    labels = json.loads(page["chart"].data)["labels"]
    assert len(labels) == 2 * 96 + 100
    assert {"10-25 02:15 CEST", "10-25 02:15 CET"} <= set(labels)


def test_one_query_whatever_the_number_of_values(evening, asset):
    for number in range(5):
        evening.meter(asset, MIDNIGHT + number * PTU, 1_000)
    with CaptureQueriesContext(connection) as captured:
        assert len(readings(asset_id=asset.pk, period=day_interval(date(2026, 1, 14)))) == 5
    assert len(captured) == 1


def test_the_page_is_linked_from_the_asset_and_goes_back_in_time(pages, asset):
    path = f"/admin/assets/asset/{asset.pk}/meter-values/"
    assert path in pages.get(f"/admin/assets/asset/{asset.pk}/change/").content.decode()
    text = pages.get(path).content.decode()
    assert "No meter values in these days." in text
    assert "?until=2026-01-11" in text
    assert "Saturday 10 January 2026" in pages.get(path, {"until": "2026-01-11"}).content.decode()
    assert pages.get(path, {"until": "yesterday"}).status_code == 200


@pytest.mark.parametrize("object_id", ["999999", "x", "1_2", "\N{SUPERSCRIPT TWO}"])
def test_an_unknown_asset_is_not_found(pages, db, object_id):
    assert pages.get(f"/admin/assets/asset/{object_id}/meter-values/").status_code == 404


def test_nothing_can_be_posted_to_it(pages, asset):
    assert pages.post(f"/admin/assets/asset/{asset.pk}/meter-values/").status_code == 405


@pytest.mark.parametrize("until", ["0001-01-01", "9999-12-31"])
def test_a_day_at_the_end_of_time_shows_the_last_days(pages, asset, until):
    page = pages.get(f"/admin/assets/asset/{asset.pk}/meter-values/?until={until}")
    assert page.status_code == 200
    assert page.context["is_latest"]
