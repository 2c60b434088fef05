"""Meter values from charging periods: only where the partner delivers none, and never twice."""

from datetime import timedelta

import pytest
from django.db import IntegrityError

from aggregator.core.interval import Interval
from assets import operations
from assets.energy import energy_by_ptu
from assets.models import MeterInterval, OcpiEdge
from assets.ocpi.receiving import take_sessions
from tests.field_side import GROUP_EAN, NOW, at, enrol
from tests.integration.ocpi.cpo_platform import session


def told(name, start, end, kwh, **changes):
    period = {"start_date_time": f"2026-01-14T{start}:00Z", "dimensions": [{"type": "ENERGY", "volume": kwh}]}
    return session(
        name,
        start_date_time=f"2026-01-14T{start}:00Z",
        end_date_time=f"2026-01-14T{end}:00Z",
        status="COMPLETED",
        charging_periods=[period],
        last_updated=f"2026-01-14T{end}:10Z",
        **changes,
    )


@pytest.fixture
def take(evse_e1):
    def taking(*documents):
        taken = take_sessions(connection_id=evse_e1.connection_id, documents=list(documents), now=NOW)
        assert taken.refused == ()

    return taking


def values():
    """Return the newest value by PTU: revision, import, export."""
    rows = MeterInterval.objects.order_by("starts_at", "-revision").distinct("starts_at")
    return {f"{one.starts_at:%H:%M}": (one.revision, one.import_wh, one.export_wh) for one in rows}


def test_whole_quarter_hours_of_a_session_become_estimates_below_every_delivered_value(take):
    take(told("S1", "14:00", "14:45", 3))

    assert values() == dict.fromkeys(("14:00", "14:15", "14:30"), (-10000, 1000, 0))
    assert set(MeterInterval.objects.values_list("quality", flat=True)) == {"estimated"}


def test_the_same_again_changes_nothing_and_a_correction_is_a_revision(take):
    take(told("S1", "14:00", "14:45", 3))
    take(told("S1", "14:00", "14:45", 3))
    assert MeterInterval.objects.count() == 3

    take(told("S1", "14:00", "14:45", 6) | {"last_updated": "2026-01-14T15:00:00Z"})

    assert values() == dict.fromkeys(("14:00", "14:15", "14:30"), (-9999, 2000, 0))
    assert MeterInterval.objects.count() == 6


@pytest.mark.parametrize("who_first", ["partner", "session"])
def test_what_the_partner_delivers_counts_instead_whoever_is_first(take, evse_e1, group, who_first):
    enrol(group, [evse_e1.asset])
    rows = [{"asset": "E1", "starts_at": at("14:00"), "import_wh": 1_234}]

    def deliver():
        operations.store_meter_values(partner_id=evse_e1.connection_id, rows=rows, now=NOW)

    if who_first == "partner":
        deliver()
    take(told("S1", "14:00", "14:30", 2))
    if who_first == "session":
        deliver()

    assert values() == {"14:00": (0, 1_234, 0), "14:15": (-10_000, 1_000, 0)}
    first, second, third = energy_by_ptu(aggregation_ean=GROUP_EAN, interval=Interval(at("14:00"), at("14:45")))
    assert [(one.import_wh, one.received) for one in (first, second, third)] == [(1_234, 1), (1_000, 1), (None, 0)]


def test_a_quarter_hour_that_two_sessions_share_is_known_once_both_told_their_part(take):
    take(told("S1", "14:00", "14:20", 4))
    assert values() == {"14:00": (-10_000, 3_000, 0), "14:15": (-10_000, 1_000, 0)}

    take(told("S2", "14:25", "14:40", 3))

    assert values() == {
        "14:00": (-10_000, 3_000, 0),
        "14:15": (-9_999, 2_000, 0),
        "14:30": (-10_000, 2_000, 0),
    }
    assert OcpiEdge.objects.count() == 3


def test_a_shared_quarter_hour_with_a_session_that_tells_no_energy_stays_unknown(take):
    take(told("S1", "14:00", "14:20", 4), told("S2", "14:25", "14:40", 3) | {"charging_periods": []})

    assert values() == {"14:00": (-10_000, 3_000, 0)}


def test_a_neighbour_that_comes_later_and_tells_no_energy_makes_a_shared_quarter_hour_unknown_again(take):
    take(told("S1", "14:00", "14:20", 4))

    take(told("S2", "14:25", "14:40", 3) | {"charging_periods": []})

    assert values() == {"14:00": (-10_000, 3_000, 0)}
    take(told("S2", "14:25", "14:40", 3) | {"last_updated": "2026-01-14T15:00:00Z"})
    assert values() == {"14:00": (-10_000, 3_000, 0), "14:15": (-10_000, 2_000, 0), "14:30": (-10_000, 2_000, 0)}


def test_what_a_partner_delivered_of_a_shared_quarter_hour_stays(take, evse_e1):
    take(told("S1", "14:00", "14:20", 4))
    rows = [{"asset": "E1", "starts_at": at("14:15"), "import_wh": 1_234}]
    operations.store_meter_values(partner_id=evse_e1.connection_id, rows=rows, now=NOW)

    take(told("S2", "14:25", "14:40", 3) | {"charging_periods": []})

    assert values() == {"14:00": (-10_000, 3_000, 0), "14:15": (0, 1_234, 0)}


def test_nothing_is_derived_of_a_quarter_hour_that_is_not_over(take):
    take(told("S1", "15:45", "16:05", 4))

    assert list(values()) == ["15:45"]  # it is 16:07


def test_old_parts_of_quarter_hours_go(take):
    take(told("S1", "14:00", "14:20", 4))

    done = operations.forget_driver_data(now=NOW + timedelta(days=91), kept_for=timedelta(days=90))

    assert (done.ocpi_edges, OcpiEdge.objects.count()) == (1, 0)


def test_the_database_takes_no_derived_value_for_a_measured_one(take, evse_e1):
    take(told("S1", "14:00", "14:45", 3))
    with pytest.raises(IntegrityError, match="derived_values_are_estimates"):
        MeterInterval.objects.filter(asset=evse_e1.asset).update(quality="measured")
