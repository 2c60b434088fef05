"""Reading what a group was ordered: one order, and all that ran beside it."""

from collections.abc import Sequence
from datetime import datetime

import numpy as np

from bidding.models import Activation, ActivationPtu
from settlement.delivery.calculation import Orders


def orders_of(activation: Activation, *, ptu_starts: Sequence[datetime]) -> Orders:
    """Return an activation's order in some PTUs among all that its group has in its direction, in one query.

    Whoever was ordered first comes first, as in dispatch. What an operator capped or stopped is not to be delivered.
    """
    rows = list(
        ActivationPtu.objects.filter(
            activation__aggregation_ean=activation.aggregation_ean_id,
            activation__direction=activation.direction,
            ptu_start__in=ptu_starts,
        )
        .order_by("activation_id", "ptu_start")
        .values_list("activation_id", "ptu_start", "ordered_w", "activation__cap_w", "activation__stop_reason")
    )
    row_of = {pk: row for row, pk in enumerate(sorted({activation.pk, *(one[0] for one in rows)}))}
    column_of = {start: column for column, start in enumerate(ptu_starts)}
    ordered_w = np.zeros((len(row_of), len(column_of)), dtype=np.int64)
    steered_w, is_there = ordered_w.copy(), np.zeros(ordered_w.shape, dtype=np.bool_)
    for pk, start, power_w, cap_w, stop_reason in rows:
        at = row_of[pk], column_of[start]
        is_there[at], ordered_w[at] = True, power_w
        steered_w[at] = 0 if stop_reason else min(power_w, power_w if cap_w is None else cap_w)
    return Orders(place=row_of[activation.pk], is_there=is_there, ordered_w=ordered_w, steered_w=steered_w)
