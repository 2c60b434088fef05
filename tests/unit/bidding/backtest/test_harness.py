import json
import os
import subprocess
import sys
from datetime import timedelta

import numpy as np
import pytest

from bidding.backtest.harness import WalkForward
from bidding.backtest.options import BacktestOptions
from bidding.backtest.windows import calendar
from bidding.dispatch.allocation.driver_budget import FIRST_RISK, KEEPING_FACTOR
from bidding.forecast.baselines import PTU_S, PriceCurve
from bidding.forecast.sessions import SessionTable
from bidding.optimisation.interface import SizedBid
from bidding.optimisation.sizing import CalibratedSizer
from tests.unit.bidding.backtest.recent_capacity_sizer import RecentCapacitySizer

DAY_S = 86400
FIRST_S = 1704067200  # Monday 1 January 2024


def _sessions(days=66, chargers=15, seed=5):
    """Evening arrivals at most chargers every day, gone next morning."""
    draw = np.random.default_rng(seed)
    rows = [
        (f"c{charger:02d}", FIRST_S + day * DAY_S + int(draw.normal(16.5, 1.0) * 3600), draw)
        for day in range(days)
        for charger in range(chargers)
        if draw.random() < 0.8
    ]
    plug_in_s = np.array([row[1] for row in rows])
    return SessionTable.from_columns(
        charger_ids=[row[0] for row in rows],
        plug_in_s=plug_in_s,
        plug_out_s=plug_in_s + (draw.uniform(8, 14, len(rows)) * 3600).astype(int),
        energy_kwh=draw.uniform(4, 40, len(rows)),
        power_kw=draw.choice([3.7, 7.4, 11.0], len(rows)),
    )


def _run(sessions, sizer=None, **changes):
    options = BacktestOptions(**({"warm_up": timedelta(days=30), "timezone": "Europe/Amsterdam"} | changes))
    days = calendar(first_plug_in_s=int(sessions.plug_in_s[0]), set_plug_in_s=sessions.plug_in_s, options=options)
    run = WalkForward(
        sessions=sessions, calendar=days, options=options, sizer=sizer or RecentCapacitySizer(seed=options.seed)
    )
    return [result for result in run.results() if result is not None]


@pytest.mark.parametrize("sizer", [RecentCapacitySizer, CalibratedSizer])
@pytest.mark.parametrize("lead", [timedelta(hours=1), timedelta(days=1)])
def test_a_file_cut_at_a_date_gives_the_same_bids_before_it(sizer, lead):
    sessions = _sessions()
    cut_s = FIRST_S + 56 * DAY_S
    whole = _run(sessions, sizer(seed=3), lead=lead, seed=3, v2g_share=0.3, pause_floor_share=0.3)
    cut = _run(sessions.started_before(cut_s), sizer(seed=3), lead=lead, seed=3, v2g_share=0.3, pause_floor_share=0.3)
    assert 15 < len(cut) < len(whole)
    assert [result.ours.bid_kw for result in cut] == [result.ours.bid_kw for result in whole[: len(cut)]]
    assert [{name: bid.bid_kw for name, bid in result.competitors.items()} for result in cut] == [
        {name: bid.bid_kw for name, bid in result.competitors.items()} for result in whole[: len(cut)]
    ]
    assert any(result.ours.bid_kw > 0 for result in cut)


def test_the_future_of_a_plugged_in_car_changes_no_bid():
    """Cars still plugged in at bidding leave an hour later with half the energy: unknown, so without effect."""
    sessions = _sessions()
    whole = _run(sessions, CalibratedSizer(seed=1))
    last = whole[-1]
    now_s = last.starts_s - 4 * 3600
    open_rows = (sessions.plug_in_s <= now_s) & (sessions.plug_out_s > now_s)
    later = sessions.plug_in_s > now_s
    changed = SessionTable.from_columns(
        charger_ids=[sessions.charger_ids[number] for number in sessions.charger],
        plug_in_s=sessions.plug_in_s,
        plug_out_s=np.where(open_rows | later, sessions.plug_out_s + 3600, sessions.plug_out_s),
        energy_kwh=np.where(open_rows | later, sessions.energy_kwh / 2, sessions.energy_kwh),
        power_kw=sessions.power_kw,
    )
    assert _run(changed, CalibratedSizer(seed=1))[-1].ours.bid_kw == last.ours.bid_kw


def test_prices_that_are_not_out_yet_change_no_bid():
    """Evenings are cheap. At 9:00 nobody knows that the night after the last window will be cheaper still."""
    sessions = _sessions(days=40, chargers=8)
    evening = PriceCurve(FIRST_S - DAY_S, np.tile(np.repeat([60.0, 10.0, 60.0], [64, 12, 20]), 44))
    asked = {"baseline": "price", "lead": timedelta(hours=8), "step_kw": 0.01}
    known = _run(sessions, CalibratedSizer(seed=1), prices=evening, **asked)
    midnight_s = known[-1].starts_s + 7 * 3600
    is_later = evening.starts_s + PTU_S * np.arange(len(evening.eur_per_mwh)) >= midnight_s
    cheaper = PriceCurve(evening.starts_s, np.where(is_later, 0.0, evening.eur_per_mwh))
    other = _run(sessions, CalibratedSizer(seed=1), prices=cheaper, **asked)
    assert known[-1].perfect_information_kw > other[-1].perfect_information_kw  # which moves what is to be had
    assert [result.ours.bid_kw for result in known] == [result.ours.bid_kw for result in other]
    assert known[-1].ours.bid_kw > 0


def test_the_same_seed_gives_the_same_run():
    sessions = _sessions(days=45)
    runs = [_run(sessions, CalibratedSizer(seed=4), seed=4, v2g_share=0.5) for _ in range(2)]
    assert [result.ours for result in runs[0]] == [result.ours for result in runs[1]]


def test_the_processor_changes_no_bid():
    """Cars plug in at full hours, so many sessions are equally near; numpy without its fast paths picks the same."""
    program = (
        "import json; from tests.unit.bidding.backtest.test_harness import outcomes_of_full_hours as outcomes; "
        "print(json.dumps(outcomes()))"
    )
    fast_paths = " ".join(np.show_config(mode="dicts")["SIMD Extensions"]["found"])
    plain = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "NPY_DISABLE_CPU_FEATURES": fast_paths, "PYTHONHASHSEED": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(plain.stdout) == outcomes_of_full_hours()


def outcomes_of_full_hours():
    """Return bids and capacities of a fleet whose cars plug in at full hours."""
    sessions = _sessions(days=36, chargers=30)
    sessions = SessionTable.from_columns(
        charger_ids=[sessions.charger_ids[number] for number in sessions.charger],
        plug_in_s=sessions.plug_in_s // 3600 * 3600,
        plug_out_s=sessions.plug_out_s,
        energy_kwh=sessions.energy_kwh,
        power_kw=sessions.power_kw,
    )
    results = _run(sessions, CalibratedSizer(seed=4), seed=4, v2g_share=0.5)
    return [[result.ours.bid_kw, round(result.capacity_kw, 6)] for result in results]


class _Spy:
    """Remembers what it was shown, and when."""

    def __init__(self) -> None:
        self.asked_s, self.shown, self.risks = [], [], []

    def size(self, context):
        self.risks.append(context.most_risk)
        self.asked_s.append((context.now_s, len(self.shown)))
        assert (context.history.plug_out_s <= context.now_s).all()
        assert (context.plugged_in.plug_in_s <= context.now_s).all()
        assert np.isnan(context.plugged_in.declared_plug_out_s).all()
        return SizedBid(1.0)

    def observe(self, outcome):
        self.shown.append(outcome)


def test_outcomes_are_shown_in_order_and_only_once_known():
    spy = _Spy()
    _run(_sessions(days=45), spy, lead=timedelta(hours=12))  # bids at five, when cars leave one after the other
    assert [outcome.starts_s for outcome in spy.shown] == sorted(outcome.starts_s for outcome in spy.shown)
    for now_s, seen in spy.asked_s:
        assert all(outcome.known_at_s <= now_s for outcome in spy.shown[:seen])
        assert all(outcome.starts_s < now_s for outcome in spy.shown[:seen])
    assert spy.shown[0].bid_kw == 1.0  # the warm-up is bid on as well, on paper


def test_opponents_learn_weekends_from_weekends():
    """Cars come at weekends only, so on other days nothing is to be had."""
    sessions = _sessions(days=60)
    results = _run(
        sessions.take((sessions.plug_in_s - FIRST_S) // DAY_S % 7 >= 5), days="all", warm_up=timedelta(days=20)
    )
    flat_kw = {False: [], True: []}
    for result in results:
        flat_kw[(result.starts_s - FIRST_S) // DAY_S % 7 >= 5].append(result.competitors["flat_0.8"].bid_kw)
    assert min(flat_kw[True]) > max(flat_kw[False]) == 0


def test_a_window_is_dispatched_with_more_risk_than_it_was_sized_with():
    spy = _Spy()
    _run(_sessions(days=45), spy)
    sized = spy.risks[: len(spy.shown)]
    assert [outcome.most_risk for outcome in spy.shown] == pytest.approx([KEEPING_FACTOR * risk for risk in sized])
    assert [outcome.capacity.at(outcome.most_risk) for outcome in spy.shown] == [
        outcome.capacity.capacity_kw[outcome.capacity.most_risk.index(outcome.most_risk)] for outcome in spy.shown
    ]
    assert any(outcome.capacity.at(outcome.most_risk) > outcome.capacity.at(FIRST_RISK) for outcome in spy.shown)


def test_a_bid_up_to_the_capacity_is_delivered_and_a_window_without_bid_loses_nothing():
    sessions = _sessions(days=45)
    for result in _run(sessions):
        if result.ours.bid_kw == 0:
            assert (result.ours.is_delivered, result.ours.unserved_kwh) == (None, 0.0)
        assert result.capacity_kw <= result.perfect_information_kw + 1e-6
