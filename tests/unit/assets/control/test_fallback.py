"""What lapses in silence, and what runs to its end."""

import pytest

from assets.control.fallback import FALLBACKS, TIME_TO_LIVE_S, time_to_live_s


@pytest.mark.parametrize("kind", sorted(FALLBACKS))
def test_a_ceiling_runs_to_its_end(kind):
    assert time_to_live_s(kind, [0, 0]) is None
    assert (time_to_live_s(kind, [0, 4_140]) is None) is (kind != "battery")


@pytest.mark.parametrize(
    ("kind", "power_w"),
    [("v2g_charger", [0, -1]), ("battery", [-1, 0]), ("battery", [0, 1]), ("bus_charger", [-1])],
)
def test_feeding_in_and_charging_a_battery_lapse_within_half_an_hour(kind, power_w):
    assert time_to_live_s(kind, power_w) == TIME_TO_LIVE_S == 1_800
