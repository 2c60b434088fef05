"""Requested energy split over balance responsible parties."""

from hypothesis import given
from hypothesis import strategies as st

from settlement.balancing.responsible import NOBODY, split_over_brps

PARTS = st.dictionaries(st.from_regex(r"\d{13}", fullmatch=True), st.integers(1, 10**9), min_size=1, max_size=8)


@given(st.integers(0, 10**9), PARTS)
def test_it_adds_up_and_nobody_is_a_watt_hour_off(requested_wh, power_w):
    parts = split_over_brps(requested_wh, power_w)
    assert sum(parts.values()) == requested_wh
    assert parts.keys() == power_w.keys()
    whole_w = sum(power_w.values())
    assert all(abs(part * whole_w - requested_wh * power_w[brp]) < whole_w for brp, part in parts.items())


def test_a_tie_does_not_depend_on_the_order_of_rows():
    assert split_over_brps(1, {"2": 5, "1": 5}) == split_over_brps(1, {"1": 5, "2": 5}) == {"1": 1, "2": 0}


def test_what_is_asked_without_a_bid_is_nobodys_and_not_lost():
    assert split_over_brps(250, {}) == {NOBODY: 250}
    assert split_over_brps(0, {}) == {}
