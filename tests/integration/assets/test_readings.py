"""Minute readings: stored like meter values, and added up to quarter hours as they come."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction

from aggregator.core.interval import Interval
from assets import operations
from assets.energy import PtuResponse, response_by_ptu
from assets.models import Asset, MeterInterval, MinuteReading, ReadingQuarter
from tests.field_side import GROUP_EAN, NOW, at, charger, enrol, make_assets


def _reading(asset="a", minute=0, power_w=6_000, **fields):
    return {"asset": asset, "starts_at": at("15:00") + timedelta(minutes=minute), "power_w": power_w, **fields}


def _store(partner, *rows):
    return operations.store_readings(partner_id=partner.pk, rows=list(rows), now=NOW)


def _quarters():
    return list(
        ReadingQuarter.objects.order_by("asset_id", "starts_at").values_list(
            "starts_at", "minutes", "import_wmin", "export_wmin"
        )
    )


def test_minutes_are_added_up_whatever_order_they_come_in(partner):
    make_assets(partner, [charger("a")])

    _store(partner, _reading(minute=14, power_w=-2_000), _reading(minute=15, power_w=1_000))
    _store(partner, _reading(minute=0, power_w=3_000), _reading(minute=14, power_w=-2_000))

    assert _quarters() == [(at("15:00"), 2, 3_000, 2_000), (at("15:15"), 1, 1_000, 0)]


def test_a_correction_replaces_its_minute_in_the_sum_and_a_late_first_version_does_not(partner):
    make_assets(partner, [charger("a")])
    _store(partner, _reading(power_w=3_000, revision=1), _reading(minute=1, power_w=1_000))

    late = _store(partner, _reading(power_w=9_999))
    _store(partner, _reading(power_w=-500, revision=2))

    assert late == operations.ValuesStored(stored=1, duplicates=0)
    assert _quarters() == [(at("15:00"), 2, 1_000, 500)]
    assert MinuteReading.objects.count() == 4


def test_other_content_under_a_known_revision_is_refused(partner):
    make_assets(partner, [charger("a")])
    _store(partner, _reading())

    with pytest.raises(operations.InvalidRows) as refusal:
        _store(partner, _reading(minute=1), _reading(power_w=6_001))

    [error] = refusal.value.errors
    assert (error.index, error.field, error.code) == (1, "revision", "revision-conflict")
    assert "already known as power_w 6000" in error.message
    assert _quarters() == [(at("15:00"), 1, 6_000, 0)]


def test_a_reading_starts_on_a_minute(partner):
    make_assets(partner, [charger("a")])

    with pytest.raises(operations.InvalidRows) as refusal:
        _store(partner, _reading() | {"starts_at": at("15:00") + timedelta(seconds=30)})

    assert [error.code for error in refusal.value.errors] == ["off-grid"]


def test_a_groups_response_says_how_complete_it_is_and_counts_members_of_the_moment(partner, other_partner, group):
    first, leaver = make_assets(partner, [charger("a"), charger("b")])
    [foreign] = make_assets(other_partner, [charger("x")])
    enrol(group, [first, leaver, foreign])
    operations.end_membership(asset_id=leaver.pk, ends_at=at("15:15"), reason="sold", now=NOW)
    _store(partner, *(_reading("a", minute, 600) for minute in range(20)), _reading("b", 16, 60_000))

    interval = Interval(at("15:00"), at("15:45"))
    everyone = response_by_ptu(aggregation_eans=[GROUP_EAN], interval=interval)
    own = response_by_ptu(aggregation_eans=[GROUP_EAN], interval=interval, partner_id=partner.pk)

    assert everyone[GROUP_EAN] == [
        PtuResponse(at("15:00"), 150, 0, expected_minutes=45, received_minutes=15),
        PtuResponse(at("15:15"), 50, 0, expected_minutes=30, received_minutes=5),
        PtuResponse(at("15:30"), None, None, expected_minutes=30, received_minutes=0),
    ]
    assert [ptu.expected_minutes for ptu in own[GROUP_EAN]] == [30, 15, 15]


def test_the_number_of_queries_does_not_grow_with_the_rows(partner, django_assert_num_queries):
    make_assets(partner, [charger(f"a{number}") for number in range(200)])
    _store(partner, *(_reading(f"a{number}") for number in range(200)))

    with django_assert_num_queries(12):
        _store(partner, *(_reading(f"a{number}", 1) for number in range(200)))


@pytest.mark.parametrize("model", [MeterInterval, MinuteReading])
def test_the_database_refuses_measured_values_of_assets_it_does_not_know(partner, model):
    [asset] = make_assets(partner, [charger("a")])
    operations.maintain_partitions(now=NOW)
    value = {"import_wh": 1} if model is MeterInterval else {"power_w": 1}

    def insert(asset_id):
        with transaction.atomic():
            model.objects.create(asset_id=asset_id, starts_at=at("15:00"), known_at=NOW, **value)

    insert(asset.pk)
    with pytest.raises(IntegrityError, match="not registered"):
        insert(asset.pk + 1)


def test_an_asset_is_never_deleted(partner):
    make_assets(partner, [charger("a")])

    with pytest.raises(Exception, match="Cannot delete rows"), transaction.atomic():
        Asset.objects.all().delete()

    assert Asset.objects.count() == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("store", [operations.store_meter_values, operations.store_readings])
def test_batches_at_the_same_time_neither_lock_up_nor_lose_a_minute(partner, store):
    names = [f"a{number:03d}" for number in range(300)]
    make_assets(partner, [charger(name) for name in names])
    value = {"import_wh": 7} if store is operations.store_meter_values else {"power_w": 600}
    minutes = (0,) if store is operations.store_meter_values else (0, 1, 2, 3)
    rows = [
        {"asset": name, "starts_at": at("15:00") + timedelta(minutes=minute), **value}
        for minute in minutes
        for name in names
    ]

    def send(batch):
        try:
            return store(partner_id=partner.pk, rows=batch, now=NOW)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(send, [rows, rows[::-1], rows[len(rows) // 2 :], rows[::2]]))

    assert sum(one.stored for one in done) == len(rows)
    if store is operations.store_readings:
        assert set(ReadingQuarter.objects.values_list("minutes", "import_wmin")) == {(4, 2_400)}


@pytest.mark.usefixtures("no_months")
def test_a_reading_of_a_month_that_was_let_go_is_refused_and_leaves_its_quarter_and_the_archive_alone(
    partner, settings, tmp_path
):
    make_assets(partner, [charger("a")])
    _store(partner, _reading(minute=0, power_w=3_000), _reading(minute=1, power_w=1_000))
    summer, keep = NOW.replace(month=7), {"assets_minutereading": 3}
    settings.KEEP_MONTHS = keep
    operations.drop_old_months(now=summer, keep_months=keep, archive=tmp_path)
    [file] = tmp_path.iterdir()
    written = file.read_bytes()

    with pytest.raises(operations.InvalidRows) as refusal:
        operations.store_readings(
            partner_id=partner.pk,
            rows=[_reading(minute=0, power_w=9_000, starts_at="2026-04-01T00:00:00Z"), _reading(minute=2)],
            now=summer,
        )

    [error] = refusal.value.errors
    assert (error.index, error.field, error.code) == (1, "starts_at", "too-old")
    assert "2026-04-01T00:00:00+00:00" in error.message
    operations.drop_old_months(now=summer, keep_months=keep, archive=tmp_path)
    assert _quarters() == [(at("15:00"), 2, 4_000, 0)]
    assert file.read_bytes() == written
