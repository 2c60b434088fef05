import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from pytest import approx  # noqa: PT013 - reads better in formulas

from assets.simulator.physics.plugs import NO_DEPARTURE, PlugState, PlugTraits, shortfall_kwh, step

HOURS = 1 / 60
EFFICIENCY = 0.87**0.5


def plug(
    *,
    level=0.0,
    target=10.0,
    power=11.0,
    minimum=0.0,
    can_pause=True,
    export=0.0,
    floor=0.0,
    efficiency=1.0,
    departure=None,
):
    state = PlugState.empty(1)
    state.session[:] = 0
    state.level_kwh[:] = state.arrival_kwh[:] = level
    state.target_kwh[:] = target
    state.max_import_kw[:] = power
    state.minimum_kw[:] = minimum
    state.departure[:] = NO_DEPARTURE if departure is None else departure * 60
    traits = PlugTraits(
        max_export_kw=np.array([export]),
        floor_kwh=np.array([floor]),
        efficiency=np.array([efficiency]),
        can_pause=np.array([can_pause]),
    )
    return state, traits


def play(state, traits, limits):
    return [
        float(step(state=state, traits=traits, limit_kw=np.array([limit]), now=60 * minute, hours=HOURS)[0])
        for minute, limit in enumerate(limits)
    ]


def test_a_car_without_setpoint_charges_at_full_power_until_content():
    state, traits = plug(target=0.275, power=11.0)
    assert play(state, traits, [np.nan] * 3) == approx([11.0, 5.5, 0.0])
    assert state.imported_kwh[0] == approx(0.275)


def test_a_limit_caps_and_zero_pauses_a_car_that_can():
    state, traits = plug(minimum=4.14)
    assert play(state, traits, [6.0, 4.14, 4.0, 0.0, -5.0]) == approx([6.0, 4.14, 0.0, 0.0, 0.0])


def test_a_car_that_cannot_pause_keeps_six_ampere_only_while_it_charges():
    state, traits = plug(minimum=1.38, power=3.68, can_pause=False, target=2 * 1.38 / 60)
    assert play(state, traits, [0.0, 0.0, 0.0]) == approx([1.38, 1.38, 0.0])


def test_the_last_minute_of_a_charge_may_be_below_the_floor():
    state, traits = plug(minimum=4.14, target=1.0 / 60)
    assert play(state, traits, [5.0]) == approx([1.0])


def test_an_empty_plug_does_nothing():
    state, traits = plug()
    state.session[:] = -1
    assert play(state, traits, [np.nan, -5.0]) == [0.0, 0.0]


def test_feeding_in_costs_more_from_the_store_than_reaches_the_grid():
    state, traits = plug(level=30.0, target=40.0, export=11.0, floor=10.0, efficiency=0.9)
    assert play(state, traits, [-9.0]) == approx([-9.0])
    assert state.level_kwh[0] == approx(30.0 - 10.0 / 60)


def test_feed_in_stops_at_the_floor():
    state, traits = plug(level=10.05, target=40.0, export=11.0, floor=10.0, efficiency=1.0)
    assert play(state, traits, [-6.0, -6.0]) == approx([-3.0, 0.0])
    assert state.level_kwh[0] == approx(10.0)


def test_a_car_that_must_leave_soon_charges_against_its_limit():
    # 1.1 kWh to go at 11 kW take 6 of the 8 minutes, so it may feed in for one minute and make up for it in one.
    state, traits = plug(level=30.0, target=31.1, export=11.0, departure=8)
    assert play(state, traits, [-11.0] * 8) == approx([-11.0] + [11.0] * 7)
    assert state.level_kwh[0] == approx(31.1)


limits = st.one_of(st.just(np.nan), st.floats(-30, 30))


@given(
    arrival=st.floats(2.0, 52.0),
    target=st.floats(0.0, 52.0),
    stay=st.integers(3, 300),
    told=st.lists(limits, min_size=1, max_size=40),
)
def test_a_shared_car_is_never_harmed(arrival, target, stay, told):
    """Whatever it is told: limits kept, floor kept, energy conserved, and its target reached when time allowed."""
    state, traits = plug(level=arrival, target=target, export=11.0, floor=10.4, efficiency=EFFICIENCY, departure=stay)
    limit = [told[minute * len(told) // stay] for minute in range(stay)]
    lowest = arrival
    for minute, value in enumerate(limit):
        power = float(step(state=state, traits=traits, limit_kw=np.array([value]), now=60 * minute, hours=HOURS)[0])
        assert -11.0 <= power <= 11.0
        lowest = min(lowest, float(state.level_kwh[0]))
    assert lowest >= min(arrival, 10.4) - 1e-9
    assert state.level_kwh[0] <= max(arrival, target) + 1e-9
    reachable = min(target, arrival + EFFICIENCY * 11.0 * stay / 60)
    assert state.level_kwh[0] >= reachable - 1e-6
    assert shortfall_kwh(state=state, traits=traits, plug=0, stay_hours=stay / 60) <= 1e-6
    stored = state.imported_kwh[0] * EFFICIENCY - state.exported_kwh[0] / EFFICIENCY
    assert state.level_kwh[0] - arrival == approx(stored, abs=1e-9)


@given(
    need=st.floats(0.0, 80.0),
    power=st.floats(1.4, 22.0),
    told=st.lists(limits, min_size=1, max_size=60),
    can_pause=st.booleans(),
    minimum=st.sampled_from([1.38, 4.14]),
)
def test_a_plain_car_gets_what_its_limits_leave(need, power, told, can_pause, minimum):
    state, traits = plug(target=need, power=power, minimum=min(minimum, power), can_pause=can_pause)
    stay = 5 * len(told)
    limit = [value for value in told for _ in range(5)]
    powers = play(state, traits, limit)
    for value, took in zip(limit, powers, strict=True):
        allowed = np.inf if np.isnan(value) else max(value, 0.0)
        floor = 0.0 if can_pause else min(minimum, power)
        assert 0.0 <= took <= max(min(power, allowed), floor) + 1e-9
    assert sum(powers) / 60 == approx(state.imported_kwh[0], abs=1e-9)
    possible = min(need, power * stay / 60)
    missing = shortfall_kwh(state=state, traits=traits, plug=0, stay_hours=stay / 60)
    assert state.imported_kwh[0] + missing == approx(possible, abs=1e-6)
    if all(np.isnan(value) or value >= power for value in limit):
        assert missing == approx(0.0, abs=1e-6)


@given(capacity=st.floats(100.0, 300.0), share=st.floats(0.2, 1.0), told=limits, stay=st.integers(120, 400))
def test_a_bus_leaves_full_whatever_it_is_told(capacity, share, told, stay):
    arrival = capacity * share
    state, traits = plug(level=arrival, target=capacity, power=60.0, departure=stay)
    play(state, traits, [told] * stay)
    assert state.level_kwh[0] == approx(min(capacity, arrival + 60.0 * stay / 60), abs=1e-6)
