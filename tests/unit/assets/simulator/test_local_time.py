from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np

from assets.simulator.local_time import instants, is_weekend, wall_clock, week_of, week_starts

AMSTERDAM = ZoneInfo("Europe/Amsterdam")


def seconds(*text: str):
    return np.array([int(datetime.fromisoformat(one).timestamp()) for one in text])


def test_wall_clocks_follow_summer_time_and_back():
    times = seconds("2026-03-29T00:30:00Z", "2026-03-29T01:30:00Z", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z")
    shown = [datetime.fromtimestamp(int(one), UTC).strftime("%H:%M") for one in wall_clock(times, AMSTERDAM)]
    assert shown == ["01:30", "03:30", "02:30", "02:30"]
    back = instants(wall_clock(times, AMSTERDAM), AMSTERDAM)
    assert (back[:3] == times[:3]).all()
    assert back[3] == times[2]


def test_a_time_that_does_not_exist_is_taken_an_hour_later():
    missing = seconds("2026-03-29T02:30:00Z")  # read as a wall clock: 2:30, which is skipped
    assert instants(missing, AMSTERDAM)[0] == seconds("2026-03-29T01:30:00Z")[0]


def test_weeks_start_on_monday():
    monday = int(seconds("2026-01-12T00:00:00Z")[0])
    assert week_starts(int(week_of(np.array([monday]))[0])) == monday
    assert week_of(np.array([monday - 1]))[0] == week_of(np.array([monday]))[0] - 1
    days = monday + np.arange(7) * 86_400
    assert is_weekend(days).tolist() == [False] * 5 + [True] * 2
