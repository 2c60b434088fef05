"""What a group has left to offer as balancing energy for a PTU, beside all that is sold of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

from django.db.models import Max

from aggregator.core.interval import Interval
from aggregator.core.ptu import MARKET_ZONE, PTU, day_interval, ptu_range, ptu_start
from assets.control.standing import steerable_w
from assets.models import AggregationEan
from bidding.models import Activation, BalancingHeadroom, Commitment, Direction
from bidding.models.directions import as_literal
from bidding.operations.ledger import Sold, sold_beside_balancing
from bidding.optimisation.balancing import held_block
from bidding.optimisation.balancing_offers import lowered_w
from bidding.portfolio import group_during


class StaysOut(Exception):
    """Why a group has no part in a bid, for the page."""


@dataclass(frozen=True, slots=True)
class Held:
    """What is known of some groups for a PTU.

    What was sized, what is sold, when something else was sold last, and the most that an operator lets be delivered.
    """

    ptu_start: datetime
    block: Interval
    sized: Mapping[tuple[str, str], BalancingHeadroom]
    sold: Sequence[Sold]
    sold_last: Mapping[tuple[str, str], datetime]
    most_w: Mapping[tuple[str, str], int]

    @classmethod
    def of(cls, groups: Sequence[AggregationEan], *, ptu: datetime, gate: timedelta) -> Self:
        """Read it, in five queries; the caller holds the groups' locks."""
        eans = [group.pk for group in groups]
        sized = list(BalancingHeadroom.objects.filter(aggregation_ean__in=eans, ptu_start=ptu))
        oldest = min((row.sized_at for row in sized), default=ptu)
        others = Commitment.objects.filter(
            entry__aggregation_ean__in=eans,
            balancing_bid__isnull=True,
            released_at__isnull=True,
            committed_at__gte=oldest,
        )
        newest = others.values_list("entry__aggregation_ean", "entry__direction").annotate(Max("committed_at"))
        return cls(
            ptu_start=ptu,
            block=held_block(ptu, gate=gate),
            sized={(row.aggregation_ean_id, row.direction): row for row in sized},
            sold=sold_beside_balancing(eans=eans, ptus=ptu_range(Interval(ptu_start(oldest), ptu + PTU))),
            sold_last={(ean, direction): at for ean, direction, at in newest},
            most_w=_let_through_w(eans, ptu),
        )

    def left_w(self, group: AggregationEan, direction: Direction) -> int:
        """Return what a group may still offer; raise `StaysOut`.

        What storage was promised for between its sizing and now nobody has left out of its energy, so then it waits
        for the next PTU. A limit or stop that came since counts.
        """
        row = self.sized.get((group.pk, direction))
        if row is None:
            raise StaysOut("not sized in time")
        known_from = ptu_start(row.sized_at)
        sold = [one for one in self.sold if one.aggregation_ean == group.pk and one.ptu_start >= known_from]
        if any(one.direction != direction and self._is_in_block(one) for one in sold):
            raise StaysOut("sold the other way in the quarter hours in which it must be held")
        sold_last = self.sold_last.get((group.pk, direction))
        if sold_last and sold_last >= row.sized_at:
            raise StaysOut("something else was sold of it since it was sized")
        most_w = self.most_w.get((group.pk, direction))
        if most_w == 0:
            raise StaysOut("an operator stopped its balancing energy for the day, or holds it")
        members = group_during(aggregation_ean=group, period=self.block)
        steerable = steerable_w(aggregation_ean=group.pk, assets=members.members, direction=as_literal(direction))
        has_cars = direction is Direction.REDUCE and bool(members.plugs)
        in_block = [one for one in sold if one.direction == direction and self._is_in_block(one)]
        before = [one for one in sold if one.direction == direction and not self._is_in_block(one)]
        left_w = lowered_w(
            max(min(row.reliable_w, steerable) - max((one.others_w for one in in_block), default=0), 0),
            in_block_w=[_not_left_out_w(one, row, has_cars=has_cars) for one in in_block],
            before_block_w=[
                _not_left_out_w(one, row, has_cars=has_cars) + (one.others_w if has_cars else 0) for one in before
            ],
        )
        return left_w if most_w is None else min(left_w, most_w)

    def _is_in_block(self, sold: Sold) -> bool:
        return sold.ptu_start >= self.block.starts_at


def _let_through_w(eans: Sequence[str], ptu: datetime) -> dict[tuple[str, str], int]:
    """Return the most that operators let groups deliver in a PTU, by group and direction, where they limit it.

    A bid makes the activation of its day longer, with what an operator did to it. Nobody can start one again that was
    stopped, so that holds for the rest of the day.
    """
    day = day_interval(ptu.astimezone(MARKET_ZONE).date())
    runs = Activation.objects.filter(
        is_balancing=True, aggregation_ean__in=eans, starts_at__gte=day.starts_at, starts_at__lt=day.ends_at
    ).order_by("pk")
    most_w: dict[tuple[str, str], int] = {}
    for run in runs:
        key, goes_on = (run.aggregation_ean_id, run.direction), run.ends_at >= ptu
        if run.stop_reason or (goes_on and run.hold_reason):
            most_w[key] = 0
        elif goes_on and run.cap_w is not None:
            most_w[key] = min(most_w.get(key, run.cap_w), run.cap_w)
    return most_w


def _not_left_out_w(sold: Sold, row: BalancingHeadroom, *, has_cars: bool) -> int:
    """Return what balancing bids hold that sizing has not left out: of storage it left out all that it knew."""
    return sum(one.power_w for one in sold.balancing if has_cars or one.committed_at >= row.sized_at)
