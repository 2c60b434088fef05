from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.simulator.physics.heating import HeatTraits, step
from assets.simulator.physics.weather import outdoor_c

HOURS = 1 / 60
TRAITS = HeatTraits(
    loss_kw_per_kelvin=np.array([0.15]),
    capacity_kwh_per_kelvin=np.array([9.0]),
    comfort_c=np.array([20.0]),
    band_kelvin=np.array([0.7]),
    nominal_cop=np.array([3.4]),
    max_import_kw=np.array([3.0]),
)


def test_a_house_at_its_comfort_takes_just_its_losses():
    indoor = np.array([20.0])
    power = step(indoor_c=indoor, traits=TRAITS, limit_kw=np.array([np.nan]), outdoor_c=7.0, hours=HOURS)
    assert power[0] == pytest.approx(0.15 * 13 / 3.4)
    assert indoor[0] == pytest.approx(20.0)


def test_a_stop_of_two_hours_cools_by_the_time_constant():
    indoor = np.array([20.0])
    for _ in range(120):
        step(indoor_c=indoor, traits=TRAITS, limit_kw=np.array([0.0]), outdoor_c=0.0, hours=HOURS)
    # (T - T_out) 2 h / tau with tau = 9.0 / 0.15 = 60 h, to first order.
    assert 20.0 - indoor[0] == pytest.approx(20 * 2 / 60, rel=0.02)


@given(
    indoor=st.floats(19.3, 20.7),
    outdoor=st.floats(-5, 15),
    told=st.lists(st.one_of(st.just(np.nan), st.floats(-2, 4)), min_size=1, max_size=400),
)
def test_comfort_holds_limits_hold_and_heat_is_conserved(indoor, outdoor, told):
    temperature = np.array([indoor])
    heat = 0.0
    for value in told:
        before = float(temperature[0])
        power = float(
            step(indoor_c=temperature, traits=TRAITS, limit_kw=np.array([value]), outdoor_c=outdoor, hours=HOURS)[0]
        )
        assert 0.0 <= power <= 3.0
        if not np.isnan(value) and temperature[0] > 19.3 + 1e-6:
            assert power <= max(value, 0.0) + 1e-9
        heat += (float(TRAITS.cop(outdoor)[0]) * power - 0.15 * (before - outdoor)) * HOURS
    assert temperature[0] >= 19.3 - 1e-9
    assert (temperature[0] - indoor) * 9.0 == pytest.approx(heat, abs=1e-6)


def test_the_store_is_empty_at_the_lowest_and_full_at_the_highest_temperature():
    assert TRAITS.level_kwh(np.array([19.3]))[0] == pytest.approx(0.0)
    assert TRAITS.level_kwh(np.array([25.0]))[0] == pytest.approx(12.6)


def test_winter_is_colder_than_summer_and_weather_is_reproducible():
    january, july = (
        int(datetime(2026, month, 15, tzinfo=UTC).timestamp()) + np.arange(14) * 86_400 for month in (1, 7)
    )
    assert 0.0 < outdoor_c(january, seed=1).mean() < 6.0
    assert 14.0 < outdoor_c(july, seed=1).mean() < 20.0
    assert (outdoor_c(january, seed=1) == outdoor_c(january, seed=1)).all()
    assert (outdoor_c(january, seed=1) != outdoor_c(january, seed=2)).any()
