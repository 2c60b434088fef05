import numpy as np
import pytest

from bidding.flexibility.corridor import Corridor
from bidding.flexibility.devices import one_way_charger
from bidding.flexibility.headroom import sustained_headroom
from bidding.flexibility.window import Window

BATTERY = Corridor.of(power_min_kw=-10.0, power_max_kw=10.0, energy_min_kwh=-1.5, energy_max_kwh=4.0, shape=(1, 4))


def test_energy_held_for_a_step_limits_a_battery():
    room = sustained_headroom(corridor=BATTERY, baseline_kw=np.zeros((1, 4)), step_hours=0.25)

    assert room.reduce_kw == pytest.approx([6.0] * 4)
    assert room.increase_kw == pytest.approx([10.0] * 4)


def test_a_longer_call_needs_more_energy():
    room = sustained_headroom(corridor=BATTERY, baseline_kw=np.zeros((1, 4)), step_hours=0.25, hold_steps=2)

    assert room.reduce_kw == pytest.approx([3.0, 3.0, 3.0, 6.0])


def test_a_call_beyond_the_horizon_is_held_to_its_end():
    rooms = [
        sustained_headroom(corridor=BATTERY, baseline_kw=np.zeros((1, 4)), step_hours=0.25, hold_steps=steps)
        for steps in (4, 9)
    ]
    assert rooms[1].reduce_kw == pytest.approx(rooms[0].reduce_kw)


def test_a_slow_device_gives_what_it_reaches_in_five_minutes():
    room = sustained_headroom(corridor=BATTERY, baseline_kw=np.zeros((1, 4)), step_hours=0.25, ramp_kw_per_minute=0.4)

    assert room.reduce_kw == pytest.approx([2.0] * 4)


def test_a_charging_car_can_stop_until_it_must_hurry():
    car = one_way_charger(
        arrival_hours=-1.0, departure_hours=1.0, energy_needed_kwh=2.5, power_max_kw=4.0, window=Window(steps=4)
    )
    baseline = np.array([[4.0, 4.0, 2.0, 0.0]])

    room = sustained_headroom(corridor=car, baseline_kw=baseline, step_hours=0.25)

    assert room.reduce_kw == pytest.approx([4.0, 4.0, 2.0, 0.0])
    assert room.increase_kw == pytest.approx([0.0, 0.0, 0.0, 0.0])
