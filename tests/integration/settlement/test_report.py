"""The demo's report from the database, and the series of its page."""

from datetime import UTC, datetime, timedelta

import pytest

from aggregator.core.interval import Interval
from aggregator.core.ptu import PTU
from aggregator.demo.report import build_report
from aggregator.demo.report_page import write_report_page
from aggregator.demo.report_series import page_extra
from assets.control.fallback import time_to_live_s
from assets.models import Asset, AssetKind, Setpoint, SetpointBatch
from bidding.models import Bid
from settlement.delivery.operations import settle
from tests.integration.settlement.conftest import EAN, LONG_AGO, WINDOW_START
from tests.report_check import problems

DAY = Interval(WINDOW_START - timedelta(hours=3), WINDOW_START + timedelta(hours=12))
NOW = DAY.ends_at
DRIVERS = {"drivers": {"sessions": 2, "served": 2, "unserved_kwh": 0.04, "charged_kwh": 9.9}}


@pytest.fixture
def evening(world):
    """Two chargers that each would take 10 kW for an hour; one is told to wait for two PTUs, one refuses."""
    told, free = world.asset("told"), world.asset("free", partner="Deelauto")
    battery = world.asset("battery", kind=AssetKind.BATTERY, partner="Deelauto")
    for charger in (told, free):
        world.session(charger, energy_wh=10_000)
    world.activation(16_000, 16_000)
    world.meter(told, 0, 0, 2_500, 2_500, 2_500, 2_500)
    world.meter(free, 2_500, 2_500, 2_500, 2_500, 0, 0)
    world.meter(battery, -1_250, -1_250, 0, 0, 0, 0)
    for asset, power_w, status in ((told, 0, "followed"), (battery, -5_000, "not_followed"), (free, 9_000, "rejected")):
        batch = SetpointBatch.objects.create(
            partner=asset.partner,
            aggregation_ean=world.ean,
            order_reference=f"order-1 {asset.pk}",
            revision=1,
            created_at=LONG_AGO,
        )
        Setpoint.objects.create(
            batch=batch,
            asset=asset,
            starts_at=WINDOW_START,
            ends_at=WINDOW_START + 2 * PTU,
            power_w=[power_w] * 2,
            ttl_s=time_to_live_s(asset.kind, [power_w]),
            status=status,
        )
    settle(activation_id=Bid.objects.get().activation.pk, now=NOW)
    return world


@pytest.mark.usefixtures("evening")
def test_the_report_says_what_happened_and_holds_together():
    report = build_report(day=DAY, now=NOW, timings={"settle": 1.5}, simulator_report=DRIVERS)
    assert problems(report) == []
    assert report["bids"] == [
        {
            "aggregation_ean": EAN,
            "starts_at": "2026-01-14T17:00:00Z",
            "ends_at": "2026-01-14T17:30:00Z",
            "direction": "reduce",
            "power_w": 200_000,
            "price_eur_per_mwh": "180.00",
            "reliability": 0.95,
            "outcome": "cleared",
            "cleared_power_w": 200_000,
        }
    ]
    assert report["deliveries"] == [
        {
            "aggregation_ean": EAN,
            "ptu_start": start,
            "ordered_w": 16_000,
            "baseline_w": 20_000,
            "metered_w": 5_000,
            "delivered_w": 15_000,
        }
        for start in ("2026-01-14T17:00:00Z", "2026-01-14T17:15:00Z")
    ]
    assert report["setpoints"] == {"sent": 3, "accepted": 2, "judged": 2, "followed": 1}
    assert report["drivers"] == {"sessions": 2, "served": 2, "unserved_kwh": 0.04}
    # 7500 Wh at 180 EUR/MWh is 1.35 EUR; Laadkracht moved twice 2500 Wh, Deelauto twice 1250
    assert report["settlement"] == {
        "total_eur": "1.35",
        "lines": [
            {"partner": "Laadkracht", "aggregation_ean": EAN, "delivered_wh": 5_000, "amount_eur": "0.63"},
            {"partner": "Deelauto", "aggregation_ean": EAN, "delivered_wh": 2_500, "amount_eur": "0.32"},
            {"partner": None, "aggregation_ean": EAN, "delivered_wh": 0, "amount_eur": "0.40"},
        ],
        "charges": [],
    }
    assert [row["external_id"] for row in report["announcements"]] == ["announcement-1"]
    assert report["timings"] == {"settle": 1.5}


def test_the_report_counts_what_came_in_after_the_last_tick(evening):
    told = Asset.objects.get(external_id="told")
    evening.meter(told, 2_500, revision=1, known_at=NOW)
    report = build_report(day=DAY, now=NOW, timings={}, simulator_report=DRIVERS)
    assert [row["delivered_w"] for row in report["deliveries"]] == [5_000, 15_000]
    assert problems(report) == []


@pytest.mark.usefixtures("evening")
def test_a_bid_without_an_answer_is_not_taken_for_a_result():
    Bid.objects.update(status=Bid.Status.SUBMITTED)
    report = build_report(day=DAY, now=NOW, timings={}, simulator_report=DRIVERS)
    assert any("never got its answer: submitted" in problem for problem in problems(report))


@pytest.mark.django_db
def test_an_evening_without_anything_is_reported_as_that():
    report = build_report(day=DAY, now=NOW, timings={}, simulator_report=DRIVERS)
    assert (report["bids"], report["deliveries"]) == ([], [])
    assert report["settlement"] == {"total_eur": "0.00", "lines": [], "charges": []}
    assert problems(report) == ["nothing was announced"]


@pytest.mark.usefixtures("evening")
def test_the_plan_is_what_the_setpoints_would_give():
    (series,) = page_extra(day=DAY, now=NOW, simulator_report={})["bids"]
    shown = slice(series["ptu_starts"].index("2026-01-14T17:00:00Z"), None)
    assert series["baseline_w"][shown][:6] == [20_000, 20_000, 20_000, 20_000, 0, 0]
    assert series["metered_w"][shown][:6] == [5_000, 5_000, 20_000, 20_000, 10_000, 10_000]
    # the told car waits two PTUs and then charges its hour, the free one loses 1 kW to its limit for half an hour
    assert series["plan_w"][shown][:6] == [4_000, 4_000, 20_000, 20_000, 12_000, 10_000]
    assert series["ordered_w"][shown][:3] == [16_000, 16_000, None]
    assert set(series["undisturbed_w"]) == {None}


@pytest.mark.usefixtures("evening")
def test_what_the_simulator_says_would_have_happened_is_shown_beside_it():
    simulated = {
        "ptu_starts": ["2026-01-14T17:00:00Z"],
        "undisturbed_power_by_aggregation_ean": {EAN: [19_500]},
    }
    (series,) = page_extra(day=DAY, now=NOW, simulator_report=simulated)["bids"]
    assert [value for value in series["undisturbed_w"] if value is not None] == [19_500]


@pytest.mark.usefixtures("evening")
def test_the_page_of_a_real_report_can_be_written(tmp_path):
    report = build_report(day=DAY, now=NOW, timings={}, simulator_report=DRIVERS)
    path = tmp_path / "report.html"
    write_report_page(report=report, path=path, extra=page_extra(day=DAY, now=NOW, simulator_report={}))
    assert "93.8%" in path.read_text(encoding="utf-8")


def test_a_report_needs_the_simulators_drivers():
    with pytest.raises(KeyError, match="drivers"):
        build_report(
            day=DAY, now=datetime(2026, 1, 15, tzinfo=UTC), timings={}, simulator_report={"simulated_until": "…"}
        )
