import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from assets.control.reversals import may_turn, reversal_counts

commands = st.lists(st.tuples(st.integers(0, 3), st.sampled_from([0.0, 5.0, 11.0, -11.0])), max_size=40)


def test_turns_are_counted_per_asset():
    asset = np.array([0, 1, 0, 1, 0, 1, 0])
    told = np.array([11.0, 11.0, 0.0, 5.0, 11.0, 0.0, 0.0])
    assert reversal_counts(asset=asset, told_kw=told, count=3).tolist() == [2, 0, 0]


@given(commands)
def test_the_count_is_that_of_a_plain_loop(commands):
    expected = [0] * 4
    for asset in range(4):
        told = [value for who, value in commands if who == asset]
        changes = [b - a for a, b in itertools.pairwise(told) if b != a]
        expected[asset] = sum(a * b < 0 for a, b in itertools.pairwise(changes))
    counts = reversal_counts(
        asset=np.array([who for who, _ in commands], dtype=int),
        told_kw=np.array([value for _, value in commands]),
        count=4,
    )
    assert counts.tolist() == expected


def test_only_a_turn_too_many_is_held_back():
    may = may_turn(
        reversals=np.array([4, 4, 3, 4]),
        last_change=np.array([-1.0, -1.0, -1.0, 0.0]),
        change_kw=np.array([5.0, -5.0, 5.0, 5.0]),
        most_per_hour=4,
    )
    assert may.tolist() == [False, True, True, True]
