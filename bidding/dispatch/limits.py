"""A called limit as an order: what lies between it and the consumption expected of the group."""

from aggregator.core.units import watt
from bidding.dispatch.allocation.expectations import expected_baseline_kw
from bidding.dispatch.allocation.plan import SteadyResources
from bidding.dispatch.situation import PlugSituation
from bidding.models import ActivationPtu

W_PER_KW = 1_000


def is_limited(ptu: ActivationPtu) -> bool:
    """Tell whether a call set a limit in this PTU, instead of ordering a power."""
    return ptu.max_import_w is not None or ptu.max_export_w is not None


def turn_limit_into_order(ptu: ActivationPtu, *, plugs: PlugSituation, steady: SteadyResources) -> None:
    """Order what is expected beyond the limit, nothing when it is kept anyway; stored for settlement to compare with.

    `plugs` are all cars of the group in the PTU that is planned, also those that do not follow.
    """
    cars_kw = float(expected_baseline_kw(plugs.view).sum()) if plugs.assets else 0.0
    expected_kw = cars_kw + float(steady.usual_kw.sum())
    if ptu.max_import_w is not None:
        beyond_kw = expected_kw - ptu.max_import_w / W_PER_KW
    else:
        beyond_kw = -expected_kw - (ptu.max_export_w or 0) / W_PER_KW
    ptu.ordered_w = max(watt(beyond_kw), 0)
    ptu.save(update_fields=["ordered_w"])
