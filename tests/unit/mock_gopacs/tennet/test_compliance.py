"""The acceptance band that other TSOs draw around the setpoint."""

import numpy as np
import pytest

from mock_gopacs.tennet.compliance import acceptance_band, nothing_missed

STEP = [0.0] * 100 + [10.0] * 200  # 10 MW up from cycle 100 on
BAND_FULL = 100 + 9 + 68


def ramp(setpoints, *, seconds=270, delay=30):
    """Power that follows a step after a delay, in a straight line."""
    return [
        float(np.clip((4 * (cycle - 100) - delay) / seconds, 0, 1) * 10) if cycle >= 100 else 0.0
        for cycle in range(len(setpoints))
    ]


def test_who_follows_at_once_or_along_the_band_misses_nothing():
    for delivered in (STEP, ramp(STEP)):
        missed = acceptance_band(STEP, delivered)
        assert (missed.up_mw.sum(), missed.down_mw.sum()) == (0, 0)


def test_who_delivers_nothing_misses_the_near_edge_of_the_band():
    missed = acceptance_band(STEP, [0.0] * 300).up_mw
    # nothing for half a minute, then along the edge, and all of it 300 s after the step
    assert missed[:109].sum() == 0
    assert missed[140] == pytest.approx((140 - 108) * 40 / 270)
    assert missed[BAND_FULL:] == pytest.approx(10)


def test_a_shortage_within_five_per_cent_is_accepted():
    assert acceptance_band(STEP, [power * 0.951 for power in STEP]).up_mw.sum() == 0
    missed = acceptance_band(STEP, [power * 0.949 for power in STEP]).up_mw
    assert missed[-1] == pytest.approx(0.51)


def test_a_moment_of_shortage_is_not_counted_but_the_fourth_cycle_in_300_seconds_is():
    delivered = list(STEP)
    for cycle in (200, 210, 220, 230):
        delivered[cycle] = 0.0
    missed = acceptance_band(STEP, delivered).up_mw
    assert np.flatnonzero(missed).tolist() == [230]


def test_down_is_the_mirror_of_up():
    delivered = ramp(STEP, delay=120)
    up = acceptance_band(STEP, delivered)
    down = acceptance_band([-power for power in STEP], [-power for power in delivered])
    assert up.up_mw.sum() > 0
    assert (down.down_mw == up.up_mw).all()
    assert down.up_mw.sum() == 0


def test_delivering_the_wrong_way_misses_no_more_than_was_asked():
    missed = acceptance_band(STEP, [-5.0] * 300)
    assert missed.up_mw.max() == 10


def test_no_model_misses_nothing():
    missed = nothing_missed(STEP, [0.0] * 300)
    assert (missed.up_mw.sum(), missed.down_mw.sum()) == (0, 0)
