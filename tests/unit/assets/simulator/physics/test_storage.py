import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.simulator.physics.storage import BatteryTraits, step

HOURS = 1 / 60
EFFICIENCY = 0.85**0.5
TRAITS = BatteryTraits(
    max_import_kw=np.array([100.0]),
    max_export_kw=np.array([100.0]),
    capacity_kwh=np.array([200.0]),
    floor_kwh=np.array([20.0]),
    efficiency=np.array([EFFICIENCY]),
)


def test_a_battery_rests_without_a_setpoint():
    level = np.array([100.0])
    assert step(level_kwh=level, traits=TRAITS, limit_kw=np.array([np.nan]), hours=HOURS)[0] == 0.0
    assert level[0] == 100.0


@given(level=st.floats(20.0, 200.0), told=st.lists(st.floats(-200, 200), min_size=1, max_size=300))
def test_level_and_power_stay_within_bounds_and_energy_is_conserved(level, told):
    levels = np.array([level])
    imported = exported = 0.0
    for value in told:
        power = float(step(level_kwh=levels, traits=TRAITS, limit_kw=np.array([value]), hours=HOURS)[0])
        assert -100.0 <= power <= 100.0
        assert min(value, 0.0) <= power <= max(value, 0.0)
        assert 20.0 - 1e-9 <= levels[0] <= 200.0 + 1e-9
        imported += max(power, 0.0) * HOURS
        exported += max(-power, 0.0) * HOURS
    assert levels[0] - level == pytest.approx(imported * EFFICIENCY - exported / EFFICIENCY, abs=1e-9)
