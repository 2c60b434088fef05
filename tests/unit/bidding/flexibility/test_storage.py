import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bidding.flexibility import lp
from bidding.flexibility.corridor import Corridor
from bidding.flexibility.gpolymatroid import deliverable
from bidding.flexibility.storage import storage
from bidding.flexibility.window import Window

ONE_WAY = math.sqrt(0.87)


def random_cars(seed: int, *, cars: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    capacity = rng.choice([40.0, 52.0], cars)
    arrival = rng.choice([0.0, 0.25, 0.6], cars)
    return {
        "stored_kwh": capacity * rng.uniform(0.1, 1.0, cars),
        "stored_min_kwh": capacity * 0.3,
        "stored_max_kwh": capacity,
        "charge_max_kw": np.full(cars, 11.0),
        "discharge_max_kw": rng.choice([0.0, 10.0, 11.0], cars),
        "arrival_hours": arrival,
        "departure_hours": arrival + rng.uniform(0.3, 14.0, cars),
        "target_kwh": capacity * rng.choice([0.5, 0.8, 1.0], cars),
    }


def stored_after(profile: np.ndarray, cars: dict[str, np.ndarray], *, step_hours: float) -> np.ndarray:
    change = np.where(profile > 0, profile * ONE_WAY, profile / ONE_WAY) * step_hours
    return cars["stored_kwh"][:, None] + np.cumsum(change, axis=1)


def empty_corridor(steps: int) -> Corridor:
    return Corridor.of(power_min_kw=0, power_max_kw=0, energy_min_kwh=0, energy_max_kwh=0, shape=(1, steps))


@given(seed=st.integers(0, 10**6), steps=st.integers(2, 12))
@settings(max_examples=60, deadline=None)
def test_every_profile_inside_keeps_the_real_store_in_bounds_and_reaches_its_target(seed, steps):
    cars = random_cars(seed, cars=5)
    window = Window(steps=steps)
    corridor = storage(**cars, window=window).tightened(step_hours=window.step_hours)
    rng = np.random.default_rng(seed)

    for _ in range(5):
        cost = rng.normal(size=(5, steps))
        profile = lp.solve_fleet(corridor=corridor, step_hours=window.step_hours, cost=cost).profile_kw
        stored = stored_after(profile, cars, step_hours=window.step_hours)
        floor = np.minimum(cars["stored_min_kwh"], cars["stored_kwh"])[:, None]
        assert np.all(stored >= floor - 1e-6)
        assert np.all(stored <= cars["stored_max_kwh"][:, None] + 1e-6)
        reach = cars["stored_kwh"] + ONE_WAY * 11.0 * (cars["departure_hours"] - cars["arrival_hours"])
        goal = np.minimum(np.minimum(cars["target_kwh"], cars["stored_max_kwh"]), reach)
        later = np.maximum(cars["departure_hours"] - np.maximum(window.hours, cars["arrival_hours"]), 0.0)
        assert np.all(stored[:, -1] + ONE_WAY * 11.0 * later >= goal - 1e-6)


@given(seed=st.integers(0, 10**6), steps=st.integers(2, 8))
@settings(max_examples=40, deadline=None)
def test_the_inner_model_never_promises_more_than_the_exact_programme_with_losses(seed, steps):
    cars = random_cars(seed, cars=4) | {"arrival_hours": np.zeros(4), "departure_hours": np.full(4, 9.0)}
    window = Window(steps=steps)
    corridor = storage(**cars, window=window)
    baseline = np.random.default_rng(seed).uniform(0, 30, steps)
    still = ONE_WAY * 11.0 * (9.0 - window.hours)
    reach = np.minimum(cars["target_kwh"], cars["stored_kwh"] + ONE_WAY * 11.0 * 9.0)
    real = lp.Storage(
        charge_max_kw=cars["charge_max_kw"],
        discharge_max_kw=cars["discharge_max_kw"],
        stored_kwh=cars["stored_kwh"],
        stored_min_kwh=np.minimum(cars["stored_min_kwh"], cars["stored_kwh"]),
        stored_max_kwh=cars["stored_max_kwh"],
        stored_end_min_kwh=reach - still,
        charge_efficiency=ONE_WAY,
        discharge_efficiency=ONE_WAY,
    )

    ours = deliverable(corridor=corridor, baseline_kw=baseline, step_hours=window.step_hours)

    exact = {"corridor": empty_corridor(steps), "baseline_kw": baseline, "step_hours": window.step_hours}
    assert ours.reduce_kw <= lp.max_reduce_kw(**exact, storage=real) + 1e-6
    assert ours.increase_kw <= lp.max_increase_kw(**exact, storage=real) + 1e-6


def test_discharge_only_is_exact():
    window = Window(steps=4)
    corridor = storage(
        stored_kwh=20.0,
        stored_min_kwh=15.0,
        stored_max_kwh=40.0,
        charge_max_kw=0.0,
        discharge_max_kw=11.0,
        window=window,
    )

    power = deliverable(corridor=corridor, baseline_kw=np.zeros(4), step_hours=0.25)

    assert power.reduce_kw == pytest.approx(5.0 * ONE_WAY)


def test_a_short_discharging_part_gives_more_room_than_a_long_one():
    car = {
        "stored_kwh": 40.0,
        "stored_min_kwh": 15.0,
        "stored_max_kwh": 50.0,
        "charge_max_kw": 11.0,
        "discharge_max_kw": 11.0,
        "departure_hours": 12.0,
        "target_kwh": 48.0,
        "window": Window(steps=48),
    }

    long, short = storage(**car), storage(**car, discharge_until_hours=1.0)

    loss_per_kwh = 1 / ONE_WAY - ONE_WAY
    assert long.power_min_kw[0, 0] == pytest.approx(-(50.0 - 48.0) / (12.0 * loss_per_kwh))
    assert short.power_min_kw[0, 0] == -11.0
    short.tightened(step_hours=0.25)
    long.tightened(step_hours=0.25)


def test_a_car_below_its_floor_is_not_discharged():
    corridor = storage(
        stored_kwh=10.0,
        stored_min_kwh=15.0,
        stored_max_kwh=50.0,
        charge_max_kw=0.0,
        discharge_max_kw=11.0,
        window=Window(steps=4),
    )

    assert corridor.energy_min_kwh[0] == pytest.approx([0.0] * 4)


def test_a_store_below_its_floor_is_not_discharged_after_it_was_charged_either():
    corridor = storage(
        stored_kwh=5.0,
        stored_min_kwh=10.0,
        stored_max_kwh=50.0,
        charge_max_kw=10.0,
        discharge_max_kw=10.0,
        window=Window(steps=8),
    )

    assert corridor.power_min_kw.tolist() == [[0.0] * 8]
    assert corridor.power_max_kw.tolist() == [[10.0] * 8]


def test_a_store_above_its_usable_capacity_is_not_charged_but_may_be_discharged():
    corridor = storage(
        stored_kwh=49.0,
        stored_min_kwh=10.0,
        stored_max_kwh=45.0,
        charge_max_kw=11.0,
        discharge_max_kw=4.0,
        departure_hours=12.0,
        target_kwh=30.0,
        window=Window(steps=4),
    ).tightened(step_hours=0.25)

    power = deliverable(corridor=corridor, baseline_kw=np.zeros(4), step_hours=0.25)

    assert power.increase_kw == pytest.approx(0.0)
    assert power.reduce_kw == pytest.approx(4.0)


def test_a_lossless_battery_is_a_plain_corridor():
    corridor = storage(
        stored_kwh=5.0,
        stored_min_kwh=1.0,
        stored_max_kwh=9.0,
        charge_max_kw=3.0,
        discharge_max_kw=3.0,
        round_trip_efficiency=1.0,
        window=Window(steps=2),
    )

    assert corridor.energy_min_kwh.tolist() == [[-4.0, -4.0]]
    assert corridor.energy_max_kwh.tolist() == [[4.0, 4.0]]
