"""What TenneT asks of each group now, as the order of its activation."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import transaction

from aggregator.core.ptu import PTU, ptu_start
from bidding.dispatch.balancing.replanning import is_worth_a_plan
from bidding.dispatch.balancing.shares import asked_w, shares_w
from bidding.dispatch.balancing.signals import last_followed
from bidding.models import Activation, ActivationPtu
from bidding.models.directions import Direction


@dataclass(frozen=True, slots=True)
class Orders:
    """What became of a setpoint.

    Attributes:
        rows: the running and the next quarter hour of each group with a part in a bid for it.
        beyond_w: what was asked beyond the bids of the running quarter hour; no group is asked that.
        is_zero: for the activations that need a plan, whether nothing is asked of them now.
    """

    rows: Sequence[ActivationPtu]
    beyond_w: int
    is_zero: dict[int, bool]


@transaction.atomic
def give_orders(*, delta_w: int, now: datetime) -> Orders:
    """Order of each group its share of what TenneT asks now.

    Of the next quarter hour too, by the parts in its own bids: a call that goes on over the boundary is planned ahead
    as any order. What is being planned at this moment is left to the next cycle, which comes soon: this one must not
    wait.
    """
    present = ptu_start(now)
    rows = list(
        ActivationPtu.objects.filter(activation__is_balancing=True, ptu_start__in=[present, present + PTU])
        .select_related("activation")
        .order_by("pk")
    )
    by_bid: dict[tuple[datetime, str], list[ActivationPtu]] = defaultdict(list)
    for row in rows:
        by_bid[row.ptu_start, row.activation.direction].append(row)
    ordered_w: dict[int, int] = {}
    for (_, direction), own in by_bid.items():
        ordered_w |= shares_w(asked_w(delta_w, direction), {row.pk: row.part_w or 0 for row in own})
    _write([row for row in rows if row.ordered_w != ordered_w[row.pk]], ordered_w)
    held_w = {
        way: sum(row.part_w or 0 for row in by_bid.get((present, way), ())) for way in (str(way) for way in Direction)
    }
    return Orders(
        rows=rows,
        beyond_w=sum(max(asked_w(delta_w, way) - most_w, 0) for way, most_w in held_w.items()),
        is_zero={
            row.activation_id: row.ordered_w == 0
            for row in sorted(rows, key=lambda row: row.ptu_start, reverse=True)
            if is_outdated(row, present=present) and not (row.activation.stop_reason or row.activation.hold_reason)
        },
    )


def is_outdated(row: ActivationPtu, *, present: datetime) -> bool:
    """Tell whether the plan of a PTU was made for something else than what is ordered in it now.

    What was not planned yet is none of that, unless it runs.
    """
    if row.part_w is None or (row.planned_for_w is None and row.ptu_start > present):
        return False
    return is_worth_a_plan(ordered_w=row.ordered_w, planned_for_w=row.planned_for_w or 0, part_w=row.part_w)


def let_go_if_deaf(activation: Activation, *, now: datetime) -> None:
    """Order nothing where nobody has heard TenneT for so long that a follower would: there may be none."""
    last = last_followed()
    if last is not None and now - last.last_at <= settings.AFRR_SETPOINT_LONGEST_AGE + settings.AFRR_HOLD:
        return
    activation.ptus.filter(ptu_start__gte=ptu_start(now), ordered_w__gt=0).update(ordered_w=0)


def _write(changed: Sequence[ActivationPtu], ordered_w: dict[int, int]) -> None:
    if not changed:
        return
    free = set(
        ActivationPtu.objects.filter(pk__in=[row.pk for row in changed])
        .select_for_update(skip_locked=True, no_key=True)
        .values_list("pk", flat=True)
    )
    taken = [row for row in changed if row.pk in free]
    for row in taken:
        row.ordered_w = ordered_w[row.pk]
    ActivationPtu.objects.bulk_update(taken, ["ordered_w"])
