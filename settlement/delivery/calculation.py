"""What a group delivered in each PTU, from each asset's baseline and meter values. Pure, in whole watt-hours.

An asset without a meter value (or without a baseline) in a PTU counts on neither side: a missing value is not a zero.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]
Mask = NDArray[np.bool_]

PTUS_PER_HOUR = 4
REDUCE = 1
INCREASE = -1


@dataclass(frozen=True, slots=True, eq=False)
class GroupEnergy:
    """Energy of n assets in t PTUs; arrays of shape (n, t).

    Attributes:
        is_member: whether the asset belongs to the group in that PTU.
        baseline_wh: what it would have taken.
        has_baseline: whether that is known.
        metered_wh: what it took; negative for feed-in.
        has_meter_value: whether that is known.
    """

    is_member: Mask
    baseline_wh: Integers
    has_baseline: Mask
    metered_wh: Integers
    has_meter_value: Mask

    @property
    def is_counted(self) -> Mask:
        """Where an asset counts: member, with a meter value and a baseline."""
        return self.is_member & self.has_meter_value & self.has_baseline

    @property
    def expected_values(self) -> int:
        """Meter values that should be there."""
        return int(self.is_member.sum())

    @property
    def received_values(self) -> int:
        """Meter values that are there."""
        return int((self.is_member & self.has_meter_value).sum())


@dataclass(frozen=True, slots=True, eq=False)
class GroupDelivery:
    """The outcome per PTU, shape (t,), and per asset, shape (n, t).

    Attributes:
        baseline_wh: of the assets that count: without this order, beside the others that the group has.
        metered_wh: of the assets that count.
        delivered_wh: baseline minus metered for `reduce`, the opposite for `increase`; may be negative.
        paid_wh: what is paid: at least zero, at most what was ordered.
        contribution_wh: each asset's own delivery in the group's direction, at least zero; 0 where it does not count.
        is_missing: members that do not count.
    """

    baseline_wh: Integers
    metered_wh: Integers
    delivered_wh: Integers
    paid_wh: Integers
    contribution_wh: Integers
    is_missing: Mask


@dataclass(frozen=True, slots=True, eq=False)
class Orders:
    """The k orders of a group in one direction in t PTUs, whoever comes first in front; arrays of shape (k, t).

    Attributes:
        place: of the order that is settled.
        is_there: whether an order has the PTU.
        ordered_w: what it orders, 0 where it has not.
        steered_w: what was to be delivered of that: less than ordered when an operator held it back.
    """

    place: int
    is_there: Mask
    ordered_w: Integers
    steered_w: Integers

    def part_wh(self, moved_wh: Integers) -> Integers:
        """Return what counts for the order at `place` of what the group moved, shape (t,), each Wh for one order.

        Every order in turn gets what it was to deliver, then every order what else it ordered. What is left, or below
        zero, is the last one's.
        """
        left_wh = moved_wh.copy()
        parts_wh = np.zeros(self.ordered_w.shape, dtype=np.int64)
        for most_w in (self.steered_w, self.ordered_w):
            for row, most_wh in enumerate(-(-most_w // PTUS_PER_HOUR)):
                more_wh = np.clip(left_wh, 0, np.maximum(most_wh - parts_wh[row], 0))
                parts_wh[row] += more_wh
                left_wh -= more_wh
        last = len(self.is_there) - 1 - np.argmax(self.is_there[::-1], axis=0)
        return np.asarray(parts_wh[self.place] + np.where(last == self.place, left_wh, 0))


def measure(group: GroupEnergy, *, sign: int, orders: Orders, nominated_wh: Integers | None = None) -> GroupDelivery:
    """Compare what a group took with its baseline.

    Args:
        group: energy per asset and PTU.
        sign: `REDUCE` or `INCREASE`.
        orders: the order, among those that the group has with it.
        nominated_wh: the group's nominated baseline, shape (t,), in place of the sum over assets. The part of it that
            belongs to missing assets (their own baseline) is taken out, so that they still count on neither side.
    """
    counted = group.is_counted
    is_missing = group.is_member & ~counted
    own_wh = np.where(counted, group.baseline_wh, 0)
    took_wh = np.where(counted, group.metered_wh, 0)
    if nominated_wh is None:
        baseline_wh = own_wh.sum(axis=0)
    else:
        baseline_wh = nominated_wh - np.where(is_missing & group.has_baseline, group.baseline_wh, 0).sum(axis=0)
    metered_wh = took_wh.sum(axis=0)
    delivered_wh = orders.part_wh(sign * (baseline_wh - metered_wh))
    return GroupDelivery(
        baseline_wh=metered_wh + sign * delivered_wh,
        metered_wh=metered_wh,
        delivered_wh=delivered_wh,
        paid_wh=np.clip(delivered_wh, 0, orders.ordered_w[orders.place] // PTUS_PER_HOUR),
        contribution_wh=np.maximum(sign * (own_wh - took_wh), 0),
        is_missing=is_missing,
    )
