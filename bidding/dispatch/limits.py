"""A called limit as an order: what lies between it and the consumption expected of the group."""

from datetime import datetime

import numpy as np

from aggregator.core.ptu import PTU
from aggregator.core.units import watt
from bidding.dispatch.allocation.expectations import expected_baseline_kw
from bidding.dispatch.allocation.plan import SteadyResources
from bidding.dispatch.situation import PlugSituation
from bidding.models import ActivationPtu

W_PER_KW = 1_000


def is_limited(ptu: ActivationPtu) -> bool:
    """Tell whether a call set a limit in this PTU, instead of ordering a power."""
    return ptu.max_import_w is not None or ptu.max_export_w is not None


def turn_limit_into_order(
    ptu: ActivationPtu, *, starts_at: datetime, plugs: PlugSituation, steady: SteadyResources, arriving_kw: float
) -> None:
    """Order what is expected beyond the limit, nothing when it is kept anyway; stored for settlement to compare with.

    Beside it stands the room to keep for cars that are still to come. It is no part of the order: what such cars take
    by themselves nobody delivers.

    Args:
        ptu: the PTU; it is judged on its mean, so a car that came inside it counts for its part of it.
        starts_at: when the plan begins, not after the end of the PTU.
        plugs: all cars of the group at that moment, also those that do not follow.
        steady: its batteries and heat pumps.
        arriving_kw: the most that may come.
    """
    ptu_h, rest_h = PTU.total_seconds() / 3600, (ptu.ptu_start + PTU - starts_at).total_seconds() / 3600
    part = np.minimum((plugs.view.elapsed_h + rest_h) / ptu_h, 1.0)
    cars_kw = float((expected_baseline_kw(plugs.view) * part).sum()) if plugs.assets else 0.0
    expected_kw = cars_kw + float(steady.usual_kw.sum())
    if ptu.max_import_w is not None:
        beyond_kw = expected_kw - ptu.max_import_w / W_PER_KW
    else:
        beyond_kw, arriving_kw = -expected_kw - (ptu.max_export_w or 0) / W_PER_KW, 0.0  # who comes feeds in less
    before_w = ptu.ordered_w if starts_at > ptu.ptu_start else 0  # who left since took a part of the PTU
    ptu.ordered_w = max(watt(beyond_kw), before_w)
    ptu.room_w = max(watt(beyond_kw + arriving_kw) - ptu.ordered_w, 0)
    ptu.save(update_fields=["ordered_w", "room_w"])
