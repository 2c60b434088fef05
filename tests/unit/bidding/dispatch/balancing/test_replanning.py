"""When a change is worth a plan."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidding.dispatch.balancing.replanning import LEAST_BETWEEN, is_to_wait, is_worth_a_plan


@pytest.mark.parametrize(
    ("ordered_w", "planned_for_w", "part_w", "is_worth"),
    [
        (0, 0, 1_000_000, False),
        (0, 1, 1_000_000, True),  # back to 0: whatever little was planned
        (19_999, 0, 1_000_000, False),
        (20_000, 0, 1_000_000, True),  # 2 % of the part
        (519_000, 500_000, 1_000_000, False),
        (480_000, 500_000, 1_000_000, True),
        (3_999, 0, 100_000, False),
        (4_000, 0, 100_000, True),  # a car's worth, where 2 % is less
        (3_000, 0, 3_000, True),  # all of a part that is less than that
        (2_999, 0, 3_000, False),
        (5, 5, 0, False),
    ],
)
def test_a_change_is_worth_a_plan_from_the_deadband_on(ordered_w, planned_for_w, part_w, is_worth):
    assert is_worth_a_plan(ordered_w=ordered_w, planned_for_w=planned_for_w, part_w=part_w) is is_worth


@given(st.integers(0, 10**8), st.integers(0, 10**8))
def test_what_was_planned_for_needs_no_plan(power_w, part_w):
    assert not is_worth_a_plan(ordered_w=power_w, planned_for_w=power_w, part_w=part_w)


SHORT = LEAST_BETWEEN - timedelta(seconds=1)


@pytest.mark.parametrize(
    ("since_last", "is_zero", "was_zero", "waits"),
    [
        (None, False, False, False),
        (SHORT, False, False, True),
        (LEAST_BETWEEN, False, False, False),
        (SHORT, True, False, False),
        (SHORT, False, True, False),
        (SHORT, True, True, True),
    ],
)
def test_plans_of_a_group_keep_apart_but_for_those_from_and_to_zero(since_last, is_zero, was_zero, waits):
    assert is_to_wait(since_last=since_last, is_zero=is_zero, was_zero=was_zero) is waits
