"""What a past window could have kept, under each limit on the risk a driver may be put to.

The limit moves with what drivers really lost (`driver_budget`). A record of capacities under the limits of their own
days is a record of different products: the sizer would be surprised by a limit, not by the field. So past windows are
replayed under several limits, and read off at the limit that the next window will be dispatched with.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bidding.dispatch.allocation.driver_budget import LOWEST_RISK

REPLAYED_RISKS = (LOWEST_RISK, 0.18, 0.6)
"""Limits to replay, about evenly spaced by their logarithm; from the lowest, as nothing can be read off below it."""


@dataclass(frozen=True, slots=True)
class ReplayedCapacity:
    """Largest promise kept [kW] by limit on risk, ascending."""

    most_risk: tuple[float, ...]
    capacity_kw: tuple[float, ...]

    @classmethod
    def constant(cls, capacity_kw: float) -> "ReplayedCapacity":
        """Return a capacity that no limit changes."""
        return cls((1.0,), (capacity_kw,))

    @classmethod
    def replay(cls, capacity_kw_at: Callable[[float, float], float], *, also: float) -> "ReplayedCapacity":
        """Replay a window under `REPLAYED_RISKS` and under the limit it was dispatched with.

        Args:
            capacity_kw_at: takes a limit on risk, and the capacity under the limit below it, likely the same.
            also: the limit it was dispatched with.
        """
        risks = tuple(sorted({*REPLAYED_RISKS, also}))
        capacities_kw: list[float] = []
        for risk in risks:
            capacities_kw.append(capacity_kw_at(risk, capacities_kw[-1] if capacities_kw else 0.0))
        return cls(risks, tuple(capacities_kw))

    def at(self, most_risk: float) -> float:
        """Return the capacity under a limit, between replays in proportion to its logarithm [kW]."""
        return float(np.interp(np.log(most_risk), np.log(self.most_risk), self.capacity_kw))
