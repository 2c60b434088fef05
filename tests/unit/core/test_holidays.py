"""Public holidays by time zone."""

from datetime import date

import pytest

from aggregator.core.holidays import public_holidays


@pytest.mark.parametrize(
    ("timezone", "day"),
    [
        ("Europe/Amsterdam", date(2026, 4, 27)),  # King's Day
        ("Europe/Amsterdam", date(2025, 4, 26)),  # the same, on a Saturday because the 27th was a Sunday
        ("Europe/Amsterdam", date(2026, 5, 14)),  # Ascension Day
        ("Europe/Oslo", date(2026, 5, 17)),  # Constitution Day
        ("Europe/London", date(2017, 5, 29)),  # Spring Bank Holiday
        ("America/New_York", date(2026, 11, 26)),  # Thanksgiving
    ],
)
def test_a_holiday_is_that_of_the_country_of_the_time_zone(timezone, day):
    assert day in public_holidays(timezone)


def test_an_ordinary_day_and_a_holiday_of_another_country_are_none():
    dutch = public_holidays("Europe/Amsterdam")
    assert date(2026, 1, 14) not in dutch
    assert date(2017, 5, 29) not in dutch
    assert date(2026, 11, 26) not in dutch


@pytest.mark.parametrize("timezone", ["UTC", "Etc/GMT+1"])
def test_a_zone_of_no_country_has_none(timezone):
    assert public_holidays(timezone) == frozenset()


def test_a_calendar_that_is_foreseen_for_few_years_is_used_without_a_warning():
    assert date(2026, 8, 15) in public_holidays("Asia/Kolkata")
