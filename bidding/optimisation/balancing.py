"""In which quarter hours power must be held that is offered as balancing energy (aFRR) for one of them.

An offer for a PTU is final some time before it: its gate. From then on the power may be called at any moment, and so
may what was offered for the PTUs before, whose calls nobody knows yet at the gate. So what is offered is what can be
held through the whole block of PTUs from the one that runs at the gate to the one it is for.

Held through the block, is it there when it is called at any moment of the block, any number of times? What can be held
in every PTU is within the room of every set of PTUs (`forecast/offers.py`), and what is called is never more than that
in any of them, so each course of calls is within the room of each set as well.

- *Reduce, cars*: cars charge on arrival until they are called. Nobody can have more in than that, so to have followed
  it takes nothing from later room; and who was held back has more need left, not less. So whatever was called so far,
  full power through the rest of the block stays possible: a split of the call that leaves it so exists at each moment
  (`test_what_is_held_in_a_block_may_be_called_from_moment_to_moment`).
- *Increase, cars*: they cannot take more than charging on arrival gives them. They offer nothing.
- *Batteries, heat pumps*: power that lasts to the end of the block lasts in a part of it.

Shown for known cars that may pause and come and go on PTUs. Of V2G and of cars that cannot pause the block counts on
less than they can do, but a course of calls that changes its mind is not tried for them.

`flexibility.headroom` asks each device to hold by itself, with what it can do at each moment of its call. A group does
more: one car takes the turn of another that must hurry. In a single step both agree.

What the block does not cover: what is offered for the PTUs before. What is called of that is gone, and flat power says
nothing about it. A bid is lowered for it (`balancing_offers`).
"""

from datetime import datetime, timedelta

from aggregator.core.interval import Interval
from aggregator.core.ptu import PTU, ptu_start

TIME_TO_SIZE = timedelta(minutes=5)
"""Needed from the start of a block to the gate to size in it: rounds come once a minute, and sizing, offering and
sending take one each, of which one may fail."""
LAST_CALL = timedelta(minutes=2)
"""Before the gate: one round to offer, and one to send."""


def held_block(ptu: datetime, *, gate: timedelta) -> Interval:
    """Return the PTUs through which power offered for a PTU must be held, when its gate is `gate` before it."""
    return Interval(ptu_start(ptu - gate), ptu + PTU)


def is_sized_in_block(*, gate: timedelta) -> bool:
    """Tell whether there is time to size between the start of a PTU's block and its gate.

    Then no PTU before the block is still to come when it is sized, and nothing that is called there is left to guess.
    """
    return -gate % PTU >= TIME_TO_SIZE


def next_to_size(now: datetime, *, gate: timedelta) -> datetime:
    """Return the PTU to size now: whose block begins with the running PTU, or the next where that leaves no time."""
    begins_now = ptu_start(now) + -(-gate // PTU) * PTU
    return begins_now if is_sized_in_block(gate=gate) else begins_now + PTU


def ptus_to_offer(now: datetime, *, gate: timedelta) -> list[datetime]:
    """Return the PTUs that were sized or are, and whose gate is still open, in the order of their bids.

    A bid is lowered for those of earlier PTUs, so an earlier one is made, or its gate passed, before a later one is.
    """
    newest = next_to_size(now, gate=gate)
    return [ptu for ptu in (newest - PTU, newest) if now < ptu - gate]


def last_call(ptu: datetime, *, gate: timedelta) -> datetime:
    """Return from when on a bid for a PTU is made with what is sized: no more will be, or there is no time left."""
    no_time_left = ptu - gate - LAST_CALL
    return no_time_left if is_sized_in_block(gate=gate) else min(held_block(ptu, gate=gate).starts_at, no_time_left)


def free_w(reliable_w: int, *, sold_w: int, is_sold_other_way: bool) -> int:
    """Return what is left of reliable power beside what is sold in the block to others than TenneT.

    A group is measured as one, so beside power that is sold the other way nothing is left.
    """
    return 0 if is_sold_other_way else max(reliable_w - sold_w, 0)
