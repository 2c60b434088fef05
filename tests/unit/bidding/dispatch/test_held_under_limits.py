"""Who is held how long: to the end of a window, or under a limit that outlasts stays only as long as there is time."""

import numpy as np
import pytest

from bidding.dispatch.allocation.release import laxity_h, release_delays_ptus
from bidding.dispatch.allocation.urgency import UrgencyPolicy
from bidding.dispatch.allocation.view import DispatchView
from bidding.forecast.outlook import Outlook

POWER_KW, PTU_H, NOT_TOLD = 10.0, 0.25, np.nan


def seen(*, wants_h, stays_h, window_h, is_limit):
    """Cars that came an hour ago, were held since, and leave in `stays_h`; they tell what they want, or do not."""
    left_kwh = POWER_KW * np.array(wants_h, dtype=np.float64)
    cars = len(left_kwh)
    told_kwh = np.where(np.isnan(left_kwh), POWER_KW, left_kwh)
    return DispatchView(
        ptu_h=PTU_H, left_in_window_h=window_h, elapsed_h=np.ones(cars), power_kw=np.full(cars, POWER_KW),
        takes_kw=np.full(cars, POWER_KW), floor_kw=np.zeros(cars), v2g=np.zeros(cars, dtype=bool),
        energy_in_kwh=np.zeros(cars), left_kwh=left_kwh, planned_kwh=None, is_limit=is_limit,
        outlook=Outlook(
            stay_h=np.full((cars, 10), 1.0 + stays_h), energy_kwh=np.repeat(told_kwh[:, None], 10, axis=1),
            weight=np.ones((cars, 10)), own=10,
        ),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("is_limit", "window_h", "held_h"),
    [(False, 20.0, [20, 20]), (True, 20.0, [PTU_H, 20]), (True, 0.1, [0.1, 0.1]), (False, 0.1, [0.1, 0.1])],
)
def test_who_tells_what_it_wants_waits_for_a_quarter_hour_at_a_time_under_a_limit(is_limit, window_h, held_h):
    view = seen(wants_h=[1, NOT_TOLD], stays_h=4.0, window_h=window_h, is_limit=is_limit)
    assert view.held_h.tolist() == held_h


@pytest.mark.parametrize(
    ("is_limit", "window_h", "is_held"),
    [
        (True, 20.0, [True, False, False]),
        (False, 20.0, [False, False, False]),
        (True, 2.0, [True, False, True]),
        (False, 2.0, [True, False, True]),
    ],
)
def test_a_window_longer_than_their_stay_holds_only_who_tells_and_has_time_under_a_limit(is_limit, window_h, is_held):
    """Of three cars that leave in four hours one wants an hour's energy, one four hours' and one does not tell."""
    view = seen(wants_h=[1, 4, NOT_TOLD], stays_h=4.0, window_h=window_h, is_limit=is_limit)
    powers_kw = UrgencyPolicy().powers_kw(view, direction="reduce", promise_kw=1e6)
    assert (powers_kw == 0).tolist() == is_held


def test_under_a_limit_who_has_most_time_to_spare_waits_first():
    view = seen(wants_h=[3, 1, 2], stays_h=4.0, window_h=20.0, is_limit=True)
    powers_kw = UrgencyPolicy().powers_kw(view, direction="reduce", promise_kw=-1.0)  # one would be full but for a hold
    assert powers_kw.tolist() == [POWER_KW, 0, POWER_KW]


@pytest.mark.parametrize(
    ("earliest_ptus", "delays"),
    [(-78, [-68, -74, 0]), (-70, [-68, -70, 0]), (0, [0, 0, 0])],
)
def test_a_hold_that_may_end_before_its_window_ends_when_the_car_must_start(earliest_ptus, delays):
    """Of three cars that leave in four hours two are held; to start is due after 3 hours and after 1.6."""
    view = seen(wants_h=[1, 2.4, 1], stays_h=4.0, window_h=20.0, is_limit=True)
    found = release_delays_ptus(
        spare_h=laxity_h(view),
        needs_h=view.left_kwh / POWER_KW,
        power_kw=view.power_kw,
        is_held=np.array([True, True, False]),
        ptu_h=PTU_H,
        earliest_ptus=earliest_ptus,
    )
    assert found.tolist() == delays


def test_a_hold_that_may_end_before_its_window_goes_on_after_it_where_there_is_time():
    view = seen(wants_h=[1, 1], stays_h=4.0, window_h=1.0, is_limit=True)
    found = release_delays_ptus(
        spare_h=laxity_h(view),
        needs_h=np.ones(2),
        power_kw=view.power_kw,
        is_held=np.ones(2, dtype=np.bool_),
        ptu_h=PTU_H,
        earliest_ptus=-2,
    )
    assert sorted(found.tolist()) == [0, 4]


@pytest.mark.parametrize("noise_h", [-1e-12, 0.0, 1e-12])
def test_rounding_does_not_end_a_hold_a_quarter_hour_earlier(noise_h):
    found = release_delays_ptus(
        spare_h=np.array([-7.5 + noise_h]),
        needs_h=np.ones(1),
        power_kw=np.full(1, POWER_KW),
        is_held=np.ones(1, dtype=np.bool_),
        ptu_h=PTU_H,
        earliest_ptus=-78,
    )
    assert found.tolist() == [-30]
