"""The simplest honest sizer: the (1 - r) order statistic of what dispatch could keep on recent windows."""

from collections import deque

from bidding.backtest.competitors import QUANTILE_DAYS, history_quantile_kw
from bidding.optimisation.interface import SizedBid, SizingContext, WindowOutcome


class RecentCapacitySizer:
    """Promises what dispatch would have kept in all but a share (1 - r) of the last windows. A yardstick for others."""

    def __init__(self, *, seed: int = 0) -> None:
        del seed  # nothing here is drawn
        self._capacity_kw: deque[float] = deque(maxlen=QUANTILE_DAYS)

    def size(self, context: SizingContext) -> SizedBid:
        """Return the order statistic as a bid of the product."""
        power_kw = history_quantile_kw(list(self._capacity_kw), reliability=context.window.reliability)
        return SizedBid(context.window.product_bid_kw(power_kw), {"windows": len(self._capacity_kw)})

    def observe(self, outcome: WindowOutcome) -> None:
        """Remember what dispatch could keep."""
        self._capacity_kw.append(outcome.capacity_kw)
