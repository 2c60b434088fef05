"""Orders of one group that run at the same time: an asset has a part in one of them, and counts for one of them.

Whoever asks an asset keeps it; where two ask it, planned at the same moment, it is that of the first ordered.
Settlement goes by the same order (`settlement/delivery/orders.py`).
"""

from datetime import datetime

from django.db.models import F, Q, QuerySet

from bidding.models import Activation, Bid, Duty
from bidding.models.directions import other_way
from bidding.operations.ledger import unsettled_bids

_IS_ASKED = ~Q(asked_w=F("alone_w"))


def with_a_part_elsewhere(activation: Activation, *, starts_at: datetime) -> set[int]:
    """Return the assets that other orders of the group have a use for between `starts_at` and the end of this one.

    Orders of the other direction too: an asset that is told one thing by one and another by the next helps neither.
    """
    is_needed = _IS_ASKED | Q(next_from__lt=activation.ends_at) & ~Q(next_asked_w=F("alone_w"))
    others = _others(activation).filter(activation__ends_at__gt=starts_at, activation__starts_at__lt=activation.ends_at)
    own = set(activation.duties.filter(is_needed).values_list("asset_id", flat=True))
    return _taken(activation, own, others.filter(is_needed))


def counted_elsewhere(activation: Activation, *, at: datetime) -> set[int]:
    """Return the assets whose power counts for another order of the group at `at`.

    Those that it asks, and of those that nobody asks any that an order after this one, of its direction, knows too:
    what nobody moved shows in what is left for the last.
    """
    others = _others(activation).filter(activation__starts_at__lte=at, activation__ends_at__gt=at)
    asked = activation.duties.none() if activation.stop_reason else activation.duties.filter(_IS_ASKED)
    own = set(asked.values_list("asset_id", flat=True))
    later = others.filter(activation__gt=activation.pk, activation__direction=activation.direction)
    known = set(later.values_list("asset_id", flat=True)) - own
    return known | _taken(activation, own, others.filter(_IS_ASKED))


def opposed_by(activation: Activation) -> list[Activation]:
    """Return the group's orders that run the other way while this one does: each takes away what the other brings."""
    if activation.stop_reason:
        return []
    found = Activation.objects.filter(
        aggregation_ean=activation.aggregation_ean_id,
        direction=other_way(activation.direction),
        starts_at__lt=activation.ends_at,
        ends_at__gt=activation.starts_at,
        stop_reason="",
        status__in=[Activation.Status.ORDERED, Activation.Status.PLANNED, Activation.Status.RUNNING],
    )
    return list(found.order_by("pk"))


def runs_beside_another(activation: Activation, *, at: datetime) -> bool:
    """Tell whether the group has another order at `at` that nobody stopped, in either direction."""
    others = Activation.objects.filter(aggregation_ean=activation.aggregation_ean_id, stop_reason="")
    return others.exclude(pk=activation.pk).filter(starts_at__lte=at, ends_at__gt=at).exists()


def offered_against(activation: Activation) -> list[Bid]:
    """Return the group's bids the other way that are not cleared yet and that nobody has withdrawn."""
    if activation.stop_reason:
        return []
    found = unsettled_bids(
        aggregation_ean=activation.aggregation_ean,
        direction=other_way(activation.direction),
        ptus=list(activation.ptus.values_list("ptu_start", flat=True)),
    )
    return list(found.filter(withdrawal_asked_at=None).distinct().order_by("pk"))


def _others(activation: Activation) -> QuerySet[Duty]:
    """Return the duties of the group's other orders that nobody stopped."""
    return Duty.objects.filter(
        activation__aggregation_ean=activation.aggregation_ean_id, activation__stop_reason=""
    ).exclude(activation=activation)


def _taken(activation: Activation, own: set[int], others: QuerySet[Duty]) -> set[int]:
    rows = others.values_list("asset_id", "activation_id")
    return {asset_id for asset_id, other_id in rows if other_id < activation.pk or asset_id not in own}
