"""Sizing what groups could offer as balancing energy (aFRR), a PTU at a time; nothing is sold by it."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from django.conf import settings

from aggregator.core.ptu import ptu_range
from aggregator.core.units import watt
from assets.models import AggregationEan
from bidding.models import BalancingHeadroom, Direction
from bidding.models.directions import as_literal
from bidding.operations.ledger import sold_beside_balancing
from bidding.operations.sizing import reliable_power
from bidding.optimisation.balancing import free_w, held_block
from bidding.optimisation.interface import SizedBid

KEPT_FOR = timedelta(days=365)
"""As long as a promise counts in the record of a group."""

NO_ROOM_TO_CHARGE = "no battery has room to take more; cars charge as soon as they come"

_IN_WORDS = {
    "power": "all that is connected is in it",
    "energy": "cars are full or need nothing then",
    "departures": "drivers who leave soon need their energy",
    "pause_floor": "cars that cannot pause go on drawing",
    "arrivals": "less is connected than usual",
    "minimum_bid": "less than 1 kW is sure enough",
    "maximum_bid": "the group's largest bid or a steering limit",
    "history": "too few comparable days on record",
    "record": "past promises were broken too often",
}


class GateHasPassed(RuntimeError):
    """What is known now came too late for an offer."""


def size_balancing(*, aggregation_ean: AggregationEan, ptu_start: datetime, now: datetime) -> list[BalancingHeadroom]:
    """Write down what a group could reliably offer for a PTU in both directions, on what is known at `now`.

    Done once: what is there stays, and is returned. Raises `GateHasPassed`.
    """
    rows = BalancingHeadroom.objects.filter(aggregation_ean=aggregation_ean, ptu_start=ptu_start).order_by("direction")
    found = list(rows)
    if len(found) == len(Direction):
        return found
    if now >= ptu_start - settings.AFRR_GATE:
        raise GateHasPassed("Bids for this quarter hour are final. Size a later one.")
    BalancingHeadroom.objects.bulk_create(
        (_sized(aggregation_ean, ptu_start, direction, now) for direction in Direction), ignore_conflicts=True
    )
    return list(rows.all())


def forget_old_headroom(*, now: datetime) -> int:
    """Let go of rows that no record counts any more; return how many."""
    return BalancingHeadroom.objects.filter(ptu_start__lt=now - KEPT_FOR).delete()[0]


def _sized(
    aggregation_ean: AggregationEan, ptu_start: datetime, direction: Direction, now: datetime
) -> BalancingHeadroom:
    """Size one direction.

    Of batteries and heat pumps the energy that is promised already is left out before the ledger takes its part, so
    beside sold power less is called free than there may be. Balancing bids for other PTUs of the block hold the same
    power in their own PTU, so they leave it free; what they take from an offer is reckoned when it is made.
    """
    block = held_block(ptu_start, gate=settings.AFRR_GATE)
    sized = reliable_power(
        aggregation_ean=aggregation_ean,
        period=block,
        direction=as_literal(direction),
        now=min(now, block.starts_at),  # all that is called in the block is still to come
    )
    reliable_w, sold = watt(sized.bid_kw), sold_beside_balancing(eans=[aggregation_ean.pk], ptus=ptu_range(block))
    replay: Mapping[str, int] = sized.explanation.get("replay", {})  # type: ignore[assignment]  # written by `sizing`
    return BalancingHeadroom(
        aggregation_ean=aggregation_ean,
        ptu_start=ptu_start,
        direction=direction,
        reliable_w=reliable_w,
        free_w=free_w(
            reliable_w,
            sold_w=max((one.others_w for one in sold if one.direction == direction), default=0),
            is_sold_other_way=any(one.direction != direction for one in sold),
        ),
        steady_w=replay.get("steady_w"),
        reliability=aggregation_ean.reliability,
        limited_by=_limit(sized, direction),
        sized_at=now,
    )


def _limit(sized: SizedBid, direction: Direction) -> str:
    limit = str(sized.explanation["limited_by"])
    if direction is Direction.INCREASE and not sized.bid_kw and limit != "maximum_bid":
        return NO_ROOM_TO_CHARGE
    return _IN_WORDS[limit]
