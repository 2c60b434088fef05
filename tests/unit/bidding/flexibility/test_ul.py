import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bidding.flexibility import lp
from bidding.flexibility.corridor import Corridor
from bidding.flexibility.deliverable import deliverable_increase_kw, deliverable_reduce_kw, flat_cap_kw, max_constant_kw
from bidding.flexibility.ul import InfeasibleDeviceError, UlVectors, is_feasible, ul_vectors, ul_vectors_by_group

FIRST_CAR = {"power_min_kw": 0.0, "power_max_kw": 20.0, "energy_min_kwh": 15.0, "energy_max_kwh": 25.0}
SECOND_CAR = {"power_min_kw": 5.0, "power_max_kw": 10.0, "energy_min_kwh": 20.0, "energy_max_kwh": 30.0}


def one_by_one(fleet: dict[str, np.ndarray], *, steps: int, step_hours: float) -> UlVectors:
    """The published formula, written out for each device and each k."""
    k = np.arange(steps + 1)[:, None]
    u = np.minimum(
        k * fleet["power_max_kw"] * step_hours,
        fleet["energy_max_kwh"] - (steps - k) * fleet["power_min_kw"] * step_hours,
    )
    l = np.maximum(
        k * fleet["power_min_kw"] * step_hours,
        fleet["energy_min_kwh"] - (steps - k) * fleet["power_max_kw"] * step_hours,
    )
    return UlVectors(u_kwh=u.sum(axis=1), l_kwh=l.sum(axis=1))


def random_fleet(seed: int, *, devices: int, steps: int, step_hours: float) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    lower = rng.choice([0.0, 1.38, 4.14, -3.0], devices)
    upper = lower + rng.choice([0.0, 3.7, 7.4, 11.0], devices)
    low_kwh, high_kwh = lower * steps * step_hours, upper * steps * step_hours
    bounds = np.sort(rng.uniform(0, 1, (2, devices)), axis=0)
    return {
        "power_min_kw": lower,
        "power_max_kw": upper,
        "energy_min_kwh": low_kwh + bounds[0] * (high_kwh - low_kwh),
        "energy_max_kwh": low_kwh + bounds[1] * (high_kwh - low_kwh),
    }


def corridor_of(fleet: dict[str, np.ndarray], *, steps: int) -> Corridor:
    """The same fleet for the linear programme: only the energy at the end of the window is bound."""
    devices = len(fleet["power_min_kw"])
    least, most = np.full((devices, steps), -1e6), np.full((devices, steps), 1e6)
    least[:, -1], most[:, -1] = fleet["energy_min_kwh"], fleet["energy_max_kwh"]
    return Corridor.of(
        power_min_kw=fleet["power_min_kw"][:, None],
        power_max_kw=fleet["power_max_kw"][:, None],
        energy_min_kwh=least,
        energy_max_kwh=most,
        shape=(devices, steps),
    )


@pytest.mark.parametrize(
    ("car", "u", "l"),
    [(FIRST_CAR, [0, 20, 25, 25], [0, 0, 0, 15]), (SECOND_CAR, [0, 10, 20, 30], [0, 5, 10, 20])],
)
def test_vectors_of_the_published_cars(car, u, l):
    vectors = ul_vectors(**car, steps=3, step_hours=1.0)

    assert vectors.u_kwh.tolist() == u
    assert vectors.l_kwh.tolist() == l


def test_published_profiles_are_told_apart():
    vectors = ul_vectors(**FIRST_CAR, steps=3, step_hours=1.0)

    assert is_feasible(profile_kw=[[10, 5, 10], [2, 22, 1]], vectors=vectors, step_hours=1.0).tolist() == [True, False]


def test_energy_below_the_need_is_infeasible():
    vectors = ul_vectors(**FIRST_CAR, steps=3, step_hours=1.0)

    assert not is_feasible(profile_kw=[5, 5, 4.9], vectors=vectors, step_hours=1.0)


@pytest.mark.parametrize(
    "broken",
    [
        FIRST_CAR | {"energy_min_kwh": 26.0},
        FIRST_CAR | {"power_min_kw": 21.0},
        FIRST_CAR | {"energy_min_kwh": 70.0, "energy_max_kwh": 80.0},
        FIRST_CAR | {"energy_min_kwh": -2.0, "energy_max_kwh": -1.0},
    ],
)
def test_a_device_that_contradicts_itself_is_refused(broken):
    with pytest.raises(InfeasibleDeviceError, match="1 device"):
        ul_vectors(**broken, steps=3, step_hours=1.0)


@given(seed=st.integers(0, 10**6), steps=st.integers(1, 12), step_hours=st.sampled_from([0.25, 0.5, 1.0]))
@settings(max_examples=60, deadline=None)
def test_histogram_equals_the_formula_summed_one_by_one(seed, steps, step_hours):
    fleet = random_fleet(seed, devices=50, steps=steps, step_hours=step_hours)

    vectors = ul_vectors(**fleet, steps=steps, step_hours=step_hours)

    expected = one_by_one(fleet, steps=steps, step_hours=step_hours)
    np.testing.assert_allclose(vectors.u_kwh, expected.u_kwh, atol=1e-9)
    np.testing.assert_allclose(vectors.l_kwh, expected.l_kwh, atol=1e-9)


def test_groups_of_different_length_equal_their_own_aggregation():
    long, short = (random_fleet(seed, devices=9, steps=steps, step_hours=0.25) for seed, steps in ((1, 6), (2, 4)))
    both = {name: np.concatenate((long[name], short[name])) for name in long}

    vectors = ul_vectors_by_group(group=np.repeat([0, 1], 9), groups=2, **both, steps=np.array([6, 4]), step_hours=0.25)

    alone = ul_vectors(**short, steps=4, step_hours=0.25)
    np.testing.assert_allclose(vectors.l_kwh[0], ul_vectors(**long, steps=6, step_hours=0.25).l_kwh, atol=1e-9)
    np.testing.assert_allclose(vectors.l_kwh[1], [*alone.l_kwh, alone.l_kwh[-1], alone.l_kwh[-1]], atol=1e-9)
    np.testing.assert_allclose(vectors.u_kwh[1], [*alone.u_kwh, alone.u_kwh[-1], alone.u_kwh[-1]], atol=1e-9)


@given(seed=st.integers(0, 10**6), devices=st.integers(1, 12), steps=st.integers(1, 8))
@settings(max_examples=40, deadline=None)
def test_closed_forms_equal_the_linear_programme(seed, devices, steps):
    fleet = random_fleet(seed, devices=devices, steps=steps, step_hours=0.25)
    baseline = np.random.default_rng(seed).uniform(0, 60, steps)
    vectors = ul_vectors(**fleet, steps=steps, step_hours=0.25)
    corridor = corridor_of(fleet, steps=steps)

    reduce = deliverable_reduce_kw(baseline_kw=baseline, vectors=vectors, step_hours=0.25)
    increase = deliverable_increase_kw(baseline_kw=baseline, vectors=vectors, step_hours=0.25)

    assert reduce == pytest.approx(lp.max_reduce_kw(corridor=corridor, baseline_kw=baseline, step_hours=0.25), abs=1e-6)
    assert increase == pytest.approx(
        lp.max_increase_kw(corridor=corridor, baseline_kw=baseline, step_hours=0.25), abs=1e-6
    )
    assert flat_cap_kw(vectors=vectors, step_hours=0.25) == pytest.approx(
        lp.min_flat_cap_kw(corridor=corridor, step_hours=0.25), abs=1e-6
    )
    assert max_constant_kw(vectors=vectors, step_hours=0.25) == pytest.approx(
        lp.max_increase_kw(corridor=corridor, baseline_kw=0.0, step_hours=0.25), abs=1e-6
    )


@given(seed=st.integers(0, 10**6), steps=st.integers(1, 6))
@settings(max_examples=40, deadline=None)
def test_feasibility_equals_the_linear_programme(seed, steps):
    fleet = random_fleet(seed, devices=6, steps=steps, step_hours=0.25)
    vectors = ul_vectors(**fleet, steps=steps, step_hours=0.25)
    mean = (vectors.u_kwh[-1] + vectors.l_kwh[-1]) / 2 / (steps * 0.25)
    profile = mean + np.random.default_rng(seed).normal(0, 4, steps)

    try:
        lp.solve_fleet(
            corridor=corridor_of(fleet, steps=steps),
            step_hours=0.25,
            aggregate_min_kw=profile,
            aggregate_max_kw=profile,
        )
        splits = True
    except lp.InfeasibleFleetError:
        splits = False

    assert bool(is_feasible(profile_kw=profile, vectors=vectors, step_hours=0.25)) == splits


def test_more_devices_never_deliver_less():
    small = random_fleet(3, devices=20, steps=8, step_hours=0.25)
    car = {name: np.append(values, [0.0, 7.4, 2.0, 9.0][index]) for index, (name, values) in enumerate(small.items())}
    baseline = np.full(8, 90.0)

    before = deliverable_reduce_kw(
        baseline_kw=baseline, vectors=ul_vectors(**small, steps=8, step_hours=0.25), step_hours=0.25
    )
    after = deliverable_reduce_kw(
        baseline_kw=baseline + 1.0, vectors=ul_vectors(**car, steps=8, step_hours=0.25), step_hours=0.25
    )

    assert after >= before
