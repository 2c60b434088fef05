"""What to aim for where a group brings more or less than it is asked."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidding.dispatch.balancing.correction import MOST_SHARE, TOLERANCE_SHARE, TOLERANCE_W, Measured, corrected_share

KW, MW = 1_000, 1_000_000
BROUGHT = Measured(least_w=MW, most_w=MW, brought_w=MW, measured_share=1.0)
ORDERS = st.integers(0, 20 * MW)
PARTS = st.floats(0.5, 1.5)


def brings(brought_w, **others):
    return replace(BROUGHT, brought_w=brought_w, **others)


@pytest.mark.parametrize(
    ("measured", "share"),
    [
        (brings(1_250 * KW), 0.8),
        (brings(800 * KW), 1.25),
        (brings(1_050 * KW), 1.0),  # within a twentieth
        (brings(950 * KW), 1.0),
        (brings(100 * KW + TOLERANCE_W, least_w=100 * KW, most_w=100 * KW), 1.0),  # half a car more
        (brings(1_250 * KW, least_w=0, most_w=1_250 * KW), 1.0),  # the setpoint moves: an answer to what it was
        (brings(1_250 * KW, least_w=0, most_w=0), 1.0),  # nothing is asked any more, and cars return
        (brings(800 * KW, least_w=750 * KW), 1.0),  # the plan could not reach more
        (brings(700 * KW, least_w=750 * KW), 750 / 700),
        (brings(1_250 * KW, most_w=1_250 * KW), 1.0),  # it had to keep that
        (brings(0), 2.0),
        (brings(-MW), 2.0),
        (brings(9 * MW), 0.5),
        (brings(1_000 * KW, measured_share=0.8), 0.8),  # the fifth that is not seen brings its part
        (brings(800 * KW, measured_share=0.8), 1.0),
        (brings(400 * KW, measured_share=0.4), 1.0),
    ],
)
def test_the_aim_is_scaled_by_what_is_brought_of_what_is_asked(measured, share):
    assert corrected_share(1.0, measured) == pytest.approx(share)


@given(order_w=st.integers(1, 20 * MW), part=PARTS)
def test_a_group_that_brings_a_constant_part_comes_within_the_tolerance_and_stays_there(order_w, part):
    share, off_w, shares = 1.0, [], []
    for _ in range(5):
        brought_w = round(part * share * order_w)
        off_w.append(brought_w - order_w)
        share = corrected_share(share, brings(brought_w, least_w=order_w, most_w=order_w))
        shares.append(share)
    assert max(map(abs, off_w[1:])) <= max(TOLERANCE_SHARE * order_w, TOLERANCE_W)
    assert len(set(shares)) == 1  # no swinging


@given(orders_w=st.lists(ORDERS, min_size=4, max_size=40), answers=st.data(), part=PARTS)
def test_while_the_setpoint_moves_the_aim_never_goes_beyond_what_mends_the_group(orders_w, answers, part):
    """Whichever of the last values it answers."""
    share, mends = 1.0, 1 / part
    for last in range(4, len(orders_w) + 1):
        recent_w = orders_w[last - 4 : last]
        brought_w = int(part * share * answers.draw(st.sampled_from(recent_w)))
        share = corrected_share(share, brings(brought_w, least_w=min(recent_w), most_w=max(recent_w)))
        assert min(1.0, mends) * 0.9999 <= share <= max(1.0, mends) * 1.0001


@given(orders_w=st.lists(ORDERS, min_size=4, max_size=4), answered=st.integers(0, 3), share=st.floats(0.5, 2.0))
def test_a_group_that_brings_what_it_is_asked_is_not_corrected(orders_w, answered, share):
    measured = brings(orders_w[answered], least_w=min(orders_w), most_w=max(orders_w))
    assert corrected_share(share, measured) == share


@given(
    measured=st.builds(
        Measured, least_w=ORDERS, most_w=ORDERS, brought_w=st.integers(-20 * MW, 60 * MW),
        measured_share=st.floats(0.0, 0.49),
    ),
    share=st.floats(0.5, 2.0),
)  # fmt: skip
def test_without_readings_nothing_is_corrected(measured, share):
    assert corrected_share(share, measured) == share


@given(there_w=st.integers(0, 20 * MW), orders_w=st.lists(ORDERS, min_size=1, max_size=20), part=PARTS)
def test_a_group_that_has_no_more_to_give_does_not_wind_the_aim_up(there_w, orders_w, part):
    """Each plan takes all that is there, and whoever is asked brings a constant part."""
    share, mends = 1.0, 1 / part
    for order_w in orders_w:
        planned_w = min(share * order_w, there_w)
        least_w = order_w - max(share * order_w - planned_w, 0) / share
        share = corrected_share(share, brings(part * planned_w, least_w=least_w, most_w=order_w))
        assert min(1.0, mends) * 0.999 <= share <= max(1.0, mends) * 1.001


@given(
    share=st.floats(0.5, 2.0),
    measured=st.builds(Measured, ORDERS, ORDERS, st.integers(-20 * MW, 60 * MW), st.just(1.0)),
)
def test_the_aim_stays_within_its_bounds(share, measured):
    assert 1 / MOST_SHARE <= corrected_share(share, measured) <= MOST_SHARE
