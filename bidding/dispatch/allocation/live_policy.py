"""How activations are dispatched: the policy itself, and all of it as sizing rehearses it on past windows."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bidding.dispatch.allocation.driver_budget import KEEPING_FACTOR
from bidding.dispatch.allocation.tranches import Tranches
from bidding.dispatch.allocation.urgency import DispatchPolicy, UrgencyPolicy
from bidding.dispatch.allocation.view import DispatchView
from bidding.optimisation.interface import Direction

Floats = NDArray[np.float64]

LIVE_SAFETY = 1.0
"""Standard deviations of room for drivers, half of what a plan without a loop keeps: a miss is found in two minutes."""

LEAST_RESERVE_SHARE = 0.05
"""Asked beyond an order of a fleet that always follows: what its forecast errs by."""


@dataclass(frozen=True, slots=True)
class Reserved:
    """Wraps a policy: asks a share more than was promised, as every plan does."""

    policy: DispatchPolicy
    share: float

    def powers_kw(self, view: DispatchView, *, direction: Direction, promise_kw: float) -> Floats:
        """Return the power asked of each car for one PTU."""
        return self.policy.powers_kw(view, direction=direction, promise_kw=promise_kw * (1.0 + self.share))


def live_policy(most_risk: float) -> UrgencyPolicy:
    """Return what keeps a promise that was sized with `most_risk`: with some more of it."""
    return UrgencyPolicy(most_risk=KEEPING_FACTOR * most_risk, safety=LIVE_SAFETY)


def rehearsed_policy(most_risk: float) -> Reserved:
    """Return what `decision.decide` does with cars that all follow, at the risk that a bid counts on.

    Those that do not follow are for dispatch to find and replace.
    """
    return Reserved(Tranches(UrgencyPolicy(most_risk=most_risk, safety=LIVE_SAFETY)), LEAST_RESERVE_SHARE)
