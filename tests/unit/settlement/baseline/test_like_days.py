"""The mean of like days."""

from datetime import UTC, date, datetime

import numpy as np

from settlement.baseline.like_days import like_days, mean_wh, same_ptus


def test_a_workday_is_compared_with_the_last_ten_workdays():
    # given Wednesday 14 January 2026
    days = like_days(date(2026, 1, 14), leave_out=())
    assert days == [
        date(2026, 1, 13),
        date(2026, 1, 12),
        *(date(2026, 1, day) for day in (9, 8, 7, 6, 5, 2)),  # and not New Year's Day
        date(2025, 12, 31),
        date(2025, 12, 30),
    ]


def test_a_weekend_day_is_compared_with_the_last_four_weekend_days():
    assert like_days(date(2026, 1, 18), leave_out=()) == [
        date(2026, 1, 17),
        date(2026, 1, 11),
        date(2026, 1, 10),
        date(2026, 1, 4),
    ]


def test_a_public_holiday_is_compared_with_days_off():
    # given King's Day, a Monday
    assert like_days(date(2026, 4, 27), leave_out=()) == [
        date(2026, 4, 26),
        date(2026, 4, 25),
        date(2026, 4, 19),
        date(2026, 4, 18),
    ]


def test_days_with_an_activation_are_replaced_by_older_ones():
    days = like_days(date(2026, 1, 18), leave_out={date(2026, 1, 17)})
    assert days == [date(2026, 1, 11), date(2026, 1, 10), date(2026, 1, 4), date(2026, 1, 3)]


def test_the_same_ptu_is_that_of_the_local_clock_across_a_clock_change():
    # given 18:00 in Amsterdam on the Monday after summer time began, 16:00 UTC
    ptu = datetime(2026, 3, 30, 16, tzinfo=UTC)
    # when it is looked up on the Friday before, in winter time
    assert same_ptus([ptu], like=lambda _day: [date(2026, 3, 27)]) == [[datetime(2026, 3, 27, 17, tzinfo=UTC)]]


def test_the_repeated_hour_keeps_its_two_passes_apart_only_on_its_own_day():
    # given both passes of 02:15 on 2026-10-25
    passes = [datetime(2026, 10, 25, 0, 15, tzinfo=UTC), datetime(2026, 10, 25, 1, 15, tzinfo=UTC)]
    found = same_ptus(passes, like=lambda _day: [date(2026, 10, 24)])
    assert found == [[datetime(2026, 10, 24, 0, 15, tzinfo=UTC)]] * 2


def test_the_mean_leaves_out_what_is_not_known():
    # given two days of one asset in three PTUs, one value known twice, one once, one never
    history_wh = np.array([[[100, 300, 9]], [[201, 9, 9]]], dtype=np.int64)
    is_known = np.array([[[True, True, False]], [[True, False, False]]])
    mean, has_mean = mean_wh(history_wh, is_known)
    assert mean.tolist() == [[150, 300, 0]]
    assert has_mean.tolist() == [[True, True, False]]
