"""The simplest honest sizer: the (1 - r) order statistic of what dispatch could keep on recent windows."""

from collections import deque

from bidding.backtest.competitors import QUANTILE_DAYS, history_quantile_kw
from bidding.optimisation.interface import SizedBid, SizingContext, WindowOutcome
from bidding.optimisation.replayed_capacity import ReplayedCapacity


class RecentCapacitySizer:
    """Promises what dispatch would have kept in all but a share (1 - r) of the last windows. A yardstick for others."""

    def __init__(self, *, seed: int = 0) -> None:
        del seed  # nothing here is drawn
        self._capacity: deque[ReplayedCapacity] = deque(maxlen=QUANTILE_DAYS)

    def size(self, context: SizingContext) -> SizedBid:
        """Return the order statistic as a bid of the product."""
        past_kw = [capacity.at(context.most_risk) for capacity in self._capacity]
        power_kw = history_quantile_kw(past_kw, reliability=context.window.reliability)
        return SizedBid(context.window.product_bid_kw(power_kw), {"windows": len(past_kw)})

    def observe(self, outcome: WindowOutcome) -> None:
        """Remember what dispatch could keep."""
        self._capacity.append(outcome.capacity)
