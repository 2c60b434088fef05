import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidding.dispatch.allocation.seen_power import Quarters, seen_power_kw

RATED_KW, FIRST = 11.0, 1_000


def seen_kw(*powers_kw, held=(), gap_before=(), first_h=0.25):
    """Return what is believed of one car by the means of its quarter hours, some held, some after a gap."""
    count = len(powers_kw)
    here_h = np.full(count, 0.25)
    here_h[:1] = first_h
    skipped = np.cumsum([number in gap_before for number in range(count)])
    quarters = Quarters(
        car=np.zeros(count, dtype=np.int64),
        number=FIRST + np.arange(count) + skipped.astype(np.int64),
        here_h=here_h,
        taken_kwh=np.array(powers_kw) * here_h,
        is_free=np.array([number not in held for number in range(count)], dtype=np.bool_),
    )
    return float(seen_power_kw(rated_kw=np.array([RATED_KW]), quarters=quarters)[0])


@pytest.mark.parametrize(
    ("expected_kw", "powers_kw", "conditions"),
    [
        (7.4, (7.4, 7.4), {}),
        (7.4, (6.9, 7.4, 7.4), {}),  # it began within the first
        (7.4, (7.4, 7.4, 3.0, 2.0), {}),  # it is nearly full
        (7.4, (7.4, 7.4, 0.0, 0.0), {"held": (2, 3)}),
        (7.4, (7.4, 7.4), {"first_h": 0.1}),  # it came inside the first
        (9.0, (7.4, 7.4, 9.0), {"held": (2,)}),  # even held it took more
        (RATED_KW, (), {}),
        (RATED_KW, (7.4,), {}),  # one may be anything
        (RATED_KW, (3.0, 7.4), {}),  # it began late, and may be about to take more
        (RATED_KW, (7.4, 3.0), {}),  # it may have been full in the second
        (RATED_KW, (7.4, 7.4), {"held": (0,)}),
        (RATED_KW, (7.4, 7.4), {"gap_before": (1,)}),
        (RATED_KW, (7.4, 7.4), {"first_h": 0.05}),
        (RATED_KW, (0.02, 0.02), {}),  # waiting for its own clock it shows nothing
        (RATED_KW, (13.0, 13.0), {}),
    ],
)
def test_a_car_is_slow_once_it_took_the_same_in_two_free_quarter_hours(expected_kw, powers_kw, conditions):
    assert seen_kw(*powers_kw, **conditions) == pytest.approx(expected_kw)


@given(st.lists(st.tuples(st.floats(0, 30), st.booleans()), max_size=8))
def test_it_is_never_above_rated_nor_below_what_the_car_was_seen_to_take(quarters):
    powers_kw = [kw for kw, _ in quarters]
    power_kw = seen_kw(*powers_kw, held=[number for number, (_, is_held) in enumerate(quarters) if is_held])
    assert min(max(powers_kw, default=0.0), RATED_KW) - 1e-9 <= power_kw <= RATED_KW


@given(st.integers(1, 8), st.integers(0, 7), st.floats(0, 30))
def test_one_wrong_value_makes_no_car_look_slow(count, place, wrong_kw):
    powers_kw = [RATED_KW] * count
    powers_kw[place % count] = wrong_kw
    assert seen_kw(*powers_kw) == pytest.approx(RATED_KW)


@given(st.lists(st.floats(0, 30), max_size=8))
def test_cars_that_were_held_all_along_count_as_rated(powers_kw):
    assert seen_kw(*powers_kw, held=range(len(powers_kw))) == RATED_KW


def test_what_one_car_shows_says_nothing_of_the_next():
    quarters = Quarters(
        car=np.array([0, 0, 1, 2, 2]),
        number=np.array([FIRST, FIRST + 1, FIRST + 2, FIRST, FIRST + 1]),
        here_h=np.full(5, 0.25),
        taken_kwh=np.array([7.4, 7.4, 7.4, 3.7, 3.7]) / 4,
        is_free=np.ones(5, dtype=np.bool_),
    )
    assert seen_power_kw(rated_kw=np.full(4, RATED_KW), quarters=quarters).tolist() == pytest.approx(
        [7.4, RATED_KW, 3.7, RATED_KW]
    )
