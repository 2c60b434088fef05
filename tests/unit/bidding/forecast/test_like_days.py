import numpy as np
import pytest

from bidding.forecast.like_days import like_days
from bidding.forecast.local_time import day_number
from tests.unit.bidding.forecast.fleets import DAY_S, instant_s

PLUG_INS_S = np.array([instant_s(day, 12) for day in range(60)])


def days_for(day, *, plug_ins_s=PLUG_INS_S, lead_h=4, timezone="UTC", **more):
    starts_s = instant_s(day, 17)
    return like_days(
        plug_ins_s, now_s=starts_s - lead_h * 3600, starts_s=starts_s, ends_s=starts_s + 7200, timezone=timezone, **more
    )


def test_weekdays_are_drawn_for_a_weekday_and_the_same_weekday_counts_most():
    days = days_for(43)  # a Tuesday
    weekdays = (day_number(days.starts_s) + 3) % 7
    assert set(weekdays.tolist()) == {0, 1, 2, 3, 4}
    assert days.weight.sum() == pytest.approx(1.0)
    yesterday, week_ago = days.weight[-1], days.weight[days.starts_s == instant_s(36, 17)][0]
    assert week_ago > yesterday * 1.3


def test_a_public_holiday_is_drawn_from_days_off_and_stands_for_no_working_day():
    # given Easter Monday of 2024, the 92nd day of that year, and the Tuesday after it
    plug_ins_s = np.array([instant_s(day, 12) for day in range(92)])
    holiday, day_after = (days_for(day, plug_ins_s=plug_ins_s, timezone="Europe/Amsterdam") for day in (91, 92))
    drawn, drawn_after = (
        (day_number(days.starts_s) - day_number(instant_s(0, 0))).tolist() for days in (holiday, day_after)
    )
    # then it is drawn from weekends and Good Friday, and Sundays resemble it most
    assert drawn[-4:] == [83, 88, 89, 90]
    assert holiday.weight[-1] > holiday.weight[-2] * 1.9
    # and neither stands for the Tuesday
    assert drawn_after[-3:] == [85, 86, 87]


def test_a_window_that_is_not_over_at_bidding_time_is_no_past_day():
    assert days_for(43, lead_h=26).starts_s[-1] == instant_s(39, 17)


def test_a_hole_in_the_data_is_not_a_row_of_empty_days():
    holed = PLUG_INS_S[(instant_s(10, 0) > PLUG_INS_S) | (instant_s(30, 0) < PLUG_INS_S)]
    days = days_for(43, plug_ins_s=holed)
    inside = (days.starts_s > instant_s(10, 0)) & (days.starts_s < instant_s(30, 0) - DAY_S)
    assert not inside.any()


def test_days_of_another_temperature_count_less():
    today = int(day_number(instant_s(43, 17)))
    outdoor_c = {today - 1: 20.0, today - 4: 0.0, today: 0.0}
    plain, by_weather = days_for(43), days_for(43, outdoor_c=outdoor_c)
    assert by_weather.weight[-1] < plain.weight[-1] / 100


def test_no_data_no_days():
    assert len(days_for(43, plug_ins_s=PLUG_INS_S[:0])) == 0
