"""What a person is shown of a quarter hour that TenneT settled."""

from decimal import Decimal

import pytest

from settlement.balancing.findings import Kind, Quarter, Requested, findings_of, summary
from tests.balancing_settlements import settled_period

MWH = Decimal("0.250000")
PRICE = Decimal("80.00")


def quarter(**changes):
    """Return 1 MW up for a quarter hour: bid, asked for and delivered, but for what is changed."""
    told = {"reduce": (MWH, PRICE)} | changes.pop("told", {})
    values = {
        "bid_w": {"reduce": 1_000_000},
        "requested": Requested(900_000_000, 0, 0),
        "delivered_wh": {"reduce": 250_000},
        **changes,
    }
    return Quarter(told=settled_period(0, **told), **values)


def texts(found):
    return [(finding.kind, finding.text) for finding in findings_of(found)]


def test_a_quarter_hour_that_fits_has_none():
    assert texts(quarter()) == []
    assert texts(quarter(requested=None, delivered_wh={})) == []


def test_both_directions_are_judged():
    both = {"reduce": (MWH, PRICE), "increase": (MWH, Decimal("20.00"))}
    found = texts(quarter(told=both, requested=None))
    assert found == [(Kind.BEYOND_BID, "TenneT asked for 250.0 kWh down, our bid could give 0.0 kWh")]


@pytest.mark.parametrize(("off", "is_found"), [("0.009", False), ("-0.009", False), ("0.01", True), ("-0.01", True)])
def test_an_amount_is_energy_times_price_to_the_cent(off, is_found):
    found = texts(quarter(told={"amount_eur": Decimal(20) + Decimal(off)}))
    assert [kind for kind, _ in found] == [Kind.AMOUNT] * is_found


def test_a_wrong_sign_is_found():
    found = texts(
        quarter(
            told={"reduce": (Decimal(0), PRICE), "increase": (MWH, Decimal("20.00")), "amount_eur": Decimal("5.00")},
            bid_w={"increase": 1_000_000},
            requested=None,
            delivered_wh={},
        )
    )
    assert found == [(Kind.AMOUNT, "TenneT's amount is 5.00 EUR, its energy times its price -5.00 EUR")]


@pytest.mark.parametrize(
    ("asked_ws", "lost", "text"),
    [
        (900_000_000 - 3_600_000, 0, None),  # 1 kWh
        (900_000_000 - 4_000_000, 1, "250.0 kWh up, its setpoints told us 248.9 kWh; 1 cycle did not reach us"),
        (900_000_000 + 3_600_001, 0, "250.0 kWh up, its setpoints told us 251.0 kWh"),
    ],
)
def test_a_cycle_that_only_one_of_us_counts_is_found(asked_ws, lost, text):
    found = texts(quarter(requested=Requested(asked_ws, 0, lost)))
    assert found == ([(Kind.REQUESTED, f"TenneT asked for {text}")] if text else [])


@pytest.mark.parametrize(
    ("delivered_wh", "text"),
    [(236_500, None), (236_499, "meters show 236.5 kWh up of 250.0 kWh asked"), (0, "meters show 0.0 kWh up of")],
)
def test_what_meters_miss_beyond_the_tolerance_is_found(delivered_wh, text):
    found = texts(quarter(delivered_wh={"reduce": delivered_wh}))
    assert [kind for kind, _ in found] == [Kind.DELIVERED] * (text is not None)
    assert text is None or found[0][1].startswith(text)


def test_what_tennet_misses_is_told():
    found = texts(quarter(told={"missed": (Decimal("0.012"), Decimal(0))}))
    assert found == [(Kind.MISSED, "TenneT misses 12.0 kWh up")]


def test_a_day_is_summed_up_the_gravest_first_and_each_quarter_hour_once():
    both_ways = {"reduce": (MWH, PRICE), "increase": (MWH, PRICE), "missed": (Decimal(1), Decimal(1))}
    missing = quarter(told=both_ways, bid_w={"reduce": 1_000_000, "increase": 1_000_000}, requested=None)
    beyond = quarter(bid_w={})
    assert summary([missing, quarter(), beyond, missing]) == [
        "In 1 quarter hour TenneT counts more energy than our bid could give.",
        "In 2 quarter hours TenneT found energy missing.",
    ]
