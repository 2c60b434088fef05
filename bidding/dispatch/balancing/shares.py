"""TenneT's setpoint over the groups in the pool's bids. Pure."""

from collections.abc import Mapping
from decimal import Decimal
from typing import TypeVar

from aggregator.core.money import split_exactly

K = TypeVar("K")

WATT = Decimal(1)


def asked_w(delta_w: int, direction: str) -> int:
    """Return what a setpoint asks in a direction: by how many watts to leave the reference, 0 the other way."""
    return max(delta_w if direction == "increase" else -delta_w, 0)


def shares_w(asked: int, parts_w: Mapping[K, int]) -> dict[K, int]:
    """Return what is asked of each group, in whole watts in proportion to its part in the bids.

    They add up to what is asked, or to all the parts where more than they hold is asked: no group gets above its own.

    >>> shares_w(1_000_001, {"north": 2_000_000, "south": 1_000_000})
    {'north': 666667, 'south': 333334}
    """
    total = min(asked, sum(parts_w.values()))
    if total <= 0:
        return dict.fromkeys(parts_w, 0)
    split = split_exactly(Decimal(total), [Decimal(part) for part in parts_w.values()], quantum=WATT)
    return {key: int(share) for key, share in zip(parts_w, split, strict=True)}
