import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from bidding.forecast.near_stays import NearStays
from bidding.forecast.stay_models import StayModelUnavailable, stay_models
from bidding.forecast.stays import StayForecaster
from bidding.forecast.window_forecast import ForecastWindow, forecast_window
from tests.unit.bidding.forecast.fleets import evening_fleet, group_at, instant_s

LEVELS = np.array([0.1, 0.25, 0.5, 0.75, 0.9])
UNSEEN = 1000

BLOCK = "import sys; sys.modules['sklearn'] = None\n"
"""Makes `import sklearn` fail as on a base install."""


@pytest.fixture
def forests():
    pytest.importorskip("sklearn", reason="the extra is not installed: pip install 'aggregator[forests]'")
    return stay_models("forests")


def at(sessions, now_s, models, *, unseen=False):
    cars = sessions.plugged_in_at(now_s)
    if unseen:
        cars = replace(cars, charger=np.full(len(cars), UNSEEN, dtype=np.int32))
    history = sessions.completed_before(now_s)
    return StayForecaster(history, models=models, timezone="UTC", now_s=now_s).forecast(cars)


@pytest.mark.parametrize("unseen", [False, True])
def test_forests_are_calibrated_for_known_cars_and_for_newcomers(forests, unseen):
    sessions = evening_fleet(chargers=40, days=60)
    below, total = np.zeros(len(LEVELS)), 0
    for day in range(40, 58, 3):
        now_s = instant_s(day, 17)
        stays = at(sessions, now_s, forests, unseen=unseen)
        rows = sessions.rows_present(now_s, now_s + 1)
        assert stays.is_known.tolist() == [not unseen] * len(rows)
        below += (sessions.plug_out_s[rows][:, None] <= stays.departure_quantiles_s(LEVELS)).sum(axis=0)
        total += len(rows)
    assert (below / total).tolist() == pytest.approx(LEVELS.tolist(), abs=0.07)


def test_the_forest_of_known_cars_knows_their_habits_and_that_of_newcomers_does_not(forests):
    """Each charger of this fleet has a need of its own, told within a kilowatt-hour by its history alone."""
    sessions, now_s = evening_fleet(chargers=40, days=60), instant_s(50, 17)
    spread = {
        unseen: np.diff(at(sessions, now_s, forests, unseen=unseen).energy_quantiles_kwh(LEVELS[[0, -1]])).mean()
        for unseen in (False, True)
    }
    assert spread[False] < 0.5 * spread[True]


def test_forests_forget_what_came_after(forests):
    sessions, now_s = evening_fleet(chargers=40, days=60), instant_s(50, 17)
    cut = sessions.started_before(now_s + 1)
    whole, known_then = at(sessions, now_s, forests), at(cut, now_s, stay_models("forests"))
    assert whole.plug_out_s.tolist() == known_then.plug_out_s.tolist()
    assert whole.weight.tolist() == known_then.weight.tolist()


def test_the_nearest_sessions_answer_until_there_is_enough_to_fit(forests):
    sessions, now_s = evening_fleet(chargers=5, days=60), instant_s(30, 17)
    assert at(sessions, now_s, forests).plug_out_s.tolist() == at(sessions, now_s, NearStays).plug_out_s.tolist()


def test_windows_are_forecast_with_forests(forests):
    sessions, starts_s = evening_fleet(chargers=30, days=60), instant_s(50, 18)
    asked = ForecastWindow(starts_s - 3600, starts_s, starts_s + 7200, "reduce", "UTC")
    group = replace(group_at(sessions, asked.now_s), stays=forests)
    power_kw = forecast_window([group], asked, scenarios=50, rng=np.random.default_rng(0)).room().least_kw
    assert power_kw.min() > 0


def test_an_unknown_model_names_the_known_ones():
    with pytest.raises(StayModelUnavailable, match="nearest, forests"):
        stay_models("oracle")


def test_bids_are_sized_without_the_extra():
    code = (
        "import bidding.management.commands.backtest\n"
        "from tests.unit.bidding.optimisation.test_sizing import test_a_fleet_with_a_rhythm_is_sold\n"
        "test_a_fleet_with_a_rhythm_is_sold()\n"
    )
    subprocess.run([sys.executable, "-c", BLOCK + code], check=True, timeout=120)


def test_asking_for_forests_without_the_extra_says_what_to_install():
    code = "from bidding.forecast.stay_models import stay_models; stay_models('forests')"
    run = subprocess.run([sys.executable, "-c", BLOCK + code], check=False, timeout=120, capture_output=True, text=True)
    assert "pip install 'aggregator[forests]'" in run.stderr
