import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bidding.dispatch.allocation.ramp import random_offsets_s


@given(st.integers(0, 2**62), st.integers(0, 1800), st.lists(st.integers(1, 2**40), unique=True, max_size=50))
def test_offsets_lie_in_the_ramp_and_belong_to_the_asset(seed, ramp_s, ids):
    ids = np.array(ids, dtype=np.int64)
    offsets = random_offsets_s(asset_ids=ids, seed=seed, ramp_s=ramp_s)
    assert ((offsets >= 0) & (offsets <= ramp_s)).all()
    assert (random_offsets_s(asset_ids=ids[::-1], seed=seed, ramp_s=ramp_s)[::-1] == offsets).all()


def test_a_fleet_moves_like_a_slope():
    offsets = random_offsets_s(asset_ids=np.arange(100_000), seed=7, ramp_s=300)
    in_each_minute = np.histogram(offsets, bins=np.arange(0, 301, 60))[0]
    assert in_each_minute.min() > 0.97 * 20_000
    assert in_each_minute.max() < 1.03 * 20_000
