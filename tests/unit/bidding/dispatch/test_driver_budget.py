"""The limit on drivers' risk follows what drivers really lost."""

from math import log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidding.dispatch.allocation.driver_budget import (
    FIRST_RISK,
    HIGHEST_RISK,
    KEEPING_FACTOR,
    LOWEST_RISK,
    STEP,
    TARGET_SHARE,
    DriverBudget,
)


def after(losses_kwh, *, energy_kwh=100.0):
    budget = DriverBudget()
    for lost_kwh in losses_kwh:
        budget.record(unserved_kwh=lost_kwh, energy_kwh=energy_kwh)
    return budget.most_risk


def test_a_window_without_loss_raises_it_a_little_and_a_loss_lowers_it_in_proportion():
    assert FIRST_RISK < after([0.0]) < 1.1 * FIRST_RISK
    assert after([TARGET_SHARE * 100]) == pytest.approx(FIRST_RISK)
    assert after([10 * TARGET_SHARE * 100]) < 0.8 * FIRST_RISK


def test_it_stays_between_its_ends_and_comes_back_from_them():
    assert after([0.0] * 200) == HIGHEST_RISK
    assert after([0.0] * 200 + [10.0] * 50) == LOWEST_RISK
    assert after([10.0] * 50 + [0.0]) > LOWEST_RISK


def test_a_promise_is_kept_with_more_risk_than_it_was_sized_with_but_never_with_all():
    budget = DriverBudget()
    assert budget.most_risk < budget.most_risk_to_keep == KEEPING_FACTOR * FIRST_RISK
    assert KEEPING_FACTOR * HIGHEST_RISK <= 1


def test_days_without_drivers_say_nothing():
    assert after([0.0, 0.0], energy_kwh=0.0) == FIRST_RISK


@given(seed=st.integers(0, 1000), windows=st.integers(20, 200))
def test_off_its_ends_the_lost_share_differs_from_the_target_by_how_far_the_limit_moved(seed, windows):
    """Losses in lumps, rare enough for the limit to stay off its ends."""
    lumps = np.random.default_rng(seed).random(windows) < TARGET_SHARE * 100
    budget, limits = DriverBudget(), []
    for lump in lumps:
        budget.record(unserved_kwh=float(lump), energy_kwh=100.0)
        limits.append(budget.most_risk)
    if min(limits) > LOWEST_RISK and max(limits) < HIGHEST_RISK:
        moved = log(FIRST_RISK / budget.most_risk) / (STEP * windows)
        assert lumps.sum() / (100 * windows) == pytest.approx(TARGET_SHARE * (1 + moved))
