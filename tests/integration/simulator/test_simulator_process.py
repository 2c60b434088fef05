import json
import time
from datetime import timedelta
from urllib.error import HTTPError

import pytest

from assets.simulator.portfolio import build_portfolio
from tests.integration.simulator.conftest import ENDS_AT, STARTS_AT
from tests.integration.simulator.fake_aggregator import FakeAggregator, get, push, secret_of

PORTFOLIO = build_portfolio(seed=7, scale=0.04)
ASSETS = {asset.external_id: asset for _, asset in PORTFOLIO.assets()}
PTUS = int((ENDS_AT - STARTS_AT) / timedelta(minutes=15))
WINDOW = STARTS_AT + timedelta(hours=1, minutes=15)


def batch(number, power_of, partner="deelstroom", hours=2, starts_at=WINDOW):
    """Setpoints for every asset of a partner, the same in every PTU."""
    members = next(p for p in PORTFOLIO.partners if p.key == partner).assets
    return {
        "batch_id": number,
        "aggregation_ean": "",
        "order_reference": "order",
        "reason": "",
        "revision": number,
        "sent_at": starts_at.isoformat(),
        "setpoints": [
            {
                "setpoint_id": number * 1000 + index,
                "asset": asset.external_id,
                "starts_at": starts_at.isoformat(),
                "ends_at": (starts_at + timedelta(hours=hours)).isoformat(),
                "power_w": [power_of(asset)] * (hours * 4),
            }
            for index, asset in enumerate(members)
        ],
    }


def all_export(asset):
    return -asset.max_export_w


def drivers_of(aggregator):
    """Sessions that ended in the played period, as the aggregator knows them."""
    first, last = (instant.strftime("%Y-%m-%dT%H:%M:%SZ") for instant in (STARTS_AT, ENDS_AT))
    return [row for row in aggregator.sessions.values() if first <= row.get("plug_out_at", "") < last]


def test_an_evening_is_reported_whole(aggregator, start):
    process = start(aggregator)
    assert set(aggregator.assets) == set(ASSETS)
    assert {row["kind"] for row in aggregator.assets.values()} == {
        "charger",
        "v2g_charger",
        "bus_charger",
        "battery",
        "heat_pump",
    }
    history = [row for row in aggregator.sessions.values() if "plug_out_at" in row]
    assert len(history) > 500
    heat_pumps = [name for name, asset in ASSETS.items() if asset.kind == "heat_pump"]
    assert len(aggregator.meter_values) == len(heat_pumps) * 14 * 96

    process.run_until(ENDS_AT)
    process.wait_until(lambda progress: progress["phase"] == "finished")

    evening = {key: value for key, value in aggregator.meter_values.items() if key[1] >= "2026-01-14T15:00:00Z"}
    assert len(evening) == len(ASSETS) * PTUS
    assert aggregator.faults == []
    assert process.progress()["refused_requests"] == 0
    assert set(aggregator.states) == set(ASSETS)
    report = get(f"{process.url}/report")
    assert report == json.loads((process.config.parent / "state" / "report.json").read_text())
    for group in PORTFOLIO.groups:
        metered = [
            sum(
                evening[name, at][0] - evening[name, at][1]
                for name, a in ASSETS.items()
                if a.aggregation_ean == group.ean
            )
            for at in report["ptu_starts"]
        ]
        assert [power / 4 for power in report["power_by_aggregation_ean"][group.ean]] == pytest.approx(metered, abs=60)
    assert report["power_by_aggregation_ean"] == report["undisturbed_power_by_aggregation_ean"]
    rows = drivers_of(aggregator)
    assert report["drivers"]["sessions"] == report["drivers"]["served"] == len(rows)
    assert report["drivers"]["unserved_kwh"] == 0
    assert sum(row["required_energy_wh"] - row["energy_wh"] for row in rows) == 0


def test_setpoints_are_answered_obeyed_and_judged(aggregator, start):
    process = start(aggregator)
    process.jump_to(WINDOW - timedelta(minutes=20))
    url = f"{process.url}/callbacks/deelstroom"
    first = push(url, secret_of("deelstroom"), batch(1, all_export))
    again = push(url, secret_of("deelstroom"), batch(1, all_export))
    process.jump_to(ENDS_AT)

    assert again == first
    rejected = {row["setpoint_id"] for row in first["results"] if row["status"] == "rejected"}
    members = next(p for p in PORTFOLIO.partners if p.key == "deelstroom").assets
    assert rejected == {1000 + i for i, asset in enumerate(members) if asset.behaviour == "rejects"}
    accepted = {row["setpoint_id"] for row in first["results"]} - rejected
    assert set(aggregator.results) == accepted
    at = WINDOW.strftime("%Y-%m-%dT%H:%M:%SZ")
    for index, asset in enumerate(members):
        if 1000 + index in rejected:
            continue
        taken, given = aggregator.meter_values[asset.external_id, at]
        followed = aggregator.results[1000 + index]["status"] == "followed"
        if followed:
            assert (taken - given) * 4 <= -asset.max_export_w + 250
        if asset.behaviour == "follows" and asset.can_pause and asset.kind == "charger":
            assert taken == 0
            assert followed
    exporting = [row for row in aggregator.meter_values.values() if row[1] > 2000]
    assert len(exporting) > 8
    report = get(f"{process.url}/report")
    assert report["setpoints"]["accepted"] == len(accepted)
    assert report["setpoints"]["followed"] + report["setpoints"]["not_followed"] == len(accepted)
    during = report["ptu_starts"].index(at)
    quiet = report["power_by_aggregation_ean"][PORTFOLIO.groups[0].ean]
    usual = report["undisturbed_power_by_aggregation_ean"][PORTFOLIO.groups[0].ean]
    assert quiet[:during] == usual[:during]
    assert quiet[during] < usual[during] - 30_000
    assert aggregator.faults == []


def test_a_killed_simulator_goes_on_as_if_nothing_had_happened(start):
    told = []
    for kills in (False, True):
        aggregator = FakeAggregator()
        process = start(aggregator, name=f"kills-{kills}")
        url = f"{process.url}/callbacks/deelstroom"
        # Held on a known minute, so that both runs learn of the setpoints at the same time.
        process.jump_to(WINDOW - timedelta(minutes=10))
        push(url, secret_of("deelstroom"), batch(1, all_export))
        if kills:
            process.kill()
            process.start()
            process.wait_until(lambda progress: progress["phase"] == "running")
            process.jump_to(WINDOW + timedelta(minutes=50))
            process.kill()
            process.start()
        process.jump_to(ENDS_AT)
        process.wait_until(lambda progress: progress["phase"] == "finished")
        told.append((aggregator, get(f"{process.url}/report")))
        aggregator.close()

    (calm, calm_report), (killed, killed_report) = told
    assert calm.faults == killed.faults == []
    assert killed.meter_values == calm.meter_values
    assert killed.results == calm.results
    assert killed.sessions == calm.sessions
    assert killed_report == calm_report
    assert calm_report["setpoints"]["followed"] > 0


def test_reports_survive_an_aggregator_that_is_down(aggregator, start):
    process = start(aggregator)
    process.jump_to(STARTS_AT + timedelta(minutes=40))
    aggregator.is_down = True
    process.clock.set_speed(6000)
    process.wait_until(lambda progress: progress["simulated_until"] > progress["reported_until"])
    time.sleep(1)
    aggregator.is_down = False
    process.jump_to(ENDS_AT)

    evening = [key for key in aggregator.meter_values if key[1] >= "2026-01-14T15:00:00Z"]
    assert len(evening) == len(ASSETS) * PTUS
    assert aggregator.faults == []


def test_a_callback_without_the_right_signature_is_refused(aggregator, start):
    process = start(aggregator)
    url = f"{process.url}/callbacks/deelstroom"
    with pytest.raises(HTTPError) as refused:
        push(url, "guessed", batch(1, all_export))
    assert refused.value.code == 401
    with pytest.raises(HTTPError) as unknown:
        push(f"{process.url}/callbacks/nobody", "guessed", batch(1, all_export))
    assert unknown.value.code == 404
    refused.value.close()
    unknown.value.close()
    process.jump_to(STARTS_AT + timedelta(minutes=5))
    assert get(f"{process.url}/report")["setpoints"]["received"] == 0


def test_setpoints_outside_limits_over_or_unknown_are_rejected(aggregator, start):
    process = start(aggregator)
    url = f"{process.url}/callbacks/deelstroom"
    row = {"starts_at": WINDOW.isoformat(), "ends_at": (WINDOW + timedelta(minutes=15)).isoformat(), "power_w": [0]}
    past = {"starts_at": "2026-01-14T10:00:00Z", "ends_at": "2026-01-14T10:15:00Z", "power_w": [0]}
    answer = push(
        url,
        secret_of("deelstroom"),
        {
            "batch_id": 5,
            "setpoints": [
                {"setpoint_id": 1, "asset": "home-0001", **row},
                {"setpoint_id": 2, "asset": "home-0001", **row, "power_w": [50_000]},
                {"setpoint_id": 3, "asset": "home-0001", **row, "power_w": [-1]},
                {"setpoint_id": 4, "asset": "home-0001", **row, "power_w": [0, 0]},
                {"setpoint_id": 5, "asset": "pub-0001", **row},
                {"setpoint_id": 6, "asset": "home-0001", **past},
            ],
        },
    )
    assert [result["status"] for result in answer["results"]] == ["accepted"] + ["rejected"] * 5
    assert answer["results"][4]["reason"] == "No asset pub-0001 here."
