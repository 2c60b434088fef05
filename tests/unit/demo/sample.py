"""A made-up evening of two groups, large enough to draw: not a result of anything."""

import math
from datetime import UTC, datetime, timedelta

FIRST, SECOND, CALLED = "871685900012636543", "871685900000000014", "871685900000000021"
WINDOW_START = datetime(2026, 1, 14, 16, tzinfo=UTC)
PTU = timedelta(minutes=15)
WINDOW_PTUS = 12
BEFORE = 8
SHOWN = 44


def _at(instant) -> str:
    return f"{instant:%Y-%m-%dT%H:%M:%SZ}"


def _series(ean, name, scale, ordered_w, limit_w=None) -> dict:
    starts = [WINDOW_START + (number - BEFORE) * PTU for number in range(SHOWN)]
    baseline_w = [round(scale * (900_000 + 600_000 * math.sin(number / 12))) for number in range(SHOWN)]
    in_window = [BEFORE <= number < BEFORE + WINDOW_PTUS for number in range(SHOWN)]
    metered_w = [
        power - (ordered_w + 8_000 - 900 * number if inside else -round(ordered_w * 0.3 * (number > BEFORE)))
        for number, (power, inside) in enumerate(zip(baseline_w, in_window, strict=True))
    ]
    return {
        "aggregation_ean": ean,
        "name": name,
        "starts_at": _at(WINDOW_START),
        "direction": "reduce",
        "ptu_starts": [_at(start) for start in starts],
        "baseline_w": baseline_w,
        "plan_w": [power - 5_000 for power in metered_w],
        "metered_w": metered_w,
        "ordered_w": [ordered_w if inside and ordered_w else None for inside in in_window],
        "limit_w": [limit_w if inside else None for inside in in_window],
        "undisturbed_w": [power + 15_000 for power in baseline_w],
        "explanation": {
            "reason": "Every PTU keeps 400 kW in 95 of 100 scenarios.",
            "power": {
                "rated_kw": 2_741.5,
                "energy_kw": 2_110.7,
                "departures_kw": 170.5,
                "pause_floor_kw": 56.1,
                "deliverable_kw": 404.2,
                "not_yet_arrived_kw": 166.0,
            },
            "curve": [(0.5, 560.0), (0.8, 470.5), (0.9, 430.0), (0.95, 404.2), (0.99, 310.0)],
        },
    }


def sample_extra():
    return {
        "bids": [
            _series(FIRST, "Utrecht <Oost> public", 1.0, 300_000),
            _series(SECOND, "Overvecht depot and heat", 0.4, 0),
        ],
        "calls": [_series(CALLED, "Overvecht homes", 0.3, 40_000, limit_w=200_000)],
    }


def _deliveries(series, ordered_w) -> list:
    return [
        {
            "aggregation_ean": series["aggregation_ean"],
            "ptu_start": series["ptu_starts"][number],
            "ordered_w": ordered_w,
            "baseline_w": series["baseline_w"][number],
            "metered_w": series["metered_w"][number],
            "delivered_w": series["baseline_w"][number] - series["metered_w"][number],
        }
        for number in range(BEFORE, BEFORE + WINDOW_PTUS)
    ]


def sample_report():
    extra = sample_extra()
    deliveries = [*_deliveries(extra["bids"][0], 300_000), *_deliveries(extra["calls"][0], 40_000)]
    bid = {
        "aggregation_ean": FIRST,
        "starts_at": _at(WINDOW_START),
        "ends_at": _at(WINDOW_START + WINDOW_PTUS * PTU),
        "direction": "reduce",
        "power_w": 400_000,
        "price_eur_per_mwh": "180.00",
        "reliability": 0.95,
        "outcome": "partly_cleared",
        "cleared_power_w": 300_000,
    }
    return {
        "announcements": [
            {
                "external_id": "a-1",
                "revision": 1,
                "congestion_area": "utrecht-oost",
                "direction": "reduce",
                "starts_at": bid["starts_at"],
                "ends_at": bid["ends_at"],
                "required_power_w": [1_500_000] * WINDOW_PTUS,
            }
        ],
        "bids": [
            bid,
            {**bid, "aggregation_ean": SECOND, "outcome": "not_cleared", "cleared_power_w": 0},
        ],
        "calls": [
            {
                "aggregation_ean": CALLED,
                "contract_id": "CLC-1",
                "kind": "CLC-A",
                "grid_operator": "dso.example.com",
                "order_reference": "CLC-1-a",
                "called_at": _at(WINDOW_START - timedelta(hours=2)),
                "starts_at": bid["starts_at"],
                "ends_at": bid["ends_at"],
                "direction": "reduce",
                "power_meaning": "limit",
                "power_w": [200_000] * WINDOW_PTUS,
                "price_eur_per_mwh": "120.00",
                "status": "settled",
                "messages": [
                    {"at": bid["starts_at"], "way": "received", "element": "FlexOrder", "result": "accepted"},
                    {"at": bid["starts_at"], "way": "sent", "element": "FlexOrderResponse", "result": "open"},
                ],
            }
        ],
        "deliveries": deliveries,
        "setpoints": {"sent": 3_412, "accepted": 3_398, "judged": 3_360, "followed": 3_305},
        "drivers": {"sessions": 1_204, "served": 1_199, "unserved_kwh": 21.4},
        "settlement": {
            "total_eur": "172.60",
            "charges": [],
            "lines": [
                {"partner": "Laadkracht", "aggregation_ean": FIRST, "delivered_wh": 600_000, "amount_eur": "75.60"},
                {"partner": "Deelauto", "aggregation_ean": FIRST, "delivered_wh": 287_350, "amount_eur": "36.20"},
                {"partner": None, "aggregation_ean": FIRST, "delivered_wh": 0, "amount_eur": "47.92"},
                {"partner": "Deelauto", "aggregation_ean": CALLED, "delivered_wh": 107_350, "amount_eur": "9.02"},
                {"partner": None, "aggregation_ean": CALLED, "delivered_wh": 0, "amount_eur": "3.86"},
            ],
        },
        "timings": {"Bids are sized and placed on the exchange": 6.2, "total": 71.4},
    }
