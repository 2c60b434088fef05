"""Starting and ending at random moments inside the ramp, so that a fleet moves like a slope and not like a stair.

A change begins up to one ramp before its quarter hour, so that the quarter's mean delivers in full, and a return begins
up to one ramp after its end. The same activation always draws the same moments for the same asset, at every repeat.
"""

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]


def random_offsets_s(*, asset_ids: Integers, seed: int, ramp_s: int) -> Integers:
    """Return for each asset a whole second in [0, `ramp_s`], spread evenly and fixed by `seed` and its id.

    A hash (SplitMix64) and not a generator: an asset keeps its moment whoever else is in the plan.
    """
    if ramp_s <= 0:
        return np.zeros(len(asset_ids), dtype=np.int64)
    with np.errstate(over="ignore"):
        x = asset_ids.astype(np.uint64) + np.uint64(seed % 2**63) * np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((x ^ (x >> np.uint64(31))) % np.uint64(ramp_s + 1)).astype(np.int64)
