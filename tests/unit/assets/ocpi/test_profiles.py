"""From setpoints to charging profiles: units, the floor of 6 A, what cannot be said, and ends."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.ocpi.profiles import GRID_VOLTAGE, Outlet, RateUnit, Schedule, Told, charging_profile, standing_schedule
from tests.field_side import at


def outlet(**changes):
    plain = {
        "unit": RateUnit.WATT,
        "phases": 3,
        "max_import_w": 11_040,
        "min_import_w": 4_140,
        "can_pause": False,
        "can_discharge": False,
    }
    return Outlet(**{**plain, **changes})


def limits(power_w, **changes):
    profile = charging_profile(Schedule(((at("16:15"), power_w),), at("16:30")), outlet(**changes))
    [period] = profile["charging_profile_period"]
    assert period.pop("start_period") == 0
    return period


@pytest.mark.parametrize(
    ("power_w", "changes", "limit"),
    [
        pytest.param(3_000, {}, 4_140, id="under 6 A, cannot pause: 6 A"),
        pytest.param(3_000, {"can_pause": True}, 0, id="under 6 A, can pause: 0"),
        pytest.param(0, {}, 0, id="0 is 0 whatever the car can"),
        pytest.param(4_140, {}, 4_140, id="6 A is enough"),
        pytest.param(3_000, {"phases": 1}, 3_000, id="one phase: 13 A"),
        pytest.param(1_000, {"phases": 1}, 1_380, id="one phase under 6 A"),
        pytest.param(3_000, {"phases": None}, 4_140, id="phases not known: three, as the specification has it"),
        pytest.param(500, {"phases": 0}, 500, id="direct current has no floor"),
        pytest.param(7_000, {"unit": RateUnit.AMPERE}, 10.1, id="ampere per phase, rounded down"),
        pytest.param(7_000, {"unit": RateUnit.AMPERE, "phases": 1}, 30.4, id="ampere on one phase"),
        pytest.param(3_000, {"unit": RateUnit.AMPERE}, 6.0, id="the floor in ampere"),
        pytest.param(-5_000, {}, 0, id="feeding in cannot be said: charge nothing"),
    ],
)
def test_a_limit_is_what_the_station_can_hold(power_w, changes, limit):
    assert limits(power_w, **changes) == {"limit": limit}


@pytest.mark.parametrize(
    ("power_w", "said"),
    [
        (-5_000, {"limit": 0, "setpoint": -5_000, "discharge_limit": -5_000}),
        (5_000, {"limit": 5_000, "discharge_limit": 0}),
    ],
)
def test_feeding_in_is_said_where_it_is_agreed(power_w, said):
    assert limits(power_w, can_discharge=True) == said


@given(
    power_w=st.integers(0, 22_080),
    unit=st.sampled_from(RateUnit),
    phases=st.sampled_from([None, 0, 1, 2, 3]),
    can_pause=st.booleans(),
)
def test_no_limit_lets_more_through_than_asked_but_the_floor_of_a_car_that_cannot_pause(
    power_w, unit, phases, can_pause
):
    limit = limits(power_w, unit=unit, phases=phases, can_pause=can_pause)["limit"]

    w_per_ampere = GRID_VOLTAGE * (3 if phases is None else max(phases, 1))
    watt = limit if unit is RateUnit.WATT else limit * w_per_ampere
    is_raised = 0 < power_w < 6 * w_per_ampere and not can_pause and phases != 0
    assert watt <= (6 * w_per_ampere if is_raised else power_w) + 1e-6
    assert round(limit, 1) == limit
    ampere = watt / w_per_ampere
    assert phases == 0 or ampere == 0 or ampere >= 6 - 1e-9


def test_the_least_rate_of_the_car_goes_along_in_the_profiles_unit():
    schedule = Schedule(((at("16:15"), 0),), at("16:30"))

    assert charging_profile(schedule, outlet())["min_charging_rate"] == 4_140
    assert charging_profile(schedule, outlet(unit=RateUnit.AMPERE))["min_charging_rate"] == 6.0
    assert "min_charging_rate" not in charging_profile(schedule, outlet(min_import_w=0))


def test_a_profile_begins_early_and_ends_late_as_its_setpoint_says():
    told = [Told(at("16:15"), (4_140, 0), start_early_s=40, end_late_s=25)]

    schedule = standing_schedule(told, since=at("16:07"), free_w=11_040)
    profile = charging_profile(schedule, outlet())

    assert (profile["start_date_time"], profile["duration"]) == ("2026-01-14T16:14:20Z", 1_800 + 65)
    assert [one["start_period"] for one in profile["charging_profile_period"]] == [0, 940]


def test_who_is_let_go_inside_a_setpoint_is_let_go_as_late_as_at_its_end():
    told = [Told(at("16:00"), (0,) * 5), Told(at("16:15"), (0, 0, 11_040, 11_040), end_late_s=50)]

    schedule = standing_schedule(told, since=at("16:16"), free_w=11_040)

    assert schedule == Schedule(((at("16:15"), 0),), at("16:45") + timedelta(seconds=50))


def test_what_has_begun_is_not_begun_again_and_a_newer_end_counts():
    older = Told(at("16:00"), (0, 0, 0), start_early_s=40, end_late_s=25)
    newer = Told(at("16:30"), (0, 0), start_early_s=10, end_late_s=50)

    schedule = standing_schedule([older, newer], since=at("16:20"), free_w=11_040)

    assert schedule == Schedule(((at("16:15"), 0),), at("17:00") + timedelta(seconds=50))


def test_a_profile_that_feeds_in_ends_with_its_time_to_live_and_the_station_is_free_then():
    waits = Told(at("16:15"), (0,) * 7)
    feeds_in = Told(at("16:30"), (-5_000,) * 6, end_late_s=25, ttl_s=1_800)

    schedule = standing_schedule([waits, feeds_in], since=at("16:20"), free_w=11_040)
    profile = charging_profile(schedule, outlet(can_discharge=True))

    assert schedule.steps == ((at("16:15"), 0), (at("16:30"), -5_000))
    assert (profile["start_date_time"], profile["duration"]) == ("2026-01-14T16:15:00Z", 45 * 60 + 25)


def test_a_renewal_takes_a_profile_on_and_waiting_after_the_window_follows_it():
    told = [
        Told(at("16:15"), (-5_000,) * 3, ttl_s=1_800),
        Told(at("16:30"), (-5_000,) * 2, ttl_s=1_800),
        Told(at("17:00"), (0, 0)),
    ]

    schedule = standing_schedule(told, since=at("16:20"), free_w=11_040)

    assert schedule == Schedule(((at("16:15"), -5_000), (at("17:00"), 0)), at("17:30"))


def test_nothing_asked_is_no_profile():
    assert standing_schedule([Told(at("16:15"), (11_040,))], since=at("16:07"), free_w=11_040) is None
    assert standing_schedule([Told(at("15:15"), (0,))], since=at("16:07"), free_w=11_040) is None
