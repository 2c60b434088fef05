from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

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


def test_a_pump_that_rests_cannot_be_asked_for_more():
    group = replace(homes(), min_run_hours=0.25, min_off_hours=0.25)
    plan = heat_pump_plan(homes=group, outdoor_c=21.0, window=Window(steps=4))

    assert plan.baseline_kw.tolist() == [[0.0] * 4] * 3
    assert plan.corridor.power_max_kw.tolist() == [[0.0] * 4] * 3


def test_a_pump_with_long_runs_that_runs_in_some_steps_only_cannot_be_asked_for_anything():
    """At 12 °C it needs a third of a kW, less than its least power: it may be resting when it is asked for more."""
    group = replace(homes(), min_run_hours=0.25, min_off_hours=0.25)
    plan = heat_pump_plan(homes=group, outdoor_c=12.0, window=Window(steps=4))

    assert np.all((plan.baseline_kw > 0) & (plan.baseline_kw < 0.8))
    assert plan.corridor.power_min_kw == pytest.approx(plan.baseline_kw)
    assert plan.corridor.power_max_kw == pytest.approx(plan.baseline_kw)


def exact_reduce_kw(group: Homes, outdoor: np.ndarray, baseline: np.ndarray, *, window: Window) -> float:
    """The most the homes can stay below their baseline in every step, heat leaking: a programme with temperatures.

    Variables: power of each home and step, temperature of each home and step, and the power promised.
    """
    count, steps = baseline.shape
    cells = count * steps
    keep = np.exp(-window.step_hours / group.time_constant_hours)
    gain = group.resistance_k_per_kw[:, None] * cop_at(outdoor)
    equal, equal_to = np.zeros((cells, 2 * cells + 1)), np.zeros(cells)
    for home in range(count):
        for step in range(steps):
            row = home * steps + step
            equal[row, cells + row] = 1.0
            equal[row, row] = -(1 - keep[home]) * gain[home, step]
            equal_to[row] = (1 - keep[home]) * outdoor[step]
            if step:
                equal[row, cells + row - 1] = -keep[home]
            else:
                equal_to[row] += keep[home] * group.set_point_c[home]
    below = np.zeros((steps, 2 * cells + 1))
    for step in range(steps):
        below[step, step:cells:steps] = 1.0
        below[step, -1] = 1.0
    band = [
        (float(set_point - width), float(set_point + width))
        for set_point, width in zip(group.set_point_c, group.comfort_band_k, strict=True)
    ]
    bounds = [(0.0, float(power)) for power in np.repeat(group.power_max_kw, steps)]
    bounds += [band[home] for home in np.repeat(np.arange(count), steps)] + [(None, None)]
    cost = np.zeros(2 * cells + 1)
    cost[-1] = -1.0
    found = linprog(cost, A_ub=below, b_ub=baseline.sum(axis=0), A_eq=equal, b_eq=equal_to, bounds=bounds)
    return float(found.x[-1])


@given(seed=st.integers(0, 10**6), steps=st.integers(2, 8))
@settings(max_examples=30, deadline=None)
def test_leaking_heat_is_never_promised_twice(seed, steps):
    """The inner model stays below the exact programme with leakage, and is not a trivial one."""
    rng = np.random.default_rng(seed)
    group = replace(homes(), time_constant_hours=rng.uniform(15, 150, 3))
    outdoor = rng.uniform(-8, 8) + np.cumsum(rng.normal(0, 0.3, steps))
    window = Window(steps=steps)
    plan = heat_pump_plan(homes=group, outdoor_c=outdoor, window=window)

    ours = deliverable(corridor=plan.corridor, baseline_kw=plan.baseline_kw.sum(axis=0), step_hours=0.25).reduce_kw

    exact = exact_reduce_kw(group, outdoor, plan.baseline_kw, window=window)
    assert 0.5 * exact <= ours <= exact + 1e-6
