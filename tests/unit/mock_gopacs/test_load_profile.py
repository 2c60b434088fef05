"""What a day's load makes an operator announce."""

import random
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import mock_gopacs
from mock_gopacs.load_profile import problems, read_profile
from mock_gopacs.scenario import read_scenario
from mock_gopacs.scenario_values import InvalidScenario

DAY = date(2026, 1, 14)
FLAT = [5] * 24


def found(day=DAY, seed=1, **plan):
    return problems(read_profile({"capacity_mw": 8, "load_mw": FLAT} | plan), day=day, generator=random.Random(seed))  # noqa: S311 - reproducible


def peak(hour, mw):
    return [mw if one == hour else 5 for one in range(24)]


def test_a_day_within_the_capacity_announces_nothing():
    assert found() == []
    assert found(load_mw=[8] * 24) == []


def test_a_peak_above_the_capacity_is_off_take_in_steps_of_a_tenth():
    # straight from 5 MW at 17:00 to 9 MW at 18:00 and back: above 8 MW in one quarter hour
    (problem,) = found(load_mw=peak(18, 9), shortest_minutes=15)
    assert problem.congestion == "OFF_TAKE"
    assert problem.period.starts_at == datetime(2026, 1, 14, 17, tzinfo=UTC)  # 18:00 local
    assert problem.required_mw == (Decimal("1.0"),)


@pytest.mark.parametrize(("shortest", "count"), [(15, 1), (30, 0)])
def test_what_is_too_short_is_left(shortest, count):
    assert len(found(load_mw=peak(18, 9), shortest_minutes=shortest)) == count


def test_a_sunny_noon_is_feed_in():
    sun = [0] * 11 + [14, 15, 14] + [0] * 10
    (problem,) = found(generation_mw=sun)
    assert problem.congestion == "FEED_IN"
    assert max(problem.required_mw) == Decimal("2.0")


@pytest.mark.parametrize(("day", "ptus"), [(DAY, 96), (date(2026, 3, 29), 92), (date(2026, 10, 25), 100)])
def test_a_problem_of_a_whole_day_has_92_96_or_100_ptus(day, ptus):
    (problem,) = found(day=day, load_mw=[9] * 24)
    assert len(problem.required_mw) == ptus


def test_one_seed_is_one_day_and_another_seed_another():
    plan = {"load_mw": [7.9] * 24, "noise_mw": 1.0}
    assert found(**plan) == found(**plan)
    assert found(**plan) != found(**plan, seed=2)


@given(
    load=st.lists(st.floats(0, 20), min_size=24, max_size=24),
    sun=st.lists(st.floats(0, 30), min_size=24, max_size=24),
    seed=st.integers(),
)
def test_problems_never_touch_and_always_need_something(load, sun, seed):
    days = found(seed=seed, load_mw=load, generation_mw=sun, noise_mw=0.5)
    for problem in days:
        assert len(problem.required_mw) == problem.period.duration / timedelta(minutes=15)
        assert all(mw >= Decimal("0.1") and mw % Decimal("0.1") == 0 for mw in problem.required_mw)
    for before, after in pairwise(days):
        assert before.period.ends_at <= after.period.starts_at


@pytest.mark.parametrize(
    ("plan", "says"),
    [({"load_mw": [1] * 23}, "24 numbers"), ({"capacity_mw": 0}, "above 0"), ({"noise_mw": -1}, "least 0")],
)
def test_a_profile_that_makes_no_sense_is_refused(plan, says):
    with pytest.raises(InvalidScenario, match=says):
        found(**plan)


def test_the_congested_day_asks_for_more_at_noon_and_less_in_the_evening():
    path = Path(mock_gopacs.__file__).parent / "scenarios" / "congested_day.yaml"
    scenario = read_scenario(
        yaml.safe_load(path.read_text(encoding="utf-8")),
        {
            "date": "2026-04-15", "participant_id": "7d9d2d0e-6d5c-4a43-8b53-3f0a3b1d5a11", "api_key": "k",
            "gopacs_api_key": "g", "registrations": [],
        },
    )  # fmt: skip
    noon, evening = scenario.announcements
    assert [one.congestion for one in (noon, evening)] == ["FEED_IN", "OFF_TAKE"]
    assert noon.period.starts_at - noon.publish_at == timedelta(minutes=150)
    assert noon.clears_at == tuple(noon.period.starts_at - timedelta(minutes=minutes) for minutes in (60, 30))
    assert max(evening.required_mw) > Decimal(1)
