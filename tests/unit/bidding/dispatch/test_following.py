import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bidding.dispatch.allocation.following import judged

NAN = np.nan


def look(asked, alone, measured, *, is_new=True, misses=0):
    return judged(
        asked_kw=np.array([asked]),
        alone_kw=np.array([alone]),
        measured_kw=np.array([measured]),
        is_new=np.array([is_new]),
        misses=np.array([misses]),
    )


def test_two_samples_find_a_car_that_ignores():
    first = look(0.0, 11.0, 10.8)
    assert (first.misses[0], first.has_failed[0]) == (1, False)
    second = look(0.0, 11.0, 10.8, misses=int(first.misses[0]))
    assert (second.misses[0], second.has_failed[0], second.lost_kw[0]) == (2, True, 10.8)


def test_a_sample_seen_before_or_missing_changes_nothing():
    assert look(0.0, 11.0, 10.8, is_new=False, misses=1).misses[0] == 1
    assert look(0.0, 11.0, NAN, misses=1).misses[0] == 1
    assert look(0.0, 11.0, NAN).lost_kw[0] == 0.0


def test_following_once_wipes_the_slate():
    assert look(0.0, 11.0, 0.1, misses=1).misses[0] == 0


def test_doing_more_than_asked_is_following():
    assert look(5.0, 11.0, 0.0).misses[0] == 0
    assert look(-5.0, 11.0, -9.0).misses[0] == 0
    assert look(40.0, 0.0, 60.0).misses[0] == 0


def test_a_battery_that_does_not_charge_is_off():
    assert look(40.0, 0.0, 0.0).lost_kw[0] == 40.0


@given(st.floats(0, 11), st.floats(-11, 11), st.integers(0, 1))
def test_who_is_left_alone_is_never_off(alone, measured, misses):
    seen = look(alone, alone, measured, misses=misses)
    assert (seen.misses[0], seen.has_failed[0], seen.lost_kw[0]) == (0, False, 0.0)
