import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bidding.flexibility import lp
from bidding.flexibility.corridor import Corridor
from bidding.flexibility.deliverable import deliverable_reduce_kw
from bidding.flexibility.gpolymatroid import deliverable, subset_bounds, window_bounds, window_corridor
from bidding.flexibility.ul import InfeasibleDeviceError, ul_vectors

QUARTER = 0.25


def random_corridor(seed: int, *, devices: int, steps: int) -> Corridor:
    """Two-way devices around a profile of their own, so that each has at least one."""
    rng = np.random.default_rng(seed)
    lower = -rng.choice([0.0, 3.7, 11.0], (devices, 1)) * np.ones(steps)
    upper = rng.choice([0.0, 7.4, 11.0], (devices, 1)) * np.ones(steps)
    own = np.cumsum(lower + rng.uniform(0, 1, (devices, steps)) * (upper - lower), axis=1) * QUARTER
    room = rng.uniform(0, 3, (2, devices, 1))
    return Corridor(power_min_kw=lower, power_max_kw=upper, energy_min_kwh=own - room[0], energy_max_kwh=own + room[1])


def two_way_cars(count: int, *, steps: int) -> Corridor:
    """11 kW cars that may give back 2 kWh and have room for 20."""
    return Corridor.of(
        power_min_kw=-11.0, power_max_kw=11.0, energy_min_kwh=-2.0, energy_max_kwh=20.0, shape=(count, steps)
    )


@given(seed=st.integers(0, 10**6), steps=st.integers(1, 5))
@settings(max_examples=25, deadline=None)
def test_recursion_equals_the_linear_programme_on_every_set(seed, steps):
    corridor = random_corridor(seed, devices=1, steps=steps)

    bounds = subset_bounds(corridor, step_hours=QUARTER)

    for subset in range(1, 2**steps):
        weight = np.array([(subset >> step) & 1 for step in range(steps)]) * QUARTER
        least = lp.solve_fleet(corridor=corridor, step_hours=QUARTER, cost=weight).objective
        most = lp.solve_fleet(corridor=corridor, step_hours=QUARTER, cost=weight, maximise=True).objective
        assert bounds.least_kwh[0, subset] == pytest.approx(least, abs=1e-7)
        assert bounds.most_kwh[0, subset] == pytest.approx(most, abs=1e-7)


@given(seed=st.integers(0, 10**6), devices=st.integers(1, 8), steps=st.integers(1, 7))
@settings(max_examples=40, deadline=None)
def test_deliverable_equals_the_linear_programme(seed, devices, steps):
    corridor = random_corridor(seed, devices=devices, steps=steps)
    baseline = np.random.default_rng(seed).uniform(-20, 40, steps)

    ours = deliverable(corridor=corridor, baseline_kw=baseline, step_hours=QUARTER)

    common = {"corridor": corridor, "step_hours": QUARTER}
    assert ours.reduce_kw == pytest.approx(lp.max_reduce_kw(baseline_kw=baseline, **common), abs=1e-6)
    assert ours.increase_kw == pytest.approx(lp.max_increase_kw(baseline_kw=baseline, **common), abs=1e-6)
    assert ours.flat_cap_kw == pytest.approx(lp.min_flat_cap_kw(**common), abs=1e-6)


def test_long_windows_go_to_the_linear_programme():
    corridor = two_way_cars(3, steps=16)

    ours = deliverable(corridor=corridor, baseline_kw=np.zeros(16), step_hours=QUARTER)

    assert ours.reduce_kw == pytest.approx(3 * 2.0 / 4.0)


def test_ul_overstates_two_way_cars_under_a_rising_baseline_and_the_polymatroid_does_not():
    steps = 4
    corridor = two_way_cars(10, steps=steps)
    rising = np.array([0.0, 40.0, 80.0, 120.0])
    vectors = ul_vectors(
        power_min_kw=np.full(10, -11.0),
        power_max_kw=11.0,
        energy_min_kwh=-2.0,
        energy_max_kwh=11.0,
        steps=steps,
        step_hours=QUARTER,
    )

    exact = lp.max_reduce_kw(corridor=corridor, baseline_kw=rising, step_hours=QUARTER)
    ours = deliverable(corridor=corridor, baseline_kw=rising, step_hours=QUARTER).reduce_kw
    ul = deliverable_reduce_kw(baseline_kw=rising, vectors=vectors, step_hours=QUARTER)

    assert exact == pytest.approx(60.0)
    assert ours == pytest.approx(60.0)
    assert ul == pytest.approx(80.0)


@given(seed=st.integers(0, 10**6), lead=st.integers(0, 4))
@settings(max_examples=25, deadline=None)
def test_folded_window_equals_the_linear_programme_over_the_horizon(seed, lead):
    steps, window = 10, slice(4, 7)
    corridor = random_corridor(seed, devices=3, steps=steps)
    own = lp.solve_fleet(corridor=corridor, step_hours=QUARTER, cost=np.linspace(1, 2, steps)).profile_kw
    baseline = own.sum(axis=0)

    folded = window_corridor(corridor, start=4, stop=7, step_hours=QUARTER, lead_steps=lead, baseline_kw=own)
    ours = (
        window_bounds(folded, step_hours=QUARTER)
        .total()
        .deliverable_reduce_kw(baseline_kw=baseline[window], step_hours=QUARTER)
    )

    lower, upper = corridor.power_min_kw.copy(), corridor.power_max_kw.copy()
    lower[:, : 4 - lead] = upper[:, : 4 - lead] = own[:, : 4 - lead]
    fixed = Corridor(
        power_min_kw=lower - 1e-9,
        power_max_kw=upper + 1e-9,
        energy_min_kwh=corridor.energy_min_kwh - 1e-9,
        energy_max_kwh=corridor.energy_max_kwh + 1e-9,
    )
    exact = lp.max_reduce_kw(corridor=fixed, baseline_kw=baseline, step_hours=QUARTER, window=window)
    assert ours == pytest.approx(exact, abs=1e-5)


@given(seed=st.integers(0, 10**6))
@settings(max_examples=25, deadline=None)
def test_site_limits_equal_the_linear_programme(seed):
    steps, site = 5, np.array([0, 0, 0, 1, 1])
    corridor = random_corridor(seed, devices=5, steps=steps)
    own = lp.solve_fleet(corridor=corridor, step_hours=QUARTER).profile_kw
    by_site = np.stack([own[site == name].sum(axis=0) for name in (0, 1)])
    limits = lp.SiteLimits(
        site=site, max_import_kw=np.maximum(by_site, 0) + 2.0, max_export_kw=np.maximum(-by_site, 0) + 1.0
    )
    baseline = np.full(steps, 15.0)

    bounds = subset_bounds(corridor, step_hours=QUARTER, group=site, groups=2)
    limited = [
        type(bounds)(bounds.least_kwh[name], bounds.most_kwh[name]).within_limits(
            max_import_kw=limits.max_import_kw[name], max_export_kw=limits.max_export_kw[name], step_hours=QUARTER
        )
        for name in (0, 1)
    ]
    ours = (limited[0] + limited[1]).deliverable_reduce_kw(baseline_kw=baseline, step_hours=QUARTER)

    exact = lp.solve_fleet(
        corridor=corridor,
        step_hours=QUARTER,
        aggregate_max_kw=baseline,
        z_weight=1.0,
        z_cost=1.0,
        maximise=True,
        sites=limits,
    ).z_kw
    assert ours == pytest.approx(exact, abs=1e-6)


@given(seed=st.integers(0, 10**6))
@settings(max_examples=30, deadline=None)
def test_a_larger_fleet_never_delivers_less(seed):
    corridor = random_corridor(seed, devices=6, steps=6)
    own = lp.solve_fleet(corridor=corridor, step_hours=QUARTER).profile_kw

    reduce_kw = [
        deliverable(
            corridor=corridor.select(slice(0, count)), baseline_kw=own[:count].sum(axis=0), step_hours=QUARTER
        ).reduce_kw
        for count in range(1, 7)
    ]

    assert np.all(np.diff(reduce_kw) >= -1e-7)


def test_a_device_without_any_profile_is_refused():
    corridor = Corridor.of(
        power_min_kw=0.0, power_max_kw=1.0, energy_min_kwh=[0.0, 2.0], energy_max_kwh=5.0, shape=(1, 2)
    )

    with pytest.raises(InfeasibleDeviceError, match=r"\[0\]"):
        corridor.tightened(step_hours=QUARTER)
