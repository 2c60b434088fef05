"""How much of an order was missed, quarter hour by quarter hour, and why: the causes add up to the whole."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from aggregator.core.ptu import PTU, ptu_start
from bidding.dispatch.allocation.shortfall import UNEXPLAINED, attributed_w
from bidding.models import Activation, ActivationSample, Cause

W_PER_KW = 1_000
PTU_H = PTU / timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class PtuShortfall:
    """One PTU; powers are means over it. `causes_w` adds up to `missing_w`."""

    ptu_start: datetime
    ordered_w: int
    delivered_w: int
    missing_w: int
    causes_w: Mapping[str, int]


def shortfalls(activation: Activation, *, delivered_w: Mapping[datetime, int] | None = None) -> list[PtuShortfall]:
    """Return what was missed in each PTU with its causes.

    Args:
        activation: running or over.
        delivered_w: metered delivery by PTU, as settlement has it; without it, the mean of the loop's samples counts.
    """
    samples: dict[datetime, list[ActivationSample]] = defaultdict(list)
    for sample in activation.samples.order_by("at"):
        samples[ptu_start(sample.at)].append(sample)
    rows = []
    for ptu in activation.ptus.order_by("ptu_start"):
        seen = samples.get(ptu.ptu_start, [])
        found_w = (delivered_w or {}).get(ptu.ptu_start)
        if found_w is None:
            found_w = round(sum(sample.delivered_w for sample in seen) / len(seen)) if seen else 0
        missing_w = max(ptu.least_w - found_w, 0) if ptu.is_called else 0
        causes_w = attributed_w(missing_w=missing_w, lost_w=_mean_lost(seen))
        rows.append(PtuShortfall(ptu.ptu_start, ptu.ordered_w, found_w, missing_w, causes_w))
    return rows


def cause_label(cause: str) -> str:
    """Return a cause as a person reads it."""
    return "More consumption than expected" if cause == UNEXPLAINED else Cause(cause).label


def shortfall_note(activation: Activation) -> str:
    """Return the shortfall in a sentence, by the loop's own samples; empty when nothing was missed."""
    rows = shortfalls(activation)
    missed = [row for row in rows if row.missing_w]
    if not missed:
        return ""
    causes: Counter[str] = Counter()
    for row in missed:
        causes.update(row.causes_w)
    missing_w, ordered_w = (sum(getattr(row, name) for row in rows) for name in ("missing_w", "ordered_w"))
    why = "; ".join(
        f"{cause_label(cause).lower()} {100 * watts / missing_w:.0f} %" for cause, watts in causes.most_common()
    )
    what = (
        f"{100 * missing_w / ordered_w:.1f} % of the ordered energy was missed"
        if ordered_w
        else f"Nothing was ordered, but a limit was passed by {missing_w / W_PER_KW * PTU_H:,.1f} kWh"
    )
    return f"{what} in {len(missed)} of {len(rows)} quarter hours, by the states the assets reported: {why}."


def _mean_lost(samples: list[ActivationSample]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for sample in samples:
        total.update(sample.lost_by_cause)
    return {cause: round(watts / len(samples)) for cause, watts in total.items()}
