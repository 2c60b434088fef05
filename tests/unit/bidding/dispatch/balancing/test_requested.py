"""Energy of setpoints, exact."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.core.interval import Interval
from bidding.dispatch.balancing.requested import (
    Requested,
    Told,
    least_asked_w,
    lost_cycles,
    most_asked_w,
    requested,
    shares_ws,
    stretches,
)

STARTS_AT = datetime(2026, 1, 14, 17, tzinfo=UTC)
PTU, CYCLE, OLDEST = timedelta(minutes=15), timedelta(seconds=4), timedelta(seconds=12)
PERIOD = Interval(STARTS_AT, STARTS_AT + PTU)
NEXT = Interval(STARTS_AT + PTU, STARTS_AT + 2 * PTU)
MW = 1_000_000


def at(cycle):
    return STARTS_AT + cycle * CYCLE


def told(first, delta_w, *, last=None, cycles=None):
    last = first if last is None else last
    return Told(at(first), at(last), delta_w, cycles or last - first + 1)


def test_a_setpoint_counts_until_the_next_one():
    heard = [told(0, -2 * MW, last=9), told(10, MW, last=19), told(20, 0, last=224)]
    assert requested(heard, PERIOD, longest_age=OLDEST) == Requested(reduce_ws=80 * MW, increase_ws=40 * MW)


def test_the_last_one_counts_until_it_is_too_old():
    assert requested([told(0, -MW)], PERIOD, longest_age=OLDEST) == Requested(12 * MW, 0)
    heard = [told(0, -MW), told(10, 0)]
    assert requested(heard, PERIOD, longest_age=OLDEST) == Requested(12 * MW, 0)


def test_one_that_goes_on_over_a_boundary_counts_on_both_sides():
    heard = [told(224, -MW), told(226, 0)]
    assert requested(heard, PERIOD, longest_age=OLDEST) == Requested(4 * MW, 0)
    assert requested(heard, NEXT, longest_age=OLDEST) == Requested(4 * MW, 0)


SIGNALS = st.lists(st.tuples(st.integers(1, 8), st.integers(-50 * MW, 50 * MW)), min_size=1, max_size=60)


def signal(steps):
    """Return setpoints from a little before the boundary of two PTUs on, some cycles apart."""
    cycle, heard = 120, []
    for wait, delta_w in steps:
        cycle += wait
        heard.append(told(cycle, delta_w))
    return heard


@given(SIGNALS)
def test_what_two_quarter_hours_were_asked_is_what_was_asked_in_both_together(steps):
    heard = signal(steps)
    parts = [requested(heard, period, longest_age=OLDEST) for period in (PERIOD, NEXT)]
    both = requested(heard, Interval(PERIOD.starts_at, NEXT.ends_at), longest_age=OLDEST)
    assert sum(part.reduce_ws for part in parts) == both.reduce_ws
    assert sum(part.increase_ws for part in parts) == both.increase_ws


@given(SIGNALS, st.integers(1, 12))
def test_one_setpoint_written_down_in_many_rows_comes_to_the_same(steps, length):
    """As when a process dies and the next one begins a new row."""
    whole, rows, cycle = [], [], 0
    for _, delta_w in steps[:16]:
        whole.append(told(cycle, delta_w, last=cycle + length - 1))
        rows += [told(cycle + number, delta_w) for number in range(length)]
        cycle += length
    for period in (PERIOD, NEXT):
        assert requested(whole, period, longest_age=OLDEST) == requested(rows, period, longest_age=OLDEST)


@given(SIGNALS)
def test_no_second_counts_twice(steps):
    for period in (PERIOD, NEXT):
        assert sum(seconds for seconds, _ in stretches(signal(steps), period, longest_age=OLDEST)) <= 900


@given(SIGNALS, st.lists(st.integers(0, 30 * MW), min_size=1, max_size=5))
def test_groups_are_asked_together_what_the_pool_is_up_to_its_bids(steps, parts):
    heard, parts_w = signal(steps), dict(enumerate(parts))
    for direction in ("reduce", "increase"):
        shares = shares_ws(heard, PERIOD, direction=direction, parts_w=parts_w, longest_age=OLDEST)
        sign = 1 if direction == "increase" else -1
        assert sum(shares.values()) == sum(
            seconds * min(max(sign * delta_w, 0), sum(parts))
            for seconds, delta_w in stretches(heard, PERIOD, longest_age=OLDEST)
        )
        assert all(shares[key] <= 900 * part_w for key, part_w in parts_w.items())


@pytest.mark.parametrize(
    ("heard", "least_w"),
    [
        ([told(0, -MW, last=224)], MW),
        ([told(0, -MW, last=99), told(100, -3 * MW, last=224)], MW),
        ([told(0, -2 * MW, last=99), told(100, MW, last=224)], 0),  # the other way
        ([told(1, -MW, last=224)], 0),  # not from the start on
        ([told(0, -MW, last=99), told(110, -MW, last=224)], 0),  # a silence
        ([], 0),
    ],
)
def test_the_least_asked_through_a_period_is_0_where_anything_else_was_heard(heard, least_w):
    assert least_asked_w(heard, PERIOD, direction="reduce", longest_age=OLDEST) == least_w


def test_the_most_asked_in_a_period_is_the_most_that_was_heard_in_it():
    heard = [told(-1, -3 * MW), told(0, -MW, last=99), told(100, -2 * MW), told(101, 5 * MW, last=224)]
    assert most_asked_w(heard, PERIOD, direction="reduce", longest_age=OLDEST) == 2 * MW
    assert most_asked_w(heard, PERIOD, direction="increase", longest_age=OLDEST) == 5 * MW
    assert most_asked_w([], PERIOD, direction="reduce", longest_age=OLDEST) == 0


def test_cycles_that_never_came_are_lost():
    heard = [told(-3, 0, last=-1), told(0, 0, last=99), told(110, 0, last=223, cycles=100)]
    assert lost_cycles(heard, PERIOD, cycle=CYCLE) == 225 - 200
    assert lost_cycles(heard, Interval(STARTS_AT, at(50)), cycle=CYCLE) == 0
    assert lost_cycles([], PERIOD, cycle=CYCLE) == 225
