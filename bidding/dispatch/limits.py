"""A called limit as an order: what lies between it and the consumption expected of the group."""

from collections.abc import Collection
from datetime import datetime
from math import inf

import numpy as np

from aggregator.core.ptu import PTU
from aggregator.core.units import watt
from bidding.dispatch.allocation.expectations import expected, fitting_samples
from bidding.dispatch.allocation.plan import SteadyResources
from bidding.dispatch.situation import PlugSituation
from bidding.models import ActivationPtu

W_PER_KW = 1_000


def is_limited(ptu: ActivationPtu) -> bool:
    """Tell whether a call set a limit in this PTU, instead of ordering a power."""
    return ptu.max_import_w is not None or ptu.max_export_w is not None


def turn_limit_into_order(
    ptu: ActivationPtu,
    *,
    starts_at: datetime,
    plugs: PlugSituation,
    steady: SteadyResources,
    arriving_kw: float,
    ignored_asset_ids: Collection[int],
    may_catch_up: bool,
) -> None:
    """Order what is expected beyond the limit, nothing when it is kept anyway; stored for settlement to compare with.

    Beside it stands the room to keep for cars that are still to come. It is no part of the order: what such cars take
    by themselves nobody delivers. Where less is expected than the limit allows, the room is for cars that were held
    before: what they catch up is no part of any order either.

    Args:
        ptu: the PTU; it is judged on its mean, so a car that came inside it counts for its part of it.
        starts_at: when the plan begins, not after the end of the PTU.
        plugs: all cars of the group at that moment, also those that do not follow.
        steady: its batteries and heat pumps.
        arriving_kw: the most that may come.
        ignored_asset_ids: those that do not do as they are told; they catch up whatever is asked.
        may_catch_up: whether cars may catch up; beside another order of the group it would be taken from that.
    """
    ptu_h, rest_h = PTU.total_seconds() / 3600, (ptu.ptu_start + PTU - starts_at).total_seconds() / 3600
    part = np.minimum((plugs.view.elapsed_h + rest_h) / ptu_h, 1.0)
    usual = expected(plugs.view, fitting_samples(plugs.view))
    expected_kw = float((usual.baseline_kwh * part).sum()) / ptu_h + float(steady.usual_kw.sum())
    is_free = np.isin([asset.pk for asset in plugs.assets], list(ignored_asset_ids))
    beside_kw = arriving_kw + float((usual.draw_kwh - usual.baseline_kwh)[is_free].clip(min=0.0).sum()) / ptu_h
    if ptu.max_import_w is not None:
        beyond_kw = expected_kw - ptu.max_import_w / W_PER_KW
        least_kw = max(beyond_kw + beside_kw, -inf if may_catch_up else 0.0)
    else:  # Who comes or catches up only feeds in less.
        beyond_kw = least_kw = -expected_kw - (ptu.max_export_w or 0) / W_PER_KW
    ordered_w, least_w = max(watt(beyond_kw), 0), int(watt(least_kw))
    if starts_at > ptu.ptu_start:  # who left since took a part of the PTU
        ordered_w, least_w = max(ordered_w, ptu.ordered_w), max(least_w, ptu.least_w)
    ptu.ordered_w, ptu.room_w = ordered_w, least_w - ordered_w
    ptu.save(update_fields=["ordered_w", "room_w"])
