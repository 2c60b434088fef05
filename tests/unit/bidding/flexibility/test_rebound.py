from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bidding.flexibility import lp
from bidding.flexibility.devices import one_way_charger
from bidding.flexibility.rebound import (
    max_reduce_with_rebound_kw,
    rebound_cost_eur,
    rebound_price_eur_per_mwh,
)
from bidding.flexibility.window import Window

WINDOW = slice(0, 4)


def cars(departure_hours: float = 8.0):
    """Ten cars that would charge for one hour at 4 kW from now."""
    return one_way_charger(
        arrival_hours=np.full(10, -1.0),
        departure_hours=departure_hours,
        energy_needed_kwh=4.0,
        power_max_kw=4.0,
        window=Window(steps=28),
    )


BASELINE = np.concatenate((np.full(4, 40.0), np.zeros(24)))


def test_energy_that_can_wait_until_after_the_cap_is_free():
    reduce_kw = max_reduce_with_rebound_kw(
        corridor=cars(departure_hours=8.0), baseline_kw=BASELINE, step_hours=0.25, window=WINDOW, rebound_share=0.0
    )

    assert reduce_kw == pytest.approx(40.0)


@pytest.mark.parametrize(("share", "expected"), [(0.0, 0.0), (0.16, 0.0), (0.17, 40.0), (1.0, 40.0)])
def test_energy_of_one_hour_must_return_in_six_capped_ones(share, expected):
    reduce_kw = max_reduce_with_rebound_kw(
        corridor=cars(departure_hours=7.0), baseline_kw=BASELINE, step_hours=0.25, window=WINDOW, rebound_share=share
    )

    assert reduce_kw == pytest.approx(expected, abs=1e-6)


@given(share=st.floats(0, 1))
@settings(max_examples=15, deadline=None)
def test_a_looser_cap_never_gives_less(share):
    common = {"corridor": cars(7.0), "baseline_kw": BASELINE + 3, "step_hours": 0.25, "window": WINDOW}

    tight = max_reduce_with_rebound_kw(**common, rebound_share=share)
    loose = max_reduce_with_rebound_kw(**common, rebound_share=min(1.0, share + 0.1))
    free = lp.max_reduce_kw(
        corridor=common["corridor"], baseline_kw=common["baseline_kw"], step_hours=0.25, window=WINDOW
    )

    assert tight <= loose + 1e-6
    assert loose <= free + 1e-6


def test_shifting_to_a_dearer_hour_costs_the_difference():
    price = [Decimal(80), Decimal(120)]
    common = {
        "profile_kw": np.array([0.0, 500.0]),
        "baseline_kw": np.array([500.0, 0.0]),
        "price_eur_per_mwh": price,
        "step_hours": 1.0,
    }

    assert rebound_cost_eur(**common) == Decimal(20)
    assert rebound_price_eur_per_mwh(**common, window=slice(0, 1)) == Decimal(40)


def test_a_return_without_reduction_has_no_price():
    with pytest.raises(ValueError, match="reduces nothing"):
        rebound_price_eur_per_mwh(
            profile_kw=np.array([5.0]),
            baseline_kw=np.array([5.0]),
            price_eur_per_mwh=[Decimal(1)],
            step_hours=1.0,
            window=slice(0, 1),
        )
