from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bidding.flexibility.corridor import Corridor
from bidding.flexibility.devices import one_way_charger
from bidding.flexibility.disaggregation import ProfileOutOfReachError, disaggregate
from bidding.flexibility.gpolymatroid import subset_bounds
from bidding.flexibility.scenarios import window_deliverable_scenarios
from bidding.flexibility.stays import stay_vectors
from bidding.flexibility.window import Sessions, Window


def random_sessions(seed: int, count: int, *, coming_and_going: bool, floor: float = 0.0) -> Sessions:
    rng = np.random.default_rng(seed)
    arrival = rng.uniform(-4, 1.5, count) if coming_and_going else rng.uniform(-4, 0, count)
    stay = rng.uniform(0.1, 9, count) if coming_and_going else 3.0 - arrival + rng.uniform(0, 5, count)
    return Sessions(
        arrival_hours=arrival,
        departure_hours=arrival + stay,
        energy_needed_kwh=rng.uniform(0, 14, count),
        power_max_kw=rng.choice([3.7, 7.4, 11.0], count),
        power_floor_kw=np.full(count, floor),
    )


def on_whole_steps(sessions: Sessions) -> Sessions:
    return replace(
        sessions,
        arrival_hours=np.floor(sessions.arrival_hours * 4) / 4,
        departure_hours=np.ceil(sessions.departure_hours * 4) / 4,
    )


def vertex_profile(sessions: Sessions, window: Window, seed: int) -> np.ndarray:
    """An extreme point of the aggregate set: the most energy in a random order of steps."""
    bounds = stay_vectors(sessions, window).bounds()
    chosen, profile = 0, np.zeros(window.steps)
    for step in np.random.default_rng(seed).permutation(window.steps):
        profile[step] = bounds.most_kwh[0, chosen | 1 << step] - bounds.most_kwh[0, chosen]
        chosen |= 1 << int(step)
    return profile / window.step_hours


def assert_valid(split: np.ndarray, sessions: Sessions, window: Window) -> None:
    corridor = one_way_charger(
        arrival_hours=sessions.arrival_hours,
        departure_hours=sessions.departure_hours,
        energy_needed_kwh=sessions.energy_needed_kwh,
        power_max_kw=sessions.power_max_kw,
        window=window,
    )
    assert corridor.worst_violation_kwh(split, step_hours=window.step_hours) <= 1e-5
    assert_floors_kept(split, sessions, window)


def assert_floors_kept(split: np.ndarray, sessions: Sessions, window: Window) -> None:
    """In every step in which it is there all the time, a car takes its floor, or what it still needs."""
    edges = np.arange(window.steps + 1) * window.step_hours
    is_there = (sessions.arrival_hours[:, None] <= edges[:-1]) & (sessions.departure_hours[:, None] >= edges[1:])
    taken_kwh = np.cumsum(split, axis=1) * window.step_hours
    most_kwh = sessions.power_max_kw * (sessions.departure_hours - np.maximum(sessions.arrival_hours, 0.0))
    needed_kwh = np.minimum(sessions.energy_needed_kwh, most_kwh)[:, None]
    left_kw = (needed_kwh - (taken_kwh - split * window.step_hours)) / window.step_hours
    floor_kw = np.minimum(np.broadcast_to(sessions.power_floor_kw, (len(split),)), sessions.power_max_kw)[:, None]
    assert (split >= np.where(is_there, np.minimum(floor_kw, left_kw), 0.0) - 1e-4).all()


@given(
    seed=st.integers(0, 10**6),
    count=st.integers(1, 40),
    steps=st.integers(1, 8),
    coming_and_going=st.booleans(),
    floor=st.sampled_from([0.0, 1.38]),
)
@settings(max_examples=60, deadline=None)
def test_extreme_profiles_split_exactly(seed, count, steps, coming_and_going, floor):
    sessions = random_sessions(seed, count, coming_and_going=coming_and_going, floor=floor)
    window = Window(steps=steps)
    profile = vertex_profile(sessions, window, seed)

    split = disaggregate(profile_kw=profile, sessions=sessions, window=window)

    assert split.sessions_kw.sum(axis=0) == pytest.approx(profile, abs=1e-4)
    assert_valid(split.sessions_kw, sessions, window)


@given(seed=st.integers(0, 10**6), count=st.integers(1, 40), coming_and_going=st.booleans())
@settings(max_examples=40, deadline=None)
def test_the_promised_reduction_splits_exactly(seed, count, coming_and_going):
    sessions = on_whole_steps(random_sessions(seed, count, coming_and_going=coming_and_going))
    window = Window(steps=8)
    result = window_deliverable_scenarios(batches=[sessions], window=window)
    profile = result.baseline_kw[0] - result.reduce_kw[0]

    split = disaggregate(profile_kw=profile, sessions=sessions, window=window)

    assert split.sessions_kw.sum(axis=0) == pytest.approx(profile, abs=1e-4)
    assert_valid(split.sessions_kw, sessions, window)


def test_two_way_cars_share_a_profile_with_one_way_cars():
    sessions = on_whole_steps(random_sessions(4, 20, coming_and_going=True))
    window = Window(steps=6)
    two_way = Corridor.of(power_min_kw=-11.0, power_max_kw=11.0, energy_min_kwh=-2.0, energy_max_kwh=9.0, shape=(5, 6))
    both = stay_vectors(sessions, window).bounds() + subset_bounds(two_way, step_hours=0.25)
    baseline = window_deliverable_scenarios(batches=[sessions], window=window).baseline_kw[0]
    promised = both.deliverable_reduce_kw(baseline_kw=baseline, step_hours=0.25)[0]

    split = disaggregate(profile_kw=baseline - promised, sessions=sessions, window=window, others=two_way)

    assert split.sessions_kw.sum(axis=0) + split.others_kw.sum(axis=0) == pytest.approx(baseline - promised, abs=1e-4)
    assert_valid(split.sessions_kw, sessions, window)
    assert two_way.worst_violation_kwh(split.others_kw, step_hours=0.25) <= 1e-5


@pytest.mark.parametrize("coming_and_going", [True, False])
def test_a_profile_out_of_reach_is_refused(coming_and_going):
    sessions = random_sessions(5, 10, coming_and_going=coming_and_going)
    window = Window(steps=4)
    profile = vertex_profile(sessions, window, 1)
    profile[int(np.argmax(profile))] += 1.0

    with pytest.raises(ProfileOutOfReachError, match="deliverable power"):
        disaggregate(profile_kw=profile, sessions=sessions, window=window)


def test_cars_that_need_longest_charge_in_the_highest_step():
    sessions = Sessions(
        arrival_hours=np.array([-1.0, -1.0]),
        departure_hours=np.array([1.0, 1.0]),
        energy_needed_kwh=np.array([3.0, 1.0]),
        power_max_kw=np.array([4.0, 4.0]),
    )

    split = disaggregate(profile_kw=np.array([8.0, 4.0, 4.0, 0.0]), sessions=sessions, window=Window(steps=4))

    assert split.sessions_kw == pytest.approx(np.array([[4.0, 4.0, 4.0, 0.0], [4.0, 0.0, 0.0, 0.0]]))
