import itertools
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.core.interval import Interval
from assets.simulator.faults import PHYSICAL, RESULTS, Faults, FaultShares
from assets.simulator.inbox import Inbox
from assets.simulator.portfolio import build_portfolio
from assets.simulator.setpoints import Schedule, Setpoint
from tests.unit.assets.simulator.test_world import PERIOD, PORTFOLIO, Told, make_world, play

START = datetime(2026, 1, 14, 16, tzinfo=UTC)
S = int(START.timestamp())
MINUTE = 60
N = 200


def faults(**shares):
    return Faults(shares=FaultShares(**shares), n=N, seed=3)


@pytest.fixture
def schedule():
    return schedule_of_two()


def schedule_of_two():
    """From minute 60 to 120 everybody is told 0, from 120 to 180 5 kW; before and after nothing."""
    made = Schedule(
        period=Interval(START, START + timedelta(hours=6)), positions={str(asset): asset for asset in range(N)}
    )
    for batch, power in ((1, 0), (2, 5_000)):
        first = S + batch * 3600
        made.apply(
            batch,
            tuple(Setpoint(batch * 1_000 + n, str(n), first, first + 3600, (power,) * 4) for n in range(N)),
        )
    return made


def heard(fault, schedule, minute):
    made = faults(**{fault: 1.0})
    return made.heard(schedule, S + minute * MINUTE)


def test_without_faults_everybody_hears_what_is_told(schedule):
    assert (faults().heard(schedule, S + 70 * MINUTE) == 0.0).all()


def test_who_ignores_hears_nothing(schedule):
    assert np.isnan(heard("ignores", schedule, 70)).all()


def test_who_follows_late_does_it_six_minutes_later(schedule):
    assert np.isnan(heard("follows_late", schedule, 65)).all()
    assert (heard("follows_late", schedule, 66) == 0.0).all()
    assert (heard("follows_late", schedule, 125) == 0.0).all()


def test_a_fast_clock_is_early(schedule):
    assert (heard("clock_skew", schedule, 57) == 0.0).all()
    assert np.isnan(heard("clock_skew", schedule, 178)).all()


def test_a_reconnect_forgets_what_was_told_until_the_next_setpoint(schedule):
    made = faults(forgets_on_reconnect=1.0)
    lost = [np.isnan(made.heard(schedule, S + minute * MINUTE)) for minute in range(60, 120)]
    assert not lost[0].any()
    assert all((before <= after).all() for before, after in itertools.pairwise(lost))
    assert lost[-1].mean() > 0.95  # once an hour each
    assert not np.isnan(made.heard(schedule, S + 120 * MINUTE)).any()


def test_who_is_offline_keeps_what_it_heard_last(schedule):
    made = faults(drops_offline=1.0)
    minute = S + 125 * MINUTE
    offline = made.offline(minute)
    told = made.heard(schedule, minute)
    assert 0.15 < offline.mean() < 0.35
    assert (told[~offline] == 5.0).all()
    assert {float(one) for one in told[offline]} == {0.0, 5.0}
    assert np.isnan(made.heard(schedule, S + 181 * MINUTE)).all()  # its setpoint ends by itself


def test_a_share_of_the_fleet_has_each_and_nobody_has_two():
    shares = {**dict.fromkeys(PHYSICAL, 0.1), **dict.fromkeys(RESULTS, 0.2)}
    made = Faults(shares=FaultShares(**shares), n=10_000, seed=1)
    for names, share in ((PHYSICAL, 0.1), (RESULTS, 0.2)):
        assert [made.has(name).mean() for name in names] == [pytest.approx(share, abs=0.015)] * len(names)
        assert np.sum([made.has(name) for name in names], axis=0).max() == 1


@pytest.mark.parametrize("shares", [{"ignores": -0.1}, {"ignores": 0.6, "follows_late": 0.6}, {"session_ends": 2}])
def test_shares_must_be_shares(shares):
    with pytest.raises(ValueError, match="shares from 0 to 1"):
        FaultShares(**shares)


@pytest.mark.parametrize(
    ("fault", "delay", "copies"), [("results_late", 2_700, 1), ("results_twice", 0, 2), ("results_never", 0, 0)]
)
def test_results_come_late_twice_or_never(fault, delay, copies):
    made = faults(**{fault: 1.0})
    assert (made.result_delay_s(0), made.result_copies(0)) == (delay, copies)
    assert (faults().result_delay_s(0), faults().result_copies(0)) == (0, 1)


def test_a_car_that_never_wakes_takes_nothing_more_and_its_driver_goes_without():
    sleepy = np.ones(len(list(PORTFOLIO.assets())), dtype=bool)
    paused = Told(0.0, hours=1)
    awake, asleep = make_world(), make_world(never_wakes=sleepy)
    missing = [sum(outcome.missing_kwh for outcome in play(world, paused)) for world in (awake, asleep)]
    assert missing[1] > missing[0] + 10


def test_sessions_end_early_but_not_those_of_shared_cars_and_buses():
    whole = make_world().sessions
    made = Faults(shares=FaultShares(session_ends=1.0), n=1, seed=1)
    since = int(PERIOD.starts_at.timestamp())
    cut = made.cut_short(whole, since=since)
    plain = np.isnan(whole.target_kwh) & (whole.plug_in >= since)
    assert (cut.plug_out[plain] < whole.plug_out[plain]).all()
    assert (cut.plug_out[~plain] == whole.plug_out[~plain]).all()
    assert (cut.declared_departure == whole.declared_departure).all()


def test_too_often_is_refused_and_remembered_across_a_restart(tmp_path):
    portfolio = build_portfolio(seed=5, scale=0.01)
    partner = portfolio.partners[0]
    name = partner.assets[0].external_id
    clock = [START]

    def inbox():
        return Inbox(directory=tmp_path, partners=portfolio.partners, now=lambda: clock[0], hurried={name})

    def tell(box, number):
        body = (
            f'{{"batch_id": {number}, "setpoints": [{{"setpoint_id": {number}, "asset": "{name}", '
            '"starts_at": "2026-01-14T17:00:00Z", "ends_at": "2026-01-14T17:15:00Z", "power_w": [1380]}]}'
        )
        return box.receive(partner.key, body.encode()).answers[0].reason

    assert tell(inbox(), 1) == ""
    clock[0] += timedelta(minutes=2)
    assert tell(inbox(), 2).startswith("TOO_OFTEN")
    clock[0] += timedelta(minutes=4)
    assert tell(inbox(), 3) == ""


def test_a_setpoint_begins_early_and_ends_late_by_whole_minutes():
    made = Schedule(period=Interval(START, START + timedelta(hours=2)), positions={"a": 0})
    made.apply(1, (Setpoint(1, "a", S + 900, S + 1800, (0,), start_early_s=119, end_late_s=61),))
    told = [not np.isnan(made.at(S + minute * MINUTE)[0]) for minute in range(12, 34)]
    assert told == [False] + [True] * 18 + [False] * 3


@given(st.lists(st.floats(0, 1 / len(PHYSICAL)), min_size=len(PHYSICAL), max_size=len(PHYSICAL)), st.integers(0, 300))
def test_whatever_goes_wrong_nobody_hears_what_was_never_told_and_all_are_free_in_the_end(shares, minute):
    made = faults(**dict(zip(PHYSICAL, shares, strict=True)))
    told = schedule_of_two()
    heard = made.heard(told, S + minute * MINUTE)
    assert np.isin(heard[~np.isnan(heard)], [0.0, 5.0]).all()
    if minute >= 180 + 6:  # the last setpoint ends at 180, and who follows late is six minutes behind
        assert np.isnan(heard).all()
