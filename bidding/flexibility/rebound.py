"""What comes after a reduction: the energy that was put off is taken later, and must not make a new peak.

Evidence for the need: price-optimised home charging doubles the evening peak at night (arXiv 2501.15946), heat pumps
draw far more after a two-hour stop, and a pool of 100 lost nearly all its flexibility when no rebound was allowed
(Georges et al. 2017).
"""

from collections.abc import Sequence
from decimal import Decimal

import numpy as np
from numpy.typing import ArrayLike

from bidding.flexibility import lp
from bidding.flexibility.corridor import Corridor
from bidding.flexibility.ul import Floats

KWH_PER_MWH = 1000


def max_reduce_with_rebound_kw(
    *,
    corridor: Corridor,
    baseline_kw: ArrayLike,
    step_hours: float,
    window: slice,
    rebound_share: float,
    rebound_hours: float = 6.0,
) -> float:
    """Most power by which the fleet can stay below its baseline in the window with its return capped.

    In the `rebound_hours` after the window consumption may exceed the baseline by at most `rebound_share` times the
    power promised. The horizon must reach that far; energy that comes later is not capped.

    Args:
        corridor: Devices (n, T) over window and return.
        baseline_kw: Sum over devices (T,).
        step_hours: Length of a step.
        window: Steps in which the power is promised.
        rebound_share: 0 allows no return above the baseline, 1 as much as was promised.
        rebound_hours: How long the cap holds.

    Raises:
        lp.InfeasibleFleetError: the baseline itself cannot be followed.
    """
    steps = np.arange(corridor.steps)
    promised = (steps >= window.start) & (steps < window.stop)
    returning = (steps >= window.stop) & (steps < window.stop + round(rebound_hours / step_hours))
    baseline = np.broadcast_to(np.asarray(baseline_kw, np.float64), (corridor.steps,))
    return lp.solve_fleet(
        corridor=corridor,
        step_hours=step_hours,
        aggregate_max_kw=np.where(promised | returning, baseline, np.inf),
        z_weight=promised - rebound_share * returning,
        z_cost=1.0,
        maximise=True,
    ).z_kw


def rebound_cost_eur(
    *, profile_kw: Floats, baseline_kw: Floats, price_eur_per_mwh: Sequence[Decimal], step_hours: float
) -> Decimal:
    """What the shifted energy costs more than the baseline: Σ (profile - baseline)·Δt·price; negative is a saving."""
    shifted_kwh = (np.asarray(profile_kw) - np.asarray(baseline_kw)) * step_hours
    return (
        sum(
            (
                Decimal(repr(float(energy))) * price
                for energy, price in zip(shifted_kwh, price_eur_per_mwh, strict=True)
            ),
            start=Decimal(0),
        )
        / KWH_PER_MWH
    )


def rebound_price_eur_per_mwh(
    *,
    profile_kw: Floats,
    baseline_kw: Floats,
    price_eur_per_mwh: Sequence[Decimal],
    step_hours: float,
    window: slice,
) -> Decimal:
    """Least price for the energy reduced in the window that pays for its return; the bid's floor.

    Raises:
        ValueError: nothing is reduced in the window.
    """
    reduced_kwh = float(np.sum(np.asarray(baseline_kw)[window] - np.asarray(profile_kw)[window])) * step_hours
    if reduced_kwh <= 0:
        raise ValueError("the profile reduces nothing in the window, so its return has no price per MWh")
    cost = rebound_cost_eur(
        profile_kw=profile_kw, baseline_kw=baseline_kw, price_eur_per_mwh=price_eur_per_mwh, step_hours=step_hours
    )
    return cost * KWH_PER_MWH / Decimal(repr(reduced_kwh))
