from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from bidding.backtest.options import BacktestOptions, LocalWindow
from bidding.backtest.windows import calendar


def _s(*when):
    return int(datetime(*when, tzinfo=UTC).timestamp())


def _calendar(set_plug_in_s, **options):
    return calendar(
        first_plug_in_s=set_plug_in_s[0],
        set_plug_in_s=np.array(set_plug_in_s),
        options=BacktestOptions(**({"warm_up": timedelta(0)} | options)),
    )


def test_windows_follow_the_local_clock_over_the_change_to_summer_time():
    plug_ins = [_s(2024, 3, 28), _s(2024, 4, 2)]
    starts = [window.starts_s for window in _calendar(plug_ins).windows]
    assert starts == [_s(2024, 3, 28, 16), _s(2024, 3, 29, 16), _s(2024, 4, 1, 15)]


def test_weekends_and_all_days_choose_their_days():
    plug_ins = [_s(2024, 3, 28), _s(2024, 4, 2)]
    assert len(_calendar(plug_ins, days="weekends").windows) == 2
    assert [window.is_weekend for window in _calendar(plug_ins, days="all").windows] == [False] * 2 + [True] * 2 + [
        False
    ]


def test_a_window_that_crosses_midnight_ends_the_next_day():
    window = _calendar([_s(2024, 1, 2), _s(2024, 1, 3, 12)], window=LocalWindow(22 * 60, 2 * 60)).windows[0]
    assert (window.starts_s, window.ends_s) == (_s(2024, 1, 2, 21), _s(2024, 1, 3, 1))


def test_the_night_of_the_change_has_fewer_quarter_hours():
    window = _calendar([_s(2024, 3, 30), _s(2024, 4, 1)], window=LocalWindow(60, 4 * 60), days="weekends").windows[1]
    assert (window.ends_s - window.starts_s) == 2 * 3600


def test_a_hole_of_more_than_a_week_in_the_set_is_skipped_not_empty():
    plug_ins = [_s(2024, 1, 2), _s(2024, 1, 3, 20), _s(2024, 1, 17, 8), _s(2024, 1, 18, 20)]
    found = _calendar(plug_ins)
    assert [window.starts_s for window in found.windows] == [
        _s(2024, 1, 2, 16),
        _s(2024, 1, 3, 16),
        _s(2024, 1, 17, 16),
        _s(2024, 1, 18, 16),
    ]
    assert found.skipped_in_gaps == 9


def test_the_warm_up_counts_from_the_first_session():
    plug_ins = [_s(2024, 1, 1), _s(2024, 1, 6)]
    warm = [window.is_warm_up for window in _calendar(plug_ins, warm_up=timedelta(days=2)).windows]
    assert warm == [True, True, False, False, False]


def test_a_window_off_the_quarter_hour_is_refused():
    with pytest.raises(ValueError, match="quarter hours"):
        LocalWindow(17 * 60 + 5, 19 * 60)
