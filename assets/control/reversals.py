"""Counting how often an asset was turned round: repeated on and off is the worst thing to do to a grid and to a car."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]


def reversal_counts(*, asset: Integers, told_kw: Floats, count: int) -> Integers:
    """Return how often the commands of each asset changed direction, shape (`count`,).

    Args:
        asset: position of the asset of each command, shape (c,), 0 to `count` - 1.
        told_kw: what it was told, in order of time per asset; the first is where it stood before.
        count: number of assets.
    """
    order = np.argsort(asset, kind="stable")
    asset, told_kw = asset[order], told_kw[order]
    is_same = asset[1:] == asset[:-1]
    change = np.sign(np.diff(told_kw))[is_same]
    of = asset[1:][is_same]
    moved = change != 0
    change, of = change[moved], of[moved]
    turned = (of[1:] == of[:-1]) & (change[1:] != change[:-1])
    return np.bincount(of[1:][turned], minlength=count).astype(np.int64)


def may_turn(*, reversals: Integers, last_change: Floats, change_kw: Floats, most_per_hour: int) -> Booleans:
    """Return which assets may take a change now, shape (n,).

    Args:
        reversals: turns of each asset in the past hour.
        last_change: sign of its last change, 0 without one.
        change_kw: the change that is planned.
        most_per_hour: turns allowed in an hour.
    """
    turns = (last_change * np.sign(change_kw)) < 0
    return np.asarray(~turns | (reversals < most_per_hour))
