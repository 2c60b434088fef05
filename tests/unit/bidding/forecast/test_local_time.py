from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidding.forecast.local_time import (
    EPOCH,
    SUNDAY,
    day_number,
    hour_of_day,
    is_day_off,
    local_seconds,
    utc_seconds,
    weekday,
)

ZONES = ("Europe/Amsterdam", "Europe/Oslo", "Europe/London", "UTC", "America/New_York", "Australia/Lord_Howe")


@given(
    instant_s=st.integers(
        int(datetime(2001, 1, 1, tzinfo=UTC).timestamp()), int(datetime(2037, 1, 1, tzinfo=UTC).timestamp())
    ),
    zone=st.sampled_from(ZONES),
)
def test_wall_clock_is_that_of_the_time_zone_database(instant_s, zone):
    expected = datetime.fromtimestamp(instant_s, ZoneInfo(zone))
    local_s = local_seconds(instant_s, timezone=zone)
    assert float(hour_of_day(local_s)) == pytest.approx(
        expected.hour + expected.minute / 60 + expected.second / 3600, abs=1e-9
    )
    day = day_number(local_s)
    assert EPOCH + timedelta(days=int(day)) == expected.date()
    assert int(weekday(day, timezone="UTC")) == expected.weekday()


@pytest.mark.parametrize("zone", ["Europe/Amsterdam", "Australia/Adelaide", "America/St_Johns", "Australia/Lord_Howe"])
def test_every_quarter_hour_of_a_year_has_its_offset_also_where_it_is_not_whole_hours(zone):
    begins = int(datetime(2024, 1, 1, tzinfo=UTC).timestamp())
    instants_s = begins + 900 * np.arange(366 * 96)
    offsets_s = [datetime.fromtimestamp(int(one), ZoneInfo(zone)).utcoffset().total_seconds() for one in instants_s]
    assert (local_seconds(instants_s, timezone=zone) - instants_s).tolist() == offsets_s


def test_a_public_holiday_is_lived_as_a_sunday():
    # given the days of the week of King's Day, a Monday in 2026
    days = np.arange(7) + (date(2026, 4, 27) - EPOCH).days
    assert weekday(days, timezone="Europe/Amsterdam").tolist() == [SUNDAY, 1, 2, 3, 4, 5, 6]
    assert weekday(days, timezone="Europe/Oslo").tolist() == [0, 1, 2, 3, SUNDAY, 5, 6]  # the first of May
    assert is_day_off(days, timezone="Europe/Amsterdam").tolist() == [True, False, False, False, False, True, True]


def test_the_same_wall_clock_hour_across_the_spring_change_is_23_hours_later():
    saturday = int(datetime(2026, 3, 28, 16, tzinfo=UTC).timestamp())
    local_s = local_seconds(saturday, timezone="Europe/Amsterdam")
    sunday = int(utc_seconds(local_s + 86_400, timezone="Europe/Amsterdam"))
    assert sunday - saturday == 23 * 3600


def test_way_back_is_exact_outside_the_changed_hour():
    instants = np.arange(1_700_000_000, 1_700_000_000 + 400 * 86_400, 7 * 3600)
    back = utc_seconds(local_seconds(instants, timezone="Europe/Oslo"), timezone="Europe/Oslo")
    assert np.mean(back == instants) > 0.999
