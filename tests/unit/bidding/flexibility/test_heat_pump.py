from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bidding.flexibility import lp
from bidding.flexibility.gpolymatroid import deliverable
from bidding.flexibility.heat_pump import Homes, cop_at, heat_pump_plan, temperatures_c
from bidding.flexibility.window import Window


def homes(count: int = 3, **overrides: float) -> Homes:
    values = {
        "time_constant_hours": 60.0,
        "resistance_k_per_kw": 5.0,
        "set_point_c": 20.0,
        "comfort_band_k": 0.5,
        "power_max_kw": 3.0,
        "power_min_running_kw": 0.8,
    } | overrides
    return Homes(
        **{name: np.full(count, value) for name, value in values.items()}, min_run_hours=0.1, min_off_hours=0.1
    )


def test_cop_falls_with_the_cold():
    assert cop_at([-20.0, 2.0, 4.5, 30.0]).tolist() == pytest.approx([2.1, 3.4, 3.8, 4.9])


def test_baseline_keeps_the_set_point():
    plan = heat_pump_plan(homes=homes(), outdoor_c=2.0, window=Window(steps=8))

    assert plan.baseline_c == pytest.approx(np.full((3, 8), 20.0))
    assert plan.baseline_kw[0, 0] == pytest.approx(18.0 / (5.0 * 3.4))


@given(seed=st.integers(0, 10**6), steps=st.integers(2, 24))
@settings(max_examples=40, deadline=None)
def test_every_profile_inside_keeps_homes_comfortable(seed, steps):
    rng = np.random.default_rng(seed)
    group = homes(time_constant_hours=float(rng.uniform(15, 150)))
    outdoor = rng.uniform(-8, 12) + np.cumsum(rng.normal(0, 0.3, steps))
    window = Window(steps=steps)
    plan = heat_pump_plan(homes=group, outdoor_c=outdoor, window=window)

    for _ in range(4):
        profile = lp.solve_fleet(
            corridor=plan.corridor, step_hours=window.step_hours, cost=rng.normal(size=(3, steps))
        ).profile_kw
        indoors = temperatures_c(homes=group, outdoor_c=outdoor, profile_kw=profile, window=window)
        assert np.all(np.abs(indoors - 20.0) <= 0.5 + 1e-6)


def test_two_hours_off_fits_half_a_degree_in_an_insulated_home():
    window = Window(steps=8)
    plan = heat_pump_plan(homes=homes(1, comfort_band_k=1.0), outdoor_c=2.0, window=window)

    power = deliverable(corridor=plan.corridor, baseline_kw=plan.baseline_kw[0], step_hours=0.25)

    assert power.reduce_kw == pytest.approx(plan.baseline_kw[0, 0])


def test_no_flexibility_below_the_design_temperature():
    plan = heat_pump_plan(homes=homes(power_max_kw=1.2), outdoor_c=-10.0, window=Window(steps=4))

    assert plan.corridor.power_min_kw == pytest.approx(plan.baseline_kw)
    assert plan.corridor.power_max_kw == pytest.approx(plan.baseline_kw)


def test_a_pump_with_long_runs_is_not_switched_off():
    group = replace(homes(), min_run_hours=0.25, min_off_hours=0.25)
    plan = heat_pump_plan(homes=group, outdoor_c=2.0, window=Window(steps=4))

    assert plan.corridor.power_min_kw == pytest.approx(np.full((3, 4), 0.8))


def test_rebound_limits_power_above_the_baseline():
    plan = heat_pump_plan(homes=homes(), outdoor_c=2.0, window=Window(steps=4), rebound_kw=0.2)

    assert plan.corridor.power_max_kw == pytest.approx(plan.baseline_kw + 0.2)
