from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bidding.flexibility import lp
from bidding.flexibility.corridor import Corridor
from bidding.flexibility.gpolymatroid import subset_bounds
from bidding.flexibility.scenarios import window_deliverable_scenarios
from bidding.flexibility.stays import StayVectors, WindowTooLongError, stay_vectors
from bidding.flexibility.subsets import subset_sizes
from bidding.flexibility.window import Sessions, Window, WindowDevices, arrival_baseline_kwh, window_devices

QUARTER = 0.25


def one_car(**overrides: float):
    car = {"arrival_hours": -1.0, "departure_hours": 4.0, "energy_needed_kwh": 6.0, "power_max_kw": 4.0}
    car |= overrides
    lead_hours = car.pop("lead_hours", 0.0)
    session = Sessions(**{name: np.array([value]) for name, value in car.items()})
    device = window_devices(session, Window(steps=4, lead_hours=lead_hours))
    return WindowDevices(**{field.name: getattr(device, field.name).item() for field in fields(device)})


def session_corridor(sessions: dict[str, np.ndarray], *, steps: int, tail: int) -> Corridor:
    """Sessions on whole steps as corridors over the window and the `tail` steps after it, served when they leave."""
    grid = np.arange(steps + tail)
    arrival = np.rint(sessions["arrival_hours"] / QUARTER)[:, None]
    departure = np.rint(sessions["departure_hours"] / QUARTER)[:, None]
    power = sessions["power_max_kw"][:, None]
    connected = (grid >= arrival) & (grid < departure)
    need = np.minimum(sessions["energy_needed_kwh"][:, None], connected.sum(axis=1, keepdims=True) * power * QUARTER)
    return Corridor.of(
        power_min_kw=0.0,
        power_max_kw=np.where(connected, power, 0.0),
        energy_min_kwh=np.where(grid + 1 >= departure, need, 0.0),
        energy_max_kwh=need,
        shape=connected.shape,
    )


def whole_step_sessions(seed: int, devices: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    arrival = rng.integers(-8, 8, devices)
    return {
        "arrival_hours": arrival * QUARTER,
        "departure_hours": np.minimum(arrival + rng.integers(1, 20, devices), 14) * QUARTER,
        "energy_needed_kwh": rng.uniform(0, 12, devices),
        "power_max_kw": rng.choice([3.7, 7.4, 11.0], devices),
    }


def test_a_car_connected_throughout_can_shift_what_fits_after_the_window():
    car = one_car()

    assert (car.first_step, car.last_step) == (0, 4)
    assert (car.energy_min_kwh, car.energy_max_kwh) == (0.0, 4.0)


def test_what_does_not_fit_after_the_window_must_be_taken_inside():
    car = one_car(departure_hours=2.0)

    assert (car.energy_min_kwh, car.energy_max_kwh) == (2.0, 4.0)


def test_a_car_leaving_inside_the_window_is_full_before_its_last_part_step():
    car = one_car(departure_hours=0.6, energy_needed_kwh=1.5)

    assert (car.first_step, car.last_step) == (0, 2)
    assert (car.energy_min_kwh, car.energy_max_kwh) == (1.5, 1.5)
    assert car.fixed_last_kwh == 0.0


def test_energy_that_only_fits_into_the_part_step_stays_there():
    car = one_car(departure_hours=0.6, energy_needed_kwh=2.2)

    assert car.energy_min_kwh == pytest.approx(2.0)
    assert car.departure_step == 2
    assert car.fixed_last_kwh == pytest.approx(0.2)


def test_a_car_arriving_inside_the_window_follows_the_baseline_in_its_first_part_step():
    car = one_car(arrival_hours=0.4)

    assert (car.first_step, car.last_step) == (2, 4)
    assert car.fixed_first_kwh == pytest.approx(0.4)
    assert car.energy_max_kwh == pytest.approx(2.0)


@pytest.mark.parametrize(
    "absent", [{"departure_hours": 0.0}, {"arrival_hours": 1.0}, {"arrival_hours": 5.0, "departure_hours": 4.5}]
)
def test_a_car_outside_the_window_takes_no_part(absent):
    car = one_car(**absent)

    assert (car.energy_max_kwh, car.fixed_first_kwh, car.fixed_last_kwh) == (0.0, 0.0, 0.0)


def test_a_car_that_cannot_pause_keeps_its_floor():
    car = one_car(power_floor_kw=1.38)

    assert (car.power_min_kw, car.last_step) == (1.38, 4)
    assert car.energy_min_kwh == pytest.approx(1.38)


def test_a_nearly_full_car_that_cannot_pause_follows_the_baseline():
    car = one_car(power_floor_kw=1.38, energy_needed_kwh=1.2)

    assert (car.first_step, car.last_step) == (0, 1)
    assert (car.energy_min_kwh, car.energy_max_kwh) == (1.0, 1.0)
    assert car.departure_step == 1
    assert car.fixed_last_kwh == pytest.approx(0.2)


@given(seed=st.integers(0, 10**6), steps=st.integers(1, 8), lead_hours=st.sampled_from([0.0, 0.5, 3.0]))
@settings(max_examples=100, deadline=None)
def test_no_car_contradicts_itself(seed, steps, lead_hours):
    rng = np.random.default_rng(seed)
    arrival = rng.uniform(-6, 2, 50)
    sessions = Sessions(
        arrival_hours=arrival,
        departure_hours=arrival + rng.uniform(-0.5, 9, 50),
        energy_needed_kwh=rng.exponential(5, 50),
        power_max_kw=rng.uniform(0.0, 12, 50),
        power_floor_kw=rng.choice([0.0, 1.38, 4.14], 50),
    )

    vectors = stay_vectors(sessions, Window(steps=steps, lead_hours=lead_hours))

    assert np.all(vectors.u_kwh >= vectors.l_kwh - 1e-9)


def test_lead_time_lets_a_car_charge_before_the_window():
    late = one_car(arrival_hours=-3.0, departure_hours=1.0)
    early = one_car(arrival_hours=-3.0, departure_hours=1.0, lead_hours=1.0)

    assert (late.energy_min_kwh, early.energy_min_kwh) == (4.0, 2.0)


def test_arrival_baseline_counts_parts_of_steps():
    sessions = Sessions(
        arrival_hours=np.array([-1.0, 0.1]),
        departure_hours=np.array([5.0, 0.6]),
        energy_needed_kwh=np.array([1.5, 9.0]),
        power_max_kw=np.array([4.0, 10.0]),
    )

    energy = arrival_baseline_kwh(sessions, Window(steps=4))

    assert energy[0] == pytest.approx([1.0 + 1.5, 0.5 + 2.5, 1.0, 0.0])


@given(seed=st.integers(0, 10**6), devices=st.integers(1, 15), steps=st.integers(1, 8) | st.integers(13, 16))
@settings(max_examples=60, deadline=None)
def test_deliverable_of_whole_step_sessions_equals_the_linear_programme(seed, devices, steps):
    sessions = whole_step_sessions(seed, devices)

    ours = window_deliverable_scenarios(batches=[Sessions(**sessions)], window=Window(steps=steps))

    corridor = session_corridor(sessions, steps=steps, tail=14)
    baseline = np.zeros(steps + 14)
    baseline[:steps] = ours.baseline_kw[0]
    common = {"corridor": corridor, "step_hours": QUARTER, "window": slice(0, steps)}
    assert ours.reduce_kw[0] == pytest.approx(lp.max_reduce_kw(baseline_kw=baseline, **common), abs=1e-6)
    assert ours.increase_kw[0] == pytest.approx(lp.max_increase_kw(baseline_kw=baseline, **common), abs=1e-6)
    assert ours.flat_cap_kw[0] == pytest.approx(lp.min_flat_cap_kw(**common), abs=1e-6)


@given(seed=st.integers(0, 10**6))
@settings(max_examples=20, deadline=None)
def test_two_way_cars_join_the_scenarios_as_others(seed):
    sessions = whole_step_sessions(seed, 6)
    two_way = Corridor.of(power_min_kw=-11.0, power_max_kw=11.0, energy_min_kwh=-2.0, energy_max_kwh=9.0, shape=(3, 5))
    baseline = np.linspace(20.0, 60.0, 5)

    ours = window_deliverable_scenarios(
        batches=[Sessions(**sessions)],
        window=Window(steps=5),
        baseline_kw=baseline,
        others=subset_bounds(two_way, step_hours=QUARTER),
    )

    after = Corridor.of(
        power_min_kw=np.where(np.arange(19) < 5, -11.0, 0.0),
        power_max_kw=np.where(np.arange(19) < 5, 11.0, 0.0),
        energy_min_kwh=-2.0,
        energy_max_kwh=9.0,
        shape=(3, 19),
    )
    exact = lp.max_reduce_kw(
        corridor=Corridor.stack(session_corridor(sessions, steps=5, tail=14), after),
        baseline_kw=np.append(baseline, np.zeros(14)),
        step_hours=QUARTER,
        window=slice(0, 5),
    )
    assert ours.reduce_kw[0] == pytest.approx(exact, abs=1e-6)


@given(seed=st.integers(0, 10**6), steps=st.integers(1, 8))
@settings(max_examples=40, deadline=None)
def test_the_short_ways_for_common_cars_equal_the_general_one(seed, steps):
    rng = np.random.default_rng(seed)
    arrival = rng.uniform(-4, 1, 60)
    sessions = Sessions(
        arrival_hours=arrival,
        departure_hours=arrival + rng.uniform(-0.2, 6, 60),
        energy_needed_kwh=rng.exponential(6, 60),
        power_max_kw=rng.choice([0.0, 3.7, 11.0], 60),
        power_floor_kw=rng.choice([0.0, 1.38], 60),
        scenario=np.sort(rng.integers(0, 3, 60)),
        scenarios=3,
    )
    window = Window(steps=steps)

    ours = window_deliverable_scenarios(batches=[sessions], window=window)

    baseline = arrival_baseline_kwh(sessions, window) / QUARTER
    general = stay_vectors(sessions, window).bounds()
    np.testing.assert_allclose(ours.baseline_kw, baseline, atol=1e-9)
    np.testing.assert_allclose(
        ours.reduce_kw, general.deliverable_reduce_kw(baseline_kw=baseline, step_hours=QUARTER), atol=1e-8
    )
    np.testing.assert_allclose(
        ours.increase_kw, general.deliverable_increase_kw(baseline_kw=baseline, step_hours=QUARTER), atol=1e-8
    )


def test_scenarios_in_one_batch_equal_scenarios_one_by_one():
    sessions = [whole_step_sessions(seed, 30) for seed in range(5)]
    together = {name: np.concatenate([one[name] for one in sessions]) for name in sessions[0]}

    apart = window_deliverable_scenarios(batches=(Sessions(**one) for one in sessions), window=Window(steps=8))
    joined = window_deliverable_scenarios(
        batches=[Sessions(**together, scenario=np.repeat(np.arange(5), 30), scenarios=5)],
        window=Window(steps=8),
    )

    np.testing.assert_allclose(joined.reduce_kw, apart.reduce_kw, atol=1e-9)
    np.testing.assert_allclose(joined.increase_kw, apart.increase_kw, atol=1e-9)
    np.testing.assert_allclose(joined.baseline_kw, apart.baseline_kw, atol=1e-9)


@given(seed=st.integers(0, 10**6))
@settings(max_examples=30, deadline=None)
def test_no_pause_and_part_steps_never_promise_more(seed):
    rng = np.random.default_rng(seed)
    sessions = whole_step_sessions(seed, 20)
    sessions["arrival_hours"] = sessions["arrival_hours"] + rng.uniform(-0.1, 0.1, 20)
    free = window_deliverable_scenarios(batches=[Sessions(**sessions)], window=Window(steps=4))
    held = window_deliverable_scenarios(batches=[Sessions(**sessions, power_floor_kw=1.38)], window=Window(steps=4))

    assert held.reduce_kw[0] <= free.reduce_kw[0] + 1e-9
    assert free.reduce_kw[0] >= -1e-9


def test_a_window_too_long_to_enumerate_is_refused():
    with pytest.raises(WindowTooLongError, match="21 steps"):
        StayVectors(
            u_kwh=np.zeros((1, 22, 22, 22)), l_kwh=np.zeros((1, 22, 22, 22)), fixed_kwh=np.zeros((1, 21))
        ).bounds()


def test_subset_sizes_count_the_bits():
    assert subset_sizes(3).tolist() == [0, 1, 1, 2, 1, 2, 2, 3]
