"""Prices are exact: every expected number here was worked out by hand from the formula in `bidding.pricing`."""

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidding.pricing import CostFactors, price_parts

NOTHING = CostFactors(
    rebound_share=Decimal(1),
    storage_share=Decimal(0),
    round_trip_efficiency=Decimal(1),
    wear_eur_per_kwh=Decimal(0),
    energy_tax_eur_per_kwh=Decimal(0),
    taxed_twice_share=Decimal(0),
    drivers_eur_per_mwh=Decimal(0),
    margin_eur_per_mwh=Decimal(0),
)
V2G = CostFactors(
    rebound_share=Decimal(1),
    storage_share=Decimal("0.5"),
    round_trip_efficiency=Decimal("0.8"),
    wear_eur_per_kwh=Decimal("0.04"),
    energy_tax_eur_per_kwh=Decimal("0.1"),
    taxed_twice_share=Decimal("0.25"),
    drivers_eur_per_mwh=Decimal("12.50"),
    margin_eur_per_mwh=Decimal(5),
)


def amounts(direction, prices, factors):
    return {part.name: part.eur_per_mwh for part in price_parts(
        direction=direction, rebound_eur_per_mwh=prices, factors=factors)}  # fmt: skip


def test_reducing_asks_what_energy_costs_when_it_comes_back():
    assert amounts("reduce", [Decimal(60), Decimal(100)], NOTHING)["energy"] == Decimal("80.00")
    assert amounts("reduce", [Decimal(80)], replace(NOTHING, rebound_share=Decimal("0.5")))["energy"] == Decimal(
        "40.00"
    )


def test_every_part_of_a_reduction_with_storage():
    assert amounts("reduce", [Decimal(60), Decimal(100)], V2G) == {
        "energy": Decimal("80.00"),
        "losses": Decimal("10.00"),  # 80 x 0.5 x (1/0.8 - 1)
        "wear": Decimal("20.00"),  # 1000 x 0.5 x 0.04
        "energy tax": Decimal("15.63"),  # 1000 x 0.5 x 0.25 x 0.1 / 0.8 = 15.625
        "drivers": Decimal("12.50"),
        "margin": Decimal("5.00"),
    }


def test_every_part_of_an_increase_with_storage():
    assert amounts("increase", [Decimal(60), Decimal(100)], V2G) == {
        "energy": Decimal("-80.00"),  # it need not be bought later
        "losses": Decimal("8.00"),  # 80 x 0.5 x (1 - 0.8): of what is stored, a fifth is not saved
        "wear": Decimal("20.00"),
        "energy tax": Decimal("12.50"),
        "drivers": Decimal("12.50"),
        "margin": Decimal("5.00"),
    }


def test_negative_prices_turn_the_signs():
    assert amounts("reduce", [Decimal(-40)], NOTHING)["energy"] == Decimal("-40.00")
    assert amounts("increase", [Decimal(-40)], NOTHING)["energy"] == Decimal("40.00")


def test_an_exact_cent_is_not_rounded_up_by_a_division():
    # 30 x 1 x (1/0.75 - 1) is exactly 10; 28 digits of 1/0.75 would make it 10.01
    assert amounts(
        "reduce", [Decimal(30)], replace(NOTHING, storage_share=Decimal(1), round_trip_efficiency=Decimal("0.75"))
    )["losses"] == Decimal("10.00")


def test_parts_round_up_to_the_cent_so_that_no_cost_is_lost():
    assert amounts("reduce", [Decimal("0.01"), Decimal("0.02")], NOTHING)["energy"] == Decimal("0.02")  # 0.015
    assert amounts("increase", [Decimal("0.01"), Decimal("0.02")], NOTHING)["energy"] == Decimal("-0.01")  # -0.015


MONEY = st.decimals(-4000, 4000, places=2)
SHARE = st.decimals(0, 1, places=4)


@given(
    prices=st.lists(MONEY, min_size=1, max_size=12),
    storage=SHARE,
    efficiency=st.decimals(Decimal("0.5"), 1, places=4),
    direction=st.sampled_from(["reduce", "increase"]),
)
def test_the_price_covers_the_exact_cost_by_less_than_a_cent_per_part(prices, storage, efficiency, direction):
    factors = replace(V2G, storage_share=storage, round_trip_efficiency=efficiency)
    parts = price_parts(direction=direction, rebound_eur_per_mwh=prices, factors=factors)
    mean, f, e = sum(map(Fraction, prices)) / len(prices), Fraction(storage), Fraction(efficiency)
    if direction == "reduce":
        exact = mean + mean * f * (1 / e - 1) + f * 1000 * (Fraction("0.04") + Fraction("0.025") / e)
    else:
        exact = -mean + mean * f * (1 - e) + f * 1000 * (Fraction("0.04") + Fraction("0.025"))
    exact += Fraction("17.5")
    total = sum(Fraction(part.eur_per_mwh) for part in parts)
    assert exact <= total < exact + Fraction(len(parts), 100)


def test_each_part_says_how_it_came_about():
    parts = {part.name: part.how for part in price_parts(
        direction="reduce", rebound_eur_per_mwh=[Decimal(80)] * 32, factors=V2G)}  # fmt: skip
    assert parts["energy"] == "bought again: 1 x € 80.00 mean day-ahead price of 32 PTUs"
    assert parts["wear"] == "0.5 through storage x € 0.04 per kWh"


@pytest.mark.parametrize("direction", ["reduce", "increase"])
def test_dearer_wear_never_makes_a_bid_cheaper(direction):
    dear = replace(V2G, wear_eur_per_kwh=Decimal("0.05"))
    assert sum(amounts(direction, [Decimal(50)], dear).values()) - sum(
        amounts(direction, [Decimal(50)], V2G).values()
    ) == Decimal(5)
