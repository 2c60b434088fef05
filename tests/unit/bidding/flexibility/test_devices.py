import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bidding.flexibility import lp
from bidding.flexibility.devices import bus_charger, one_way_charger, pause_floor_kw, pv_curtailment
from bidding.flexibility.gpolymatroid import deliverable
from bidding.flexibility.stays import stay_vectors
from bidding.flexibility.window import Sessions, Window

HOUR = Window(steps=4)


def random_profiles(corridor, *, step_hours: float, seed: int, count: int = 20):
    """Extreme profiles of a corridor: random costs, solved exactly."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        yield lp.solve_fleet(
            corridor=corridor, step_hours=step_hours, cost=rng.normal(size=(corridor.devices, corridor.steps))
        ).profile_kw


def test_six_ampere_floor_per_phase():
    assert pause_floor_kw([1, 2, 3]).tolist() == pytest.approx([1.38, 2.76, 4.14])


def test_one_way_corridor_follows_the_stay():
    corridor = one_way_charger(
        arrival_hours=-1.0, departure_hours=0.6, energy_needed_kwh=2.0, power_max_kw=4.0, window=HOUR
    )

    assert corridor.power_max_kw[0] == pytest.approx([4.0, 4.0, 1.6, 0.0])
    assert corridor.energy_min_kwh[0] == pytest.approx([0.6, 1.6, 2.0, 2.0])
    assert corridor.energy_max_kwh[0] == pytest.approx([2.0] * 4)


def test_a_car_that_wants_nothing_takes_nothing():
    corridor = one_way_charger(
        arrival_hours=0.0, departure_hours=1.0, energy_needed_kwh=0.0, power_max_kw=4.0, window=HOUR
    )
    assert corridor.energy_max_kwh[0] == pytest.approx([0.0] * 4)


def test_need_beyond_the_stay_is_left_out():
    corridor = one_way_charger(
        arrival_hours=0.0, departure_hours=0.5, energy_needed_kwh=9.0, power_max_kw=4.0, window=HOUR
    )

    assert corridor.energy_min_kwh[0, -1] == pytest.approx(2.0)


def test_a_car_that_cannot_pause_is_full_when_its_floor_brings_it_there():
    corridor = one_way_charger(
        arrival_hours=0.0,
        departure_hours=9.0,
        energy_needed_kwh=1.38 / 2,
        power_max_kw=4.0,
        power_floor_kw=1.38,
        window=HOUR,
    )

    assert corridor.power_min_kw[0] == pytest.approx([1.38, 1.38, 0.0, 0.0])
    assert corridor.power_max_kw[0] == pytest.approx([4.0, 4.0, 0.0, 0.0])
    assert corridor.energy_min_kwh[0, 1] == pytest.approx(0.69)


def test_a_floor_at_the_rating_stays_within_it_when_a_stay_ends_a_rounding_before_its_step():
    corridor = one_way_charger(
        arrival_hours=0.0,
        departure_hours=0.75 - 1e-11,
        energy_needed_kwh=9.0,
        power_max_kw=1.38,
        power_floor_kw=1.38,
        window=Window(steps=4),
    )

    assert np.all(corridor.power_min_kw <= corridor.power_max_kw)
    assert lp.min_flat_cap_kw(corridor=corridor, step_hours=0.25) == pytest.approx(1.38)


@given(seed=st.integers(0, 10**6), floor=st.sampled_from([0.0, 1.38, 4.14]))
@settings(max_examples=60, deadline=None)
def test_every_one_way_corridor_has_a_profile(seed, floor):
    rng = np.random.default_rng(seed)
    arrival = rng.uniform(-3, 2, 8)
    corridor = one_way_charger(
        arrival_hours=arrival,
        departure_hours=arrival + rng.uniform(0.05, 6, 8),
        energy_needed_kwh=rng.uniform(0, 20, 8),
        power_max_kw=rng.choice([3.7, 11.0], 8),
        power_floor_kw=floor,
        window=Window(steps=8),
    )

    corridor.tightened(step_hours=0.25)


@given(seed=st.integers(0, 10**6))
@settings(max_examples=40, deadline=None)
def test_window_parameters_never_promise_more_than_the_corridors(seed):
    rng = np.random.default_rng(seed)
    arrival = rng.uniform(-3, 2, 6)
    session = {
        "arrival_hours": arrival,
        "departure_hours": arrival + rng.uniform(0.5, 6, 6),
        "energy_needed_kwh": rng.uniform(0, 8, 6),
        "power_max_kw": rng.choice([3.7, 11.0], 6),
    }
    window = Window(steps=5)
    corridor = one_way_charger(**session, window=window)
    baseline = np.full(5, 30.0)

    ours = stay_vectors(Sessions(**session), window).bounds()
    promised = ours.deliverable_reduce_kw(baseline_kw=baseline, step_hours=0.25)[0]

    assert promised <= lp.max_reduce_kw(corridor=corridor, baseline_kw=baseline, step_hours=0.25) + 1e-6


def test_a_bus_charges_only_while_parked_and_keeps_its_reserve():
    connected = np.array([[1, 1, 0, 0, 1, 1, 1, 1]], float)
    driven = np.array([[0, 0, 30, 30, 0, 0, 0, 0]], float)
    window = Window(steps=8, step_hours=1.0)
    corridor = bus_charger(
        connected=connected,
        driven_kwh=driven,
        stored_kwh=60.0,
        stored_min_kwh=20.0,
        stored_max_kwh=100.0,
        power_max_kw=40.0,
        charge_efficiency=0.9,
        window=window,
    )

    for profile in random_profiles(corridor, step_hours=1.0, seed=1):
        stored = 60.0 + np.cumsum(profile * 0.9 - driven, axis=1)
        assert np.all(profile[connected == 0] == 0)
        assert stored.min() >= 20.0 - 1e-6
        assert stored.max() <= 100.0 + 1e-6
    least = lp.solve_fleet(corridor=corridor, step_hours=1.0, cost=1.0).objective
    assert least == pytest.approx((20 + 60 - 60) / 0.9)


def test_solar_curtailment_only_increases_consumption():
    corridor = pv_curtailment(production_kw=np.array([[4.0, 6.0, 5.0, 2.0]]), window=HOUR)

    power = deliverable(corridor=corridor, baseline_kw=[-4.0, -6.0, -5.0, -2.0], step_hours=0.25)

    assert power.increase_kw == pytest.approx(2.0)
    assert power.reduce_kw == pytest.approx(0.0)
