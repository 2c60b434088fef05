"""Scenario documents: parameters, local time on the days the clock changes, and a seeded foreign book."""

import copy
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

import mock_gopacs
from mock_gopacs.scenario import read_scenario
from mock_gopacs.scenario_values import InvalidScenario, local_instant

DOCUMENT = {
    "name": "small",
    "seed": 7,
    "date": "${date}",
    "parameters": {"date": None, "required": 0.5},
    "areas": {
        "centre": {"name": "Centre", "postcodes": ["3511", "3512 AB"]},
        "far": {"name": "Far", "postcodes": ["9711"]},
    },
    "announcements": [
        {
            "area": "centre", "organisation": "Stedin", "congestion": "OFF_TAKE", "publish_at": "00:30",
            "starts_at": "01:00", "ends_at": "04:00", "required_mw": "${required}",
            "maximum_spread_eur_per_mwh": 400, "clears_at": ["00:40"],
        }
    ],
    "foreign_orders": [
        {
            "area": "far", "side": "BUY", "count": 3, "quantity_mw": [0.2, 1.0], "price_eur_per_mwh": [60, 110],
            "block_minutes": 60, "starts_at": "01:00", "ends_at": "04:00", "placed_at": "00:31",
        }
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("day", "ptus"), [("2026-01-14", 12), ("2026-03-29", 8), ("2026-10-25", 16)]
)  # fmt: skip
def test_three_hours_on_the_clock_are_8_12_or_16_ptus(day, ptus):
    scenario = read_scenario(DOCUMENT, {"date": day})
    assert len(scenario.announcements[0].required_mw) == ptus
    # and every hour-long foreign block fits into it
    assert len(scenario.foreign_orders) == 3 * ptus // 4


def test_a_clock_time_that_does_not_exist_is_refused():
    with pytest.raises(InvalidScenario, match="02:30 does not exist on 2026-03-29"):
        local_instant(date(2026, 3, 29), "02:30")


def test_a_clock_time_that_comes_twice_is_the_first():
    assert local_instant(date(2026, 10, 25), "02:30") == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


def test_the_same_seed_is_the_same_book_and_another_seed_another():
    other = {**DOCUMENT, "seed": 8}
    first, again = (read_scenario(DOCUMENT, {"date": "2026-01-14"}).foreign_orders for _ in range(2))
    assert first == again
    assert first != read_scenario(other, {"date": "2026-01-14"}).foreign_orders


def test_foreign_orders_stay_within_their_bounds():
    for order in read_scenario(DOCUMENT, {"date": "2026-01-14"}).foreign_orders:
        assert Decimal("0.2") <= order.quantity_mw <= 1
        assert order.quantity_mw == order.quantity_mw.quantize(Decimal("0.1"))
        assert 60 <= order.price_eur_per_mwh <= 110
        assert order.postcode == "9711"


def changed(**values: Any):
    document = copy.deepcopy(DOCUMENT)
    document["announcements"][0].update(values)
    return document


@pytest.mark.parametrize(
    ("document", "parameters", "message"),
    [
        (DOCUMENT, {}, r"parameters \['date'\] have no default"),
        (DOCUMENT, {"date": "2026-01-14", "dat": 1}, r"Unknown parameters \['dat'\]"),
        (changed(required_mw=[1, 2]), {"date": "2026-01-14"}, "lasts 12 PTUs but required_mw has 2 values"),
        (changed(area="nowhere"), {"date": "2026-01-14"}, "lacks 'nowhere'"),
        (changed(starts_at="01:07"), {"date": "2026-01-14"}, "quarter hour"),
        (changed(ends_at="00:45"), {"date": "2026-01-14"}, "not after its start"),
    ],
)
def test_what_cannot_be_played_is_explained(document, parameters, message):
    with pytest.raises(InvalidScenario, match=message):
        read_scenario(document, parameters)


def test_the_scenarios_that_ship_can_be_read():
    files = sorted((Path(mock_gopacs.__file__).parent / "scenarios").glob("*.yaml"))
    assert [file.stem for file in files] == [
        "balancing_evening",
        "called_evening",
        "congested_day",
        "congested_evening",
    ]
    parameters = {
        "date": "2026-01-14",
        "participant_id": "7d9d2d0e-6d5c-4a43-8b53-3f0a3b1d5a11",
        "api_key": "exchange",
        "gopacs_api_key": "gopacs",
        "registrations": [{"ean": "871685900012636543", "postcode": "3511"}],
    }
    scenario = read_scenario(yaml.safe_load(files[3].read_text(encoding="utf-8")), parameters)
    assert [plan.publish_at for plan in scenario.announcements] == [datetime(2026, 1, 14, 14, 30, tzinfo=UTC)] * 2
    assert [len(plan.required_mw) for plan in scenario.announcements] == [12, 12]
