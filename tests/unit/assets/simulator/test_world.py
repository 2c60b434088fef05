from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from aggregator.core.interval import Interval
from assets.simulator.config import SessionSource
from assets.simulator.demand import sessions_of
from assets.simulator.documents import registers_wh
from assets.simulator.portfolio import build_portfolio
from assets.simulator.world import World

START = datetime(2026, 1, 14, 15, tzinfo=UTC)
PERIOD = Interval(START, START + timedelta(hours=18))
PORTFOLIO = build_portfolio(seed=5, scale=0.04)
ASSETS = [asset for _, asset in PORTFOLIO.assets()]
KIND = np.array([asset.kind for asset in ASSETS])


class Told:
    """The same limit for everybody in the window, nothing outside."""

    def __init__(self, limit_kw, hours=3) -> None:
        self.limit = np.full(len(ASSETS), limit_kw)
        self.free = np.full(len(ASSETS), np.nan)
        self.window = range(int(START.timestamp()), int(START.timestamp()) + hours * 3600)

    def at(self, minute):
        return self.limit if minute in self.window else self.free


def make_world(portfolio=PORTFOLIO, **fields):
    source = SessionSource(file=None, zone=ZoneInfo("Europe/Amsterdam"), history_weeks=1)
    sessions = sessions_of(portfolio=portfolio, source=source, period=PERIOD)
    return World(portfolio=portfolio, sessions=sessions, period=PERIOD, **fields)


def play(world, limits, hours=18):
    outcomes = []
    end = world.now + hours * 3600
    while world.now < end:
        outcomes += world.advance(limits)[1]
    return outcomes


def test_the_same_seed_makes_the_same_evening():
    first, again = make_world(), make_world()
    assert play(first, Told(np.nan)) == play(again, Told(np.nan))
    assert (first.metered_kwh == again.metered_kwh).all()


def test_without_setpoints_every_driver_gets_what_is_possible():
    outcomes = play(make_world(), Told(np.nan))
    assert len(outcomes) > 20
    assert sum(outcome.missing_kwh for outcome in outcomes) == pytest.approx(0.0, abs=1e-6)


def test_a_call_moves_load_out_of_the_window_and_harms_no_planned_vehicle():
    calm, called = make_world(), make_world()
    play(calm, Told(np.nan))
    outcomes = play(called, Told(-11.0))
    window = slice(0, 12)
    before, during = (
        world.metered_kwh[0, window].sum() - world.metered_kwh[1, window].sum() for world in (calm, called)
    )
    assert during < before - 100
    assert called.metered_kwh[1, window].sum() > 50
    kinds = [ASSETS[int(called.sessions.asset[outcome.row])].kind for outcome in outcomes]
    planned = [outcome.missing_kwh for outcome, kind in zip(outcomes, kinds, strict=True) if kind != "charger"]
    assert len(planned) > 3
    assert sum(planned) == pytest.approx(0.0, abs=1e-6)


def test_assets_that_ignore_setpoints_do_what_they_always_do():
    ignorant = replace(
        PORTFOLIO,
        partners=tuple(
            replace(partner, assets=tuple(replace(asset, behaviour="ignores") for asset in partner.assets))
            for partner in PORTFOLIO.partners
        ),
    )
    calm, called = make_world(ignorant), make_world(ignorant)
    play(calm, Told(np.nan), hours=3)
    play(called, Told(0.0), hours=3)
    assert calm.metered_kwh.sum() > 50
    assert (calm.metered_kwh == called.metered_kwh).all()


def test_meters_and_sessions_tell_the_same_energy():
    world = make_world()
    at_start = sum(world.so_far(row).charged_kwh for row in world.open_sessions())
    outcomes = play(world, Told(-11.0))
    at_end = sum(world.so_far(row).charged_kwh for row in world.open_sessions())
    plugs = np.isin(KIND, ["charger", "v2g_charger", "bus_charger"])
    charged = sum(outcome.charged_kwh for outcome in outcomes) + at_end - at_start
    assert world.metered_kwh[0][:, plugs].sum() == pytest.approx(charged)


def test_a_restored_world_goes_on_like_the_one_it_was_saved_from(tmp_path):
    world, reborn = make_world(), make_world()
    play(world, Told(-11.0), hours=2)
    np.savez(tmp_path / "state.npz", **world.state())
    with np.load(tmp_path / "state.npz") as saved:
        reborn.restore({name: saved[name] for name in saved.files})
    assert play(world, Told(-11.0), hours=3) == play(reborn, Told(-11.0), hours=3)
    assert (world.metered_kwh == reborn.metered_kwh).all()


def test_rounded_intervals_add_up_to_the_rounded_total():
    energy = np.full((7, 1), 0.0004)
    assert registers_wh(energy).ravel().tolist() == [0, 1, 0, 1, 0, 0, 1]
    assert registers_wh(energy).sum() == round(7 * 0.4)
