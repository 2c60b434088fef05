"""The check of a report, on a small evening worked out by hand."""

import copy

import pytest

from tests.report_check import exact_amounts_eur, problems

FIRST, SECOND, CALLED = "871685900012636543", "871685900000000014", "871685900000000021"


def make_report():
    """Two PTUs of two groups: one gives too much and too little, the other is not cleared.

    100 kW ordered at 180 EUR/MWh; 120 kW and then 30 kW delivered; paid 25000 + 7500 Wh, 5.85 EUR. A third is called
    for 40 kW more at 100 EUR/MWh and gives 50: paid 10000 Wh, 1.00 EUR, less a penalty of 0.20.
    """
    return {
        "announcements": [{"external_id": "a-1", "starts_at": "2026-01-14T16:00:00Z"}],
        "bids": [
            {
                "aggregation_ean": FIRST,
                "starts_at": "2026-01-14T16:00:00Z",
                "ends_at": "2026-01-14T16:30:00Z",
                "direction": "reduce",
                "power_w": 200_000,
                "price_eur_per_mwh": "180.00",
                "reliability": 0.95,
                "outcome": "partly_cleared",
                "cleared_power_w": 100_000,
            },
            {
                "aggregation_ean": SECOND,
                "starts_at": "2026-01-14T16:00:00Z",
                "ends_at": "2026-01-14T16:30:00Z",
                "direction": "reduce",
                "power_w": 100_000,
                "price_eur_per_mwh": "250.00",
                "reliability": 0.95,
                "outcome": "not_cleared",
                "cleared_power_w": 0,
            },
        ],
        "calls": [
            {
                "aggregation_ean": CALLED,
                "order_reference": "o-1",
                "starts_at": "2026-01-14T16:00:00Z",
                "ends_at": "2026-01-14T16:15:00Z",
                "direction": "increase",
                "price_eur_per_mwh": "100.00",
            }
        ],
        "deliveries": [
            {
                "aggregation_ean": CALLED,
                "ptu_start": "2026-01-14T16:00:00Z",
                "ordered_w": 40_000,
                "baseline_w": 10_000,
                "metered_w": 60_000,
                "delivered_w": 50_000,
            },
            {
                "aggregation_ean": FIRST,
                "ptu_start": "2026-01-14T16:00:00Z",
                "ordered_w": 100_000,
                "baseline_w": 300_000,
                "metered_w": 180_000,
                "delivered_w": 120_000,
            },
            {
                "aggregation_ean": FIRST,
                "ptu_start": "2026-01-14T16:15:00Z",
                "ordered_w": 100_000,
                "baseline_w": 300_000,
                "metered_w": 270_000,
                "delivered_w": 30_000,
            },
        ],
        "setpoints": {"sent": 50, "accepted": 48, "judged": 47, "followed": 45},
        "drivers": {"sessions": 60, "served": 58, "unserved_kwh": 6.2},
        "settlement": {
            "total_eur": "6.65",
            "charges": [{"contract_id": "CLC-1", "aggregation_ean": CALLED, "kind": "penalty", "amount_eur": "-0.20"}],
            "lines": [
                {"partner": "Laadkracht", "aggregation_ean": FIRST, "delivered_wh": 32_500, "amount_eur": "4.10"},
                {"partner": None, "aggregation_ean": FIRST, "delivered_wh": 0, "amount_eur": "1.75"},
                {"partner": "Laadkracht", "aggregation_ean": CALLED, "delivered_wh": 10_000, "amount_eur": "1.00"},
                {"partner": None, "aggregation_ean": CALLED, "delivered_wh": 0, "amount_eur": "-0.20"},
            ],
        },
        "timings": {"total": 1.0},
    }


def test_a_sound_report_has_no_problems():
    assert problems(make_report()) == []


def test_money_follows_from_deliveries_and_prices():
    assert {ean: str(amount) for ean, amount in exact_amounts_eur(make_report()).items()} == {
        CALLED: "1.00",
        FIRST: "5.85",
    }


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        (("announcements",), [], "nothing was announced"),
        (("bids", 0, "outcome"), "submitted", "never got its answer"),
        (("bids", 0, "outcome"), "cleared", "is cleared with 100000 of 200000 W"),
        (("bids", 0, "reliability"), 95, "no probability"),
        (("bids", 1, "cleared_power_w"), 300_000, "300000 of 100000 W"),
        (("bids", 0, "ends_at"), "2026-01-14T16:45:00Z", "no delivery in 1 PTUs, the first at 2026-01-14T16:30:00Z"),
        (("bids", 0, "direction"), "increase", "not baseline minus metered"),
        (("bids", 0, "price_eur_per_mwh"), "181.00", "gets 5.85 EUR and earned 5.88 EUR"),
        (("deliveries", 1, "aggregation_ean"), SECOND, "belongs to no cleared bid"),
        (("deliveries", 1, "ordered_w"), 200_000, "more than the 100000 W cleared"),
        (("deliveries", 1, "metered_w"), 0, "not baseline minus metered"),
        (("deliveries", 2, "delivered_w"), 40_000, "was paid for 32500 Wh and delivered 35000 Wh"),
        (("deliveries", 2, "ptu_start"), "2026-01-14T16:00:00Z", "counted twice"),
        (("settlement", "total_eur"), "6.66", "the lines add up to 6.65 EUR and the total is 6.66 EUR"),
        (("settlement", "lines", 0, "amount_eur"), "4.11", "the lines add up to 6.66 EUR"),
        (("settlement", "lines", 0, "amount_eur"), "4.095", "not on whole cents"),
        (("settlement", "lines", 1, "delivered_wh"), 1, "a line of None has 1 Wh"),
        (("calls", 0, "ends_at"), "2026-01-14T16:30:00Z", "the call o-1 has no delivery in 1 PTUs"),
        (("calls", 0, "aggregation_ean"), SECOND, "belongs to no cleared bid and no call"),
        (("calls", 0, "aggregation_ean"), SECOND, "is for power that was called"),
        (("settlement", "charges", 0, "amount_eur"), "-0.30", "gets 0.80 EUR and earned 0.70"),
        (("calls", 0, "price_eur_per_mwh"), "102.00", "gets 0.80 EUR and earned 0.82"),
        (("setpoints", "followed"), 49, "do not count down"),
        (("drivers", "served"), 61, "do not add up"),
        (("drivers", "unserved_kwh"), 0.1, "contradict themselves"),
        (("drivers", "served"), 60, "contradict themselves"),
    ],
)
def test_a_wrong_number_is_found(path, value, problem):
    report = copy.deepcopy(make_report())
    *parents, last = path
    place = report
    for step in parents:
        place = place[step]
    place[last] = value
    assert any(problem in found for found in problems(report))


def test_money_that_is_wrong_everywhere_alike_is_found():
    # given lines and total that agree with each other, a cent too high
    report = make_report()
    report["settlement"]["total_eur"] = "6.66"
    report["settlement"]["lines"][0]["amount_eur"] = "4.11"
    assert problems(report) == [f"{FIRST} gets 5.86 EUR and earned 5.85 EUR"]
