import json
from datetime import UTC, datetime, timedelta
from importlib import resources

import numpy as np
import pytest

from aggregator.core.interval import Interval
from aggregator.core.ptu import MARKET_ZONE
from assets.simulator.local_time import is_weekend, wall_clock
from assets.simulator.session_profiles import draw_sessions, load_profile

START = datetime(2026, 1, 5, tzinfo=UTC)
CATEGORIES = ("home", "public", "workplace")


def document(category):
    return json.loads((resources.files("assets.simulator") / "profiles" / f"{category}.json").read_text())


def drawn(category, *, chargers=500, weeks=8, seed=1):
    return draw_sessions(
        profile=load_profile(category),
        assets=np.arange(chargers),
        max_power_kw=np.full(chargers, 11.04),
        period=Interval(START, START + timedelta(weeks=weeks)),
        generator=np.random.default_rng(seed),
    )


@pytest.mark.parametrize("category", CATEGORIES)
def test_every_profile_names_its_sources_and_licences(category):
    sources = document(category)["sources"]
    assert len(sources) >= 2
    assert all(source["name"] and source["licence"] and source["used_for"] for source in sources)


@pytest.mark.parametrize("category", CATEGORIES)
def test_chargers_see_as_many_cars_as_were_measured(category):
    sessions = drawn(category)
    weekend = is_weekend(wall_clock(sessions.plug_in, MARKET_ZONE))
    target = document(category)["target_sessions_per_day"]
    assert (~weekend).sum() / (500 * 40) == pytest.approx(target[0], rel=0.04)
    assert weekend.sum() / (500 * 16) == pytest.approx(target[1], rel=0.08)


def test_home_cars_come_in_the_evening_and_stay_the_night():
    sessions = drawn("home")
    hour = wall_clock(sessions.plug_in, MARKET_ZONE) % 86_400 / 3600
    evening = (hour >= 16) & (hour < 22)
    assert 0.4 < evening.mean() < 0.75
    assert np.median((sessions.plug_out - sessions.plug_in)[evening]) / 3600 > 8


def test_one_car_at_a_time_and_never_more_than_it_can_take():
    sessions = drawn("public", chargers=50, weeks=2)
    order = np.lexsort((sessions.plug_in, sessions.asset))
    same = np.diff(sessions.asset[order]) == 0
    assert (sessions.plug_out[order][:-1] <= sessions.plug_in[order][1:])[same].all()
    assert sessions.need_kwh == pytest.approx(sessions.possible_kwh)
    assert (sessions.plug_in % 60 == 0).all()
    assert sessions.power_kw.max() <= 11.04


def test_the_same_seed_draws_the_same_sessions():
    first, again, other = (drawn("public", chargers=20, weeks=1, seed=seed) for seed in (1, 1, 2))
    assert (first.plug_in == again.plug_in).all()
    assert len(first) != len(other) or (first.plug_in != other.plug_in).any()
