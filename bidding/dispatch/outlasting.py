"""A new setpoint lasts as long as those it replaces, so that none of them rules again when it ends.

A later setpoint replaces what it overlaps and no more. Who was told to wait long after the window, and is then let go,
or told to wait less, would wait again from where the shorter setpoint ends.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from django.db.models import Min

from aggregator.core.ptu import PTU
from assets.control.limits import PlannedSetpoint
from assets.control.standing import left_alone_w
from assets.models import Membership, Setpoint
from bidding.models import Activation


@dataclass(frozen=True, slots=True)
class _Longest:
    """Of what an asset was told for an order, the setpoint that ends last; `alone_w` leaves it to its own ways."""

    ends_at: datetime
    end_late_s: int
    alone_w: int


def outlasting(activation: Activation, plan: Sequence[PlannedSetpoint]) -> list[PlannedSetpoint]:
    """Return a plan in which nobody's setpoint ends before an earlier one of the order; what is added asks nothing.

    Nothing is added where another order tells the asset what to do, or where it is no member of the group any more.
    """
    if not plan:
        return []
    longest = _longest(activation, plan)
    shorter = [one.asset_id for one in plan if one.asset_id in longest and one.ends_at < longest[one.asset_id].ends_at]
    bounds = _bounds(activation, shorter) if shorter else {}
    return [
        _lengthened(one, longest[one.asset_id], bounds.get(one.asset_id)) if one.asset_id in longest else one
        for one in plan
    ]


def _lengthened(one: PlannedSetpoint, longest: _Longest, bound: datetime | None) -> PlannedSetpoint:
    ends_at = longest.ends_at if bound is None else min(longest.ends_at, bound)
    if ends_at < one.ends_at:
        return one
    return replace(
        one,
        ends_at=ends_at,
        power_w=[*one.power_w, *[longest.alone_w] * ((ends_at - one.ends_at) // PTU)],
        end_late_s=max(one.end_late_s, longest.end_late_s if ends_at == longest.ends_at else 0),
    )


def _longest(activation: Activation, plan: Sequence[PlannedSetpoint]) -> dict[int, _Longest]:
    """Return what each asset was told longest, also what was withdrawn: it may be followed to its end all the same."""
    rows = (
        Setpoint.objects.filter(
            batch__order_reference=activation.reference,
            asset__in=[one.asset_id for one in plan],
            ends_at__gte=min(one.ends_at for one in plan),
        )
        .order_by("asset_id", "-ends_at", "-end_late_s")
        .distinct("asset_id")
        .values_list("asset_id", "ends_at", "end_late_s", "asset__kind", "asset__max_import_w")
    )
    return {row[0]: _Longest(row[1], row[2], left_alone_w(*row[3:])) for row in rows}


def _bounds(activation: Activation, asset_ids: Collection[int]) -> dict[int, datetime]:
    """Return until when at most some assets can be told anything for this order; those without a bound are absent."""
    others = (
        Setpoint.objects.filter(asset__in=asset_ids, ends_at__gt=activation.ends_at, withdrawn_at=None)
        .exclude(batch__order_reference=activation.reference)
        .exclude(status=Setpoint.Status.REJECTED)
        .values_list("asset_id")
        .annotate(Min("starts_at"))
    )
    bounds = dict(others)
    memberships = Membership.objects.filter(
        asset__in=asset_ids,
        aggregation_ean=activation.aggregation_ean_id,
        period__startswith__lt=activation.ends_at,
        period__endswith__gt=activation.starts_at,
    )
    for asset_id, period in memberships.values_list("asset_id", "period"):
        bounds[asset_id] = min(bounds.get(asset_id, period.upper), period.upper)
    return bounds
