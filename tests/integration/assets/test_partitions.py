"""Months come before they are needed and go when their time is over."""

import csv
import gzip
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from django.db import connection, transaction

from assets import operations
from assets.models import MeterInterval, MinuteReading
from assets.operations.partitions import PARTITIONED
from tests.field_side import NOW, charger, make_assets
from tests.waiting import in_turn

pytestmark = pytest.mark.usefixtures("no_months")
SUMMER = datetime(2026, 7, 14, tzinfo=UTC)
KEEP = {"assets_minutereading": 2, "assets_meterinterval": 6}


def _months(table):
    with connection.cursor() as cursor:
        cursor.execute("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = %s::regclass", [table])
        return sorted(name.removeprefix(f"{table}_") for (name,) in cursor.fetchall())


def _measured(partner):
    make_assets(partner, [charger("a")])
    at = "2026-01-14T15:00:00Z"
    operations.store_readings(partner_id=partner.pk, rows=[{"asset": "a", "starts_at": at, "power_w": -600}], now=NOW)
    operations.store_meter_values(
        partner_id=partner.pk, rows=[{"asset": "a", "starts_at": at, "import_wh": 10}], now=NOW
    )


def test_every_measured_table_gets_the_months_ahead(db):
    operations.maintain_partitions(now=datetime(2026, 11, 30, tzinfo=UTC))

    assert {tuple(_months(table)) for table in PARTITIONED} == {("2026_11", "2026_12", "2027_01", "2027_02")}


def test_a_month_past_its_time_is_written_down_and_dropped_and_others_stay(partner, tmp_path):
    _measured(partner)
    operations.maintain_partitions(now=SUMMER)

    gone = operations.drop_old_months(now=SUMMER, keep_months=KEEP, archive=tmp_path)
    again = operations.drop_old_months(now=SUMMER, keep_months=KEEP, archive=tmp_path)

    assert (gone, again) == (["assets_minutereading_2026_01"], [])
    assert "2026_01" not in _months("assets_minutereading")
    assert "2026_01" in _months("assets_meterinterval")  # the sixth month back
    assert not MinuteReading.objects.exists()
    assert MeterInterval.objects.get().import_wh == 10
    [file] = tmp_path.iterdir()
    with gzip.open(file, "rt", encoding="utf-8") as table:
        [row] = csv.DictReader(table)
    assert (file.name, row["power_w"], row["revision"]) == ("assets_minutereading_2026_01.csv.gz", "-600", "0")


def test_without_an_archive_the_month_just_goes(partner):
    _measured(partner)

    assert operations.drop_old_months(now=SUMMER, keep_months={"assets_minutereading": 0}, archive=None) == [
        "assets_minutereading_2026_01"
    ]


@pytest.mark.django_db(transaction=True)
def test_a_month_is_written_down_and_dropped_by_one_of_two_runs(partner, tmp_path):
    _measured(partner)

    def drop():
        return operations.drop_old_months(now=SUMMER, keep_months=KEEP, archive=tmp_path)

    assert in_turn(drop, drop) == []
    assert "2026_01" not in _months("assets_minutereading")


@pytest.mark.django_db(transaction=True)
def test_a_month_that_is_in_use_is_left_for_the_next_run(partner):
    _measured(partner)

    def drop():
        try:
            return operations.drop_old_months(now=SUMMER, keep_months=KEEP, archive=None)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            MinuteReading.objects.count()  # holds the table until the transaction ends
            meanwhile = pool.submit(drop).result()
        afterwards = pool.submit(drop).result()

    assert (meanwhile, afterwards) == ([], ["assets_minutereading_2026_01"])
