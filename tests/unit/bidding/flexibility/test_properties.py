"""What must hold for any fleet of all kinds of devices together."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bidding.flexibility import lp
from bidding.flexibility.corridor import Corridor
from bidding.flexibility.devices import bus_charger, one_way_charger, pause_floor_kw, pv_curtailment
from bidding.flexibility.disaggregation import disaggregate
from bidding.flexibility.gpolymatroid import deliverable, subset_bounds
from bidding.flexibility.headroom import sustained_headroom
from bidding.flexibility.heat_pump import Homes, heat_pump_plan
from bidding.flexibility.scenarios import window_deliverable_scenarios
from bidding.flexibility.stays import stay_vectors
from bidding.flexibility.storage import storage
from bidding.flexibility.window import Sessions, Window

HOURS = 0.25
TOLERANCE_KWH = 1e-5
seeds = st.integers(0, 10**6)


def mixed_fleet(seed: int, *, steps: int) -> Corridor:
    """Cars that pause and cars that do not, V2G, batteries, buses, heat pumps and solar plants, a few of each."""
    rng = np.random.default_rng(seed)
    window = Window(steps=steps)
    arrival, stay = rng.uniform(-3, 1, 4), rng.uniform(0.5, 6, 4)
    cars = one_way_charger(
        arrival_hours=arrival,
        departure_hours=arrival + stay,
        energy_needed_kwh=rng.uniform(0, 8, 4),
        power_max_kw=11.0,
        power_floor_kw=np.concatenate([[0.0], pause_floor_kw([1, 2, 3])]),
        window=window,
    )
    stores = storage(
        stored_kwh=rng.uniform(10, 18, 3),
        stored_min_kwh=12.0,
        stored_max_kwh=50.0,
        charge_max_kw=11.0,
        discharge_max_kw=rng.choice([5.0, 11.0], 3),
        departure_hours=np.array([rng.uniform(1, 12), rng.uniform(1, 12), np.inf]),
        target_kwh=np.array([30.0, 20.0, 0.0]),
        window=window,
    )
    parked = np.ones((2, steps))
    parked[:, rng.integers(steps)] = 0.0
    buses = bus_charger(
        connected=parked,
        driven_kwh=6.0 * (1 - parked),
        stored_kwh=rng.uniform(80, 150, 2),
        stored_min_kwh=40.0,
        stored_max_kwh=200.0,
        power_max_kw=50.0,
        charge_efficiency=0.93,
        window=window,
    )
    homes = Homes(
        time_constant_hours=rng.uniform(20, 120, 2),
        resistance_k_per_kw=np.full(2, 5.0),
        set_point_c=np.full(2, 20.0),
        comfort_band_k=np.full(2, 0.5),
        power_max_kw=np.full(2, 3.0),
        power_min_running_kw=np.full(2, 0.8),
        min_run_hours=rng.choice([0.1, 0.25]),
        min_off_hours=0.1,
    )
    pumps = heat_pump_plan(homes=homes, outdoor_c=rng.uniform(-5, 10), window=window).corridor
    plants = pv_curtailment(production_kw=rng.uniform(0, 6, (2, steps)), window=window)
    return Corridor.stack(cars, stores, buses, pumps, plants).tightened(step_hours=HOURS)


def any_plan(fleet: Corridor, seed: int) -> np.ndarray:
    """Profiles that all devices can follow."""
    cost = np.random.default_rng(seed).normal(size=fleet.power_min_kw.shape)
    return lp.solve_fleet(corridor=fleet, step_hours=HOURS, cost=cost).profile_kw


def any_sessions(seed: int, count: int) -> Sessions:
    rng = np.random.default_rng(seed)
    arrival = rng.integers(-16, 6, count) / 4
    return Sessions(
        arrival_hours=arrival,
        departure_hours=arrival + rng.integers(1, 30, count) / 4,
        energy_needed_kwh=rng.uniform(0, 14, count),
        power_max_kw=rng.choice([3.7, 7.4, 11.0], count),
    )


@given(seed=seeds, steps=st.integers(1, 6))
@settings(max_examples=25, deadline=None)
def test_aggregates_are_the_sums_of_their_devices(seed, steps):
    fleet, sessions, window = mixed_fleet(seed, steps=steps), any_sessions(seed, 6), Window(steps=steps)

    together, cars = subset_bounds(fleet, step_hours=HOURS), stay_vectors(sessions, window).bounds()

    each = [subset_bounds(fleet.select([row]), step_hours=HOURS) for row in range(fleet.devices)]
    car = [stay_vectors(sessions.select(np.array([row])), window).bounds() for row in range(len(sessions))]
    for whole, parts in ((together, each), (cars, car)):
        assert whole.least_kwh == pytest.approx(sum(part.least_kwh for part in parts), abs=1e-9)
        assert whole.most_kwh == pytest.approx(sum(part.most_kwh for part in parts), abs=1e-9)


@given(seed=seeds, steps=st.integers(1, 6))
@settings(max_examples=25, deadline=None)
def test_a_mixed_fleet_promises_what_the_linear_programme_finds(seed, steps):
    fleet = mixed_fleet(seed, steps=steps)
    baseline = any_plan(fleet, seed).sum(axis=0)

    ours = deliverable(corridor=fleet, baseline_kw=baseline, step_hours=HOURS)

    common = {"corridor": fleet, "baseline_kw": baseline, "step_hours": HOURS}
    assert ours.reduce_kw == pytest.approx(lp.max_reduce_kw(**common), abs=1e-5)
    assert ours.increase_kw == pytest.approx(lp.max_increase_kw(**common), abs=1e-5)


@given(seed=seeds, steps=st.integers(1, 6), direction=st.sampled_from(["reduce", "increase"]))
@settings(max_examples=25, deadline=None)
def test_no_device_leaves_its_bounds_when_the_promise_is_kept(seed, steps, direction):
    fleet, sessions, window = mixed_fleet(seed, steps=steps), any_sessions(seed, 8), Window(steps=steps)
    arrivals_kw = window_deliverable_scenarios(batches=[sessions], window=window).baseline_kw[0]
    baseline = arrivals_kw + any_plan(fleet, seed).sum(axis=0)
    bounds = stay_vectors(sessions, window).bounds() + subset_bounds(fleet, step_hours=HOURS)
    promised = getattr(bounds, f"deliverable_{direction}_kw")(baseline_kw=baseline, step_hours=HOURS)[0]
    profile = baseline - promised if direction == "reduce" else baseline + promised

    split = disaggregate(profile_kw=profile, sessions=sessions, window=window, others=fleet)

    cars = one_way_charger(
        arrival_hours=sessions.arrival_hours,
        departure_hours=sessions.departure_hours,
        energy_needed_kwh=sessions.energy_needed_kwh,
        power_max_kw=sessions.power_max_kw,
        window=window,
    )
    assert promised >= -1e-9
    assert cars.worst_violation_kwh(split.sessions_kw, step_hours=HOURS) <= TOLERANCE_KWH
    assert fleet.worst_violation_kwh(split.others_kw, step_hours=HOURS) <= TOLERANCE_KWH
    assert split.sessions_kw.sum(axis=0) + split.others_kw.sum(axis=0) == pytest.approx(profile, abs=1e-4)


@given(seed=seeds, steps=st.integers(1, 6))
@settings(max_examples=25, deadline=None)
def test_more_devices_never_deliver_less(seed, steps):
    """Each device brings the baseline it can follow."""
    fleet = mixed_fleet(seed, steps=steps)
    plan = any_plan(fleet, seed)

    found = [
        deliverable(corridor=fleet.select(slice(0, count)), baseline_kw=plan[:count].sum(axis=0), step_hours=HOURS)
        for count in range(1, fleet.devices + 1)
    ]

    assert np.all(np.diff([each.reduce_kw for each in found]) >= -1e-6)
    assert np.all(np.diff([each.increase_kw for each in found]) >= -1e-6)


@given(seed=seeds)
@settings(max_examples=40, deadline=None)
def test_more_cars_never_deliver_less_in_a_window(seed):
    sessions, window = any_sessions(seed, 12), Window(steps=6)

    reduce_kw = [
        window_deliverable_scenarios(batches=[sessions.select(slice(0, count))], window=window).reduce_kw[0]
        for count in range(1, 13)
    ]

    assert np.all(np.diff(reduce_kw) >= -1e-9)


@given(seed=seeds, steps=st.integers(2, 6))
@settings(max_examples=25, deadline=None)
def test_a_longer_window_never_delivers_more(seed, steps):
    fleet = mixed_fleet(seed, steps=steps)
    baseline = any_plan(fleet, seed).sum(axis=0)

    whole = subset_bounds(fleet, step_hours=HOURS).deliverable_reduce_kw(baseline_kw=baseline, step_hours=HOURS)
    common = {"corridor": fleet, "baseline_kw": baseline, "step_hours": HOURS}
    shorter = lp.max_reduce_kw(**common, window=slice(0, steps - 1))

    assert whole[0] <= shorter + 1e-6


@given(seed=seeds, direction=st.sampled_from(["reduce", "increase"]), hold=st.integers(1, 3))
@settings(max_examples=25, deadline=None)
def test_a_call_of_the_headroom_can_be_held_and_lived_with(seed, direction, hold):
    """Called in any step after following its plan, every device still has a profile that stays inside its bounds."""
    fleet = mixed_fleet(seed, steps=5)
    plan = any_plan(fleet, seed)
    common = {"step_hours": HOURS, "hold_steps": hold}
    each = [
        sustained_headroom(corridor=fleet.select([row]), baseline_kw=plan[[row]], **common)
        for row in range(fleet.devices)
    ]
    called_kw = np.array([getattr(room, f"{direction}_kw") for room in each])
    together = sustained_headroom(corridor=fleet, baseline_kw=plan, **common)
    assert getattr(together, f"{direction}_kw") == pytest.approx(called_kw.sum(axis=0), abs=1e-9)

    most = lp.max_reduce_kw if direction == "reduce" else lp.max_increase_kw
    for row, step in zip(range(fleet.devices), np.random.default_rng(seed).integers(0, 5, fleet.devices), strict=True):
        device = fleet.select([row])
        followed = slice(0, int(step))
        lower, upper = device.power_min_kw.copy(), device.power_max_kw.copy()
        lower[:, followed], upper[:, followed] = plan[row, followed] - 1e-7, plan[row, followed] + 1e-7
        after = Corridor(
            power_min_kw=lower,
            power_max_kw=upper,
            energy_min_kwh=device.energy_min_kwh - 1e-6,
            energy_max_kwh=device.energy_max_kwh + 1e-6,
        )
        held = slice(int(step), int(step) + hold)
        exact = most(corridor=after, baseline_kw=plan[row], step_hours=HOURS, window=held)
        assert called_kw[row, step] <= exact + 1e-4
