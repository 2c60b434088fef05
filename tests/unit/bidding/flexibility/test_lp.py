import pytest

from bidding.flexibility import lp
from bidding.flexibility.corridor import Corridor

CAR = Corridor.of(power_min_kw=0, power_max_kw=4, energy_min_kwh=0, energy_max_kwh=4, shape=(1, 2))


def test_limits_that_contradict_each_other_cannot_be_met():
    with pytest.raises(lp.InfeasibleFleetError, match="relax the limits"):
        lp.solve_fleet(corridor=CAR, step_hours=0.5, aggregate_min_kw=2.0, aggregate_max_kw=1.0)


def test_a_device_whose_bounds_contradict_each_other_cannot_be_planned():
    broken = Corridor.of(power_min_kw=5, power_max_kw=4, energy_min_kwh=0, energy_max_kwh=9, shape=(1, 2))

    with pytest.raises(lp.InfeasibleFleetError, match="leave devices out"):
        lp.solve_fleet(corridor=broken, step_hours=0.5)
