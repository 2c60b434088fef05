"""What a group may offer for a PTU beside its earlier balancing bids, and its part of a bid of several groups.

What was sized for PTU t is p, held flat through the block of t (`held_block`): in any PTUs A of the block there is room
for |A| p. Bids for PTUs before t are offered too, and may all be called before t is.

- *In the block.* Bids b of earlier PTUs K and x for t fit when in each A of them what is asked is within the room. In
  an A without t it is already. In one with t it is when x <= p - sum(max(b - p, 0)) over K: then it comes to |A| p at
  most. So each excess over p costs as much of x, and a bid that is no larger than p costs nothing.
- *Before the block*: in the PTU in which it was sized, and any between. Sized in its block there is none. Else one
  thing is known: together with them there is at least the room that the block has alone. That may be all: a car that
  can wait for one PTU and waits in such a one does not wait in t. So all of such a bid is taken off, and a group of
  cars that holds the same all day sells it in three PTUs of six.
- *Storage*: sizing leaves the energy of every promise in the ledger out of what batteries and heat pumps hold, whatever
  PTU it is for. So promises that were made before the sizing are taken off already, and count here for nothing.

Shown for fleets and batteries in `tests/unit/bidding/optimisation/test_balancing_offers.py`, for any course of calls.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TypeVar

from aggregator.core.money import split_exactly

Group = TypeVar("Group")


def lowered_w(power_w: int, *, in_block_w: Sequence[int], before_block_w: Sequence[int]) -> int:
    """Return what is left to offer of what is held through a block beside bids for PTUs in and before it."""
    return max(power_w - sum(max(bid_w - power_w, 0) for bid_w in in_block_w) - sum(before_block_w), 0)


def parts_w(bid_w: int, offers_w: Mapping[Group, int]) -> dict[Group, int]:
    """Split a bid over groups in proportion to what each may offer, in whole W, and to no more than that.

    Those whose part comes to nothing are left out. Raises `ValueError` where all offers together are less than the bid.
    """
    if bid_w > sum(offers_w.values()):
        raise ValueError(f"A bid of {bid_w} W is above the {sum(offers_w.values())} W that its groups may offer.")
    split = split_exactly(Decimal(bid_w), [Decimal(offer_w) for offer_w in offers_w.values()], quantum=Decimal(1))
    return {group: int(part_w) for group, part_w in zip(offers_w, split, strict=True) if part_w}
