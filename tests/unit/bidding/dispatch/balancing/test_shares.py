"""TenneT's setpoint over groups."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidding.dispatch.balancing.shares import asked_w, shares_w

PARTS = st.dictionaries(st.integers(0, 50), st.integers(0, 50_000_000), max_size=12)


def test_a_setpoint_asks_in_one_direction():
    assert (asked_w(-5, "reduce"), asked_w(-5, "increase")) == (5, 0)
    assert (asked_w(5, "reduce"), asked_w(5, "increase")) == (0, 5)


@given(PARTS, st.integers(-10, 2_000_000_000))
def test_shares_are_whole_add_up_and_stay_within_the_parts(parts, asked):
    shares = shares_w(asked, parts)
    assert shares.keys() == parts.keys()
    assert sum(shares.values()) == max(min(asked, sum(parts.values())), 0)
    assert all(0 <= shares[key] <= part for key, part in parts.items())
    assert all(type(share) is int for share in shares.values())


@given(PARTS.filter(lambda parts: sum(parts.values()) > 0), st.integers(0, 50_000_000))
def test_shares_are_in_proportion(parts, asked):
    total = sum(parts.values())
    for key, share in shares_w(min(asked, total), parts).items():
        assert share == pytest.approx(min(asked, total) * parts[key] / total, abs=1)
