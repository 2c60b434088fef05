import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bidding.dispatch.allocation.storage import (
    sustained_charge_kw,
    sustained_discharge_kw,
    sustained_heat_reduction_kw,
)

kwh = st.floats(0, 300)
hours = st.floats(0.25, 6)


def one(value):
    return np.array([value])


def test_a_battery_spreads_what_it_may_give_over_the_window():
    power = sustained_discharge_kw(
        level_kwh=one(180.0), least_kwh=one(20.0), one_way_efficiency=one(0.9), most_kw=one(100.0), remaining_h=3.0
    )
    assert power[0] == 48.0


@given(level=kwh, least=kwh, remaining=hours)
def test_discharging_to_the_end_never_passes_the_floor(level, least, remaining):
    power = sustained_discharge_kw(
        level_kwh=one(level),
        least_kwh=one(least),
        one_way_efficiency=one(0.9),
        most_kw=one(100.0),
        remaining_h=remaining,
    )[0]
    assert 0 <= power <= 100
    assert level - power * remaining / 0.9 >= min(level, least) - 1e-6


@given(level=kwh, remaining=hours)
def test_charging_to_the_end_never_passes_the_capacity(level, remaining):
    power = sustained_charge_kw(
        level_kwh=one(level),
        capacity_kwh=one(200.0),
        one_way_efficiency=one(0.9),
        most_kw=one(100.0),
        remaining_h=remaining,
    )[0]
    assert 0 <= power <= 100
    assert level + power * remaining * 0.9 <= max(level, 200.0) + 1e-6


@given(buffer=st.floats(-5, 50), running=st.floats(0, 5), remaining=hours)
def test_a_heat_pump_saves_no_more_than_its_buffer_or_its_use(buffer, running, remaining):
    saved = sustained_heat_reduction_kw(buffer_kwh=one(buffer), running_kw=one(running), remaining_h=remaining)[0]
    assert 0 <= saved <= running
    assert saved * remaining <= max(buffer, 0.0) + 1e-9
