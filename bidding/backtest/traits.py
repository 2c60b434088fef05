"""Which chargers get a pause floor or V2G: a fixed draw per charger, whatever else is in the file."""

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np

from bidding.optimisation.interface import ChargerTraits

PAUSE_FLOOR_KW = 1.38
"""6 A on one phase of 230 V: the least a car draws that falls asleep at zero (IEC 61851)."""


def charger_traits(
    charger_ids: Sequence[str], *, pause_floor_share: float, v2g_share: float, seed: int
) -> ChargerTraits:
    """Draw traits from a hash of seed and charger id; a V2G car can always pause."""
    v2g = np.array([_draw(f"{seed}/v2g/{name}") < v2g_share for name in charger_ids], dtype=np.bool_)
    floored = np.array([_draw(f"{seed}/pause-floor/{name}") < pause_floor_share for name in charger_ids], np.bool_)
    return ChargerTraits(floor_kw=np.where(floored & ~v2g, PAUSE_FLOOR_KW, 0.0), v2g=v2g)


def _draw(text: str) -> float:
    """Return a uniform number in [0, 1) that depends on the text only."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest()) / 2**64
