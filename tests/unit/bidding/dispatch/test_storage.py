import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidding.dispatch.allocation.storage import charge_kwh, discharge_kwh, lasting_kw

kwh = st.floats(0, 300)
hours = st.floats(0.25, 6)


def one(value):
    return np.array([value])


def test_a_battery_spreads_what_it_may_give_over_the_window():
    energy = discharge_kwh(level_kwh=one(180.0), least_kwh=one(20.0), one_way_efficiency=one(0.9))
    assert lasting_kw(energy_kwh=energy, most_kw=one(100.0), remaining_h=3.0)[0] == 48.0


@given(level=kwh, least=kwh, remaining=hours)
def test_discharging_to_the_end_never_passes_the_floor(level, least, remaining):
    energy = discharge_kwh(level_kwh=one(level), least_kwh=one(least), one_way_efficiency=one(0.9))
    power = lasting_kw(energy_kwh=energy, most_kw=one(100.0), remaining_h=remaining)[0]
    assert 0 <= power <= 100
    assert level - power * remaining / 0.9 >= min(level, least) - 1e-6


@given(level=kwh, remaining=hours)
def test_charging_to_the_end_never_passes_the_capacity(level, remaining):
    energy = charge_kwh(level_kwh=one(level), capacity_kwh=one(200.0), one_way_efficiency=one(0.9))
    power = lasting_kw(energy_kwh=energy, most_kw=one(100.0), remaining_h=remaining)[0]
    assert 0 <= power <= 100
    assert level + power * remaining * 0.9 <= max(level, 200.0) + 1e-6


@given(buffer=st.floats(-5, 50), running=st.floats(0, 5), remaining=hours)
def test_a_heat_pump_saves_no_more_than_its_buffer_or_its_use(buffer, running, remaining):
    saved = lasting_kw(energy_kwh=one(buffer), most_kw=one(running), remaining_h=remaining)[0]
    assert 0 <= saved <= running
    assert saved * remaining <= max(buffer, 0.0) + 1e-9


def test_what_other_orders_take_before_is_left_to_them():
    stores = {"energy_kwh": np.array([60.0, 20.0, np.nan]), "most_kw": np.array([100.0, 4.0, 9.0]), "remaining_h": 2.0}
    assert lasting_kw(**stores).tolist() == [30.0, 4.0, 0.0]
    assert lasting_kw(**stores, promised_kwh=60.0).tolist() == [7.5, 2.5, 0.0]
    assert lasting_kw(**stores, promised_kwh=80.0).tolist() == [0.0, 0.0, 0.0]


@given(energy=st.lists(kwh, min_size=1, max_size=5), promised=kwh, remaining=hours)
def test_no_energy_is_promised_twice(energy, promised, remaining):
    power = lasting_kw(
        energy_kwh=np.array(energy), most_kw=np.full(len(energy), 50.0), remaining_h=remaining, promised_kwh=promised
    )
    assert power.sum() * remaining <= max(sum(energy) - promised, 0.0) + 1e-6


def test_without_any_energy_there_is_no_power():
    assert lasting_kw(energy_kwh=one(0.0), most_kw=one(5.0), remaining_h=1.0)[0] == pytest.approx(0.0)
