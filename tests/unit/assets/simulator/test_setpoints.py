import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from aggregator.core.interval import Interval
from assets.simulator.following import judge, judged_ptus
from assets.simulator.inbox import ConflictingBatch, Inbox
from assets.simulator.portfolio import build_portfolio
from assets.simulator.setpoints import InvalidBatch, Schedule, Setpoint, read_batch

START = datetime(2026, 1, 14, 16, tzinfo=UTC)
S = int(START.timestamp())
PTU = 900


def setpoint(number=1, *, start=0, power=(1000, 2000), asset="a", **more):
    return Setpoint(number, asset, S + start, S + start + PTU * len(power), power, **more)


@pytest.fixture
def schedule():
    return Schedule(period=Interval(START, START + timedelta(hours=2)), positions={"a": 0, "b": 1})


def told(schedule, minute, asset=0):
    return float(schedule.at(S + 60 * minute)[asset])


def test_a_setpoint_rules_its_quarters_and_nothing_else(schedule):
    schedule.apply(1, (setpoint(start=PTU),))
    assert np.isnan(told(schedule, 14))
    assert [told(schedule, minute) for minute in (15, 29, 30, 44)] == [1.0, 1.0, 2.0, 2.0]
    assert np.isnan(told(schedule, 45))
    assert np.isnan(told(schedule, 20, asset=1))


def test_a_later_batch_replaces_only_what_it_overlaps(schedule):
    first = setpoint(1, power=(1000, 1000, 1000))
    schedule.apply(1, (first,))
    schedule.apply(2, (setpoint(2, start=PTU, power=(0,)),))
    assert [told(schedule, minute) for minute in (0, 15, 30)] == [1.0, 0.0, 1.0]
    assert [schedule.is_in_force(first, S + PTU * number) for number in range(3)] == [True, False, True]


def test_who_is_let_go_inside_a_setpoint_is_let_go_as_late_as_at_its_end(schedule):
    schedule.apply(1, (setpoint(power=(0, 0, 1000, 1000), end_late_s=300),))
    assert [told(schedule, minute) for minute in (29, 34, 35, 64)] == [0.0, 0.0, 1.0, 1.0]
    assert np.isnan(told(schedule, 65))


def test_who_is_told_less_inside_a_setpoint_takes_less_in_time(schedule):
    schedule.apply(1, (setpoint(power=(1000, 0), end_late_s=300),))
    assert [told(schedule, minute) for minute in (14, 15, 34)] == [1.0, 0.0, 0.0]


def test_what_is_not_told_anew_within_its_time_to_live_is_over(schedule):
    schedule.apply(1, (setpoint(power=(-1000,) * 6, ttl_s=1_800),), came_at=S - 600)
    assert [told(schedule, minute) for minute in (0, 29)] == [-1.0, -1.0]
    assert np.isnan([told(schedule, minute) for minute in (30, 89)]).all()
    assert not schedule.is_in_force(setpoint(1), S + 2 * PTU)


def test_silence_counts_from_the_arrival_of_a_setpoint_that_comes_after_its_start(schedule):
    schedule.apply(1, (setpoint(power=(-1000,) * 6, ttl_s=1_800, end_late_s=120),), came_at=S + 420)
    assert told(schedule, 38) == -1.0  # 7 + 30 minutes, and as if it ended then, two more
    assert np.isnan(told(schedule, 39))


@pytest.mark.parametrize("lost", [None, 2, 4])
def test_renewals_keep_an_asset_going_also_when_one_is_lost_and_the_next_a_minute_late(schedule, lost):
    for number in range(1, 6):
        start = (number - 1) * PTU
        renewal = setpoint(number, start=start, power=(-1000,) * (8 - number), ttl_s=1_800)
        if number != lost:
            schedule.apply(number, (renewal,), came_at=S + start - 540)
    assert [told(schedule, minute) for minute in range(90)] == [-1.0] * 90
    assert np.isnan(told(schedule, 90))


def test_a_newer_setpoint_that_lapses_does_not_bring_back_an_older_one(schedule):
    schedule.apply(1, (setpoint(1, power=(0,) * 6),))
    schedule.apply(2, (setpoint(2, power=(-1000,) * 6, ttl_s=1_800),))
    assert told(schedule, 29) == -1.0
    assert np.isnan(told(schedule, 30))


def test_an_older_batch_that_comes_late_stays_beneath(schedule):
    schedule.apply(5, (setpoint(5, power=(3000,)),))
    schedule.apply(4, (setpoint(4, power=(1000, 1000)),))
    assert [told(schedule, minute) for minute in (0, 15)] == [3.0, 1.0]


def test_a_setpoint_that_began_before_the_period_is_cut(schedule):
    schedule.apply(1, (setpoint(start=-PTU, power=(1000, 2000)),))
    assert told(schedule, 0) == 2.0
    assert np.isnan(told(schedule, 15))


def test_a_setpoint_is_judged_on_its_first_two_whole_quarters():
    longer = setpoint(power=(0,) * 8)
    assert list(judged_ptus(longer, S)) == [S, S + PTU]
    assert list(judged_ptus(longer, S + 60)) == [S + PTU, S + 2 * PTU]
    assert list(judged_ptus(setpoint(power=(0,)), S - 60)) == [S]


@pytest.mark.parametrize(
    ("net_wh", "is_followed"), [([0, 0], True), ([62, 62], True), ([0, 63], False), ([-500, -500], True)]
)
def test_following_is_a_matter_of_metered_energy(schedule, net_wh, is_followed):
    zero = setpoint(power=(0, 0))
    schedule.apply(1, (zero,))
    verdict = judge(setpoint=zero, ptus=judged_ptus(zero, S), net_wh=net_wh, schedule=schedule)
    assert verdict.is_followed is is_followed
    assert verdict.at == S + 2 * PTU


def test_what_was_replaced_is_not_judged(schedule):
    first = setpoint(1, power=(0, 0))
    schedule.apply(1, (first,))
    schedule.apply(2, (setpoint(2, power=(500, 500)),))
    assert judge(setpoint=first, ptus=judged_ptus(first, S), net_wh=[900, 900], schedule=schedule) is None


PORTFOLIO = build_portfolio(seed=1, scale=0.02)


def body(number=1, asset="home-0001", power=0):
    row = {
        "setpoint_id": 9,
        "asset": asset,
        "starts_at": START.isoformat(),
        "ends_at": (START + timedelta(minutes=15)).isoformat(),
        "power_w": [power],
    }
    return json.dumps({"batch_id": number, "setpoints": [row]}).encode()


def inbox(directory, now=START - timedelta(minutes=30, seconds=-20)):
    return Inbox(directory=directory, partners=PORTFOLIO.partners, now=lambda: now)


def test_a_batch_takes_effect_at_the_next_minute_and_survives_a_restart(tmp_path):
    first = inbox(tmp_path).receive("deelstroom", body())
    assert first.effective_at == S - 29 * 60
    reborn = inbox(tmp_path, now=START)
    assert reborn.all_batches() == [first]
    assert reborn.receive("deelstroom", body()) == first


def test_a_batch_never_changes_minutes_that_are_being_simulated(tmp_path):
    box = inbox(tmp_path)
    assert box.claim(S) == []
    received = box.receive("deelstroom", body())
    assert received.effective_at == S
    assert box.claim(S) == []
    assert box.claim(S + 60) == [received]


def test_the_same_batch_id_with_other_content_is_refused(tmp_path):
    box = inbox(tmp_path)
    box.receive("deelstroom", body())
    with pytest.raises(ConflictingBatch):
        box.receive("deelstroom", body(power=100))


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{}", b'{"batch_id": 1, "setpoints": [{}]}', body().replace(b"+00:00", b"")]
)
def test_what_is_no_batch_is_refused(content):
    with pytest.raises(InvalidBatch):
        read_batch(content)
