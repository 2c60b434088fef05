from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from aggregator.core.interval import Interval
from assets import energy, operations
from assets.energy import PtuEnergy, group_readings
from assets.models import MeterInterval
from tests.field_side import GROUP_EAN, NOW, at, charger, enrol, make_assets


def _value(asset="a", start="15:00", **fields):
    return {"asset": asset, "starts_at": at(start), "import_wh": 2_000, **fields}


def _store(partner, *rows, now=NOW):
    return operations.store_meter_values(partner_id=partner.pk, rows=list(rows), now=now)


def test_sending_values_again_is_harmless(partner):
    make_assets(partner, [charger("a")])

    first = _store(partner, _value(), _value(start="15:15", export_wh=7, quality="estimated"))
    second = _store(partner, _value(), _value(start="15:30"), _value(start="15:30"))

    assert first == operations.ValuesStored(stored=2, duplicates=0)
    assert second == operations.ValuesStored(stored=1, duplicates=2)
    assert list(MeterInterval.objects.order_by("starts_at").values_list("import_wh", "export_wh", "quality")) == [
        (2_000, 0, "measured"),
        (2_000, 7, "estimated"),
        (2_000, 0, "measured"),
    ]


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"import_wh": 2_001}, id="import"),
        pytest.param({"export_wh": 1}, id="export"),
        pytest.param({"quality": "estimated"}, id="quality"),
    ],
)
def test_other_content_under_a_known_revision_is_refused(partner, other):
    make_assets(partner, [charger("a")])
    _store(partner, _value())

    with pytest.raises(operations.InvalidRows) as refusal:
        _store(partner, _value(start="15:15"), _value(**other))

    assert [(error.index, error.field, error.code) for error in refusal.value.errors] == [
        (1, "revision", "revision-conflict")
    ]
    assert MeterInterval.objects.count() == 1


def test_two_contents_in_one_batch_are_refused(partner):
    make_assets(partner, [charger("a")])

    with pytest.raises(operations.InvalidRows) as refusal:
        _store(partner, _value(), _value(import_wh=1))

    assert [error.code for error in refusal.value.errors] == ["revision-conflict"]


def test_a_correction_is_a_new_revision_and_the_old_one_stays(partner, group):
    enrol(group, make_assets(partner, [charger("a")]))
    _store(partner, _value())

    _store(partner, _value(import_wh=1_900, revision=1))

    assert list(MeterInterval.objects.order_by("revision").values_list("revision", "import_wh")) == [
        (0, 2_000),
        (1, 1_900),
    ]
    [found] = energy.energy_by_ptu(aggregation_ean=GROUP_EAN, interval=Interval(at("15:00"), at("15:15")))
    assert found.import_wh == 1_900


def test_energy_runs_over_the_members_of_the_moment_and_names_what_is_missing(partner, group):
    first, second, leaver = make_assets(partner, [charger("a"), charger("b"), charger("c")])
    enrol(group, [first, leaver])
    enrol(group, [second], starts_at=at("15:15"))
    operations.end_membership(asset_id=leaver.pk, ends_at=at("15:30"), reason="sold", now=NOW)
    _store(
        partner,
        _value("a", "15:00", import_wh=100, export_wh=1),
        _value("b", "15:00", import_wh=5_000),  # not yet a member
        _value("c", "15:00", import_wh=200, export_wh=2),
        _value("a", "15:15", import_wh=300),
        _value("c", "15:30", import_wh=7_000),  # no longer a member
    )

    found = energy.energy_by_ptu(aggregation_ean=GROUP_EAN, interval=Interval(at("15:00"), at("15:45")))

    assert found == [
        PtuEnergy(at("15:00"), 300, 3, expected=2, received=2, missing_asset_ids=()),
        PtuEnergy(at("15:15"), 300, 0, expected=3, received=1, missing_asset_ids=(second.pk, leaver.pk)),
        PtuEnergy(at("15:30"), None, None, expected=2, received=0, missing_asset_ids=(first.pk, second.pk)),
    ]
    assert [one.is_complete for one in found] == [True, False, False]


def test_a_group_without_members_has_no_energy_and_misses_nothing(group):
    found = energy.energy_by_ptu(aggregation_ean=GROUP_EAN, interval=Interval(at("15:00"), at("15:15")))

    assert found == [PtuEnergy(at("15:00"), None, None, expected=0, received=0, missing_asset_ids=())]


@pytest.mark.usefixtures("no_months")
def test_values_outside_the_window_that_can_be_settled_are_refused(partner):
    make_assets(partner, [charger("a")])
    rows = [
        {"asset": "a", "starts_at": NOW.replace(minute=0) + timedelta(hours=1), "import_wh": 1},
        {"asset": "a", "starts_at": datetime(2022, 1, 1, tzinfo=UTC), "import_wh": 1},
    ]

    with pytest.raises(operations.InvalidRows) as refusal:
        _store(partner, *rows)

    assert [(error.index, error.code) for error in refusal.value.errors] == [(0, "in-the-future"), (1, "too-old")]
    assert _partitions() == set()


def test_a_quarter_hour_that_is_named_by_its_end_is_refused_as_it_is_not_over(partner):
    make_assets(partner, [charger("a")])
    at_its_end = {"asset": "a", "starts_at": at("16:00"), "import_wh": 1}

    with pytest.raises(operations.InvalidRows) as refusal:
        _store(partner, at_its_end, now=at("16:02"))

    [error] = refusal.value.errors
    assert (error.code, "Name it by its start" in error.message) == ("in-the-future", True)
    assert _store(partner, at_its_end, now=at("16:10")).stored == 1  # a clock may be five minutes ahead


@pytest.mark.usefixtures("no_months")
def test_months_get_their_partition_when_first_needed(partner):
    make_assets(partner, [charger("a")])

    _store(partner, _value(), {"asset": "a", "starts_at": "2025-12-31T23:45:00Z", "import_wh": 1})

    assert _partitions() == {"assets_meterinterval_2025_12", "assets_meterinterval_2026_01"}


@pytest.mark.usefixtures("no_months")
def test_upkeep_makes_the_months_ahead_once(db):
    now = datetime(2026, 11, 30, tzinfo=UTC)

    assert [name for name in operations.maintain_partitions(now=now) if "meterinterval" in name] == [
        "assets_meterinterval_2026_11",
        "assets_meterinterval_2026_12",
        "assets_meterinterval_2027_01",
        "assets_meterinterval_2027_02",
    ]
    assert [name for name in operations.maintain_partitions(now=now) if "meterinterval" in name] == []


def test_the_number_of_queries_does_not_grow_with_the_rows(partner, django_assert_num_queries):
    make_assets(partner, [charger(f"a{number}") for number in range(200)])
    _store(partner, *(_value(f"a{number}") for number in range(200)))

    with django_assert_num_queries(8):
        _store(partner, *(_value(f"a{number}", "15:15") for number in range(200)))


def _partitions():
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'assets_meterinterval'::regclass"
        )
        return {name for (name,) in cursor.fetchall()}


def test_the_energy_of_many_days_is_read_a_day_at_a_time(partner, group, monkeypatch):
    [asset] = make_assets(partner, [charger("a")])
    enrol(group, [asset])
    rows = [{"asset": "a", "starts_at": at("23:45", day=day), "import_wh": day} for day in (11, 12, 13)]
    operations.store_meter_values(partner_id=partner.pk, rows=rows, now=NOW)
    asked = []

    def counted(*, ptu_starts, **arguments):
        asked.append(len(ptu_starts))
        return group_readings(ptu_starts=ptu_starts, **arguments)

    monkeypatch.setattr(energy, "group_readings", counted)
    found = energy.energy_by_ptu(aggregation_ean=GROUP_EAN, interval=Interval(at("00:00", day=11), at("12:00")))

    assert asked == [96, 96, 96, 48]
    assert len(found) == 336
    assert [(ptu.starts_at, ptu.import_wh) for ptu in found if ptu.received] == [
        (at("23:45", day=day), day) for day in (11, 12, 13)
    ]
