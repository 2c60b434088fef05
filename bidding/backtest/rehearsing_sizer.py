"""The live path as a bid model of the backtest, so that the two can be held against each other.

The service keeps no record of windows it did not bid in: it rehearses past windows for every bid (`rehearsal`). The
backtest's own model learns from windows as they pass (`CalibratedSizer`). On the same sessions both should bid alike.
"""

from collections.abc import Callable

from bidding.dispatch.allocation.urgency import DispatchPolicy, UrgencyPolicy
from bidding.forecast.near_stays import NearStays
from bidding.forecast.stays import StayModels
from bidding.forecast.window_forecast import ChargerGroup
from bidding.optimisation.interface import SizedBid, SizingContext, WindowOutcome
from bidding.optimisation.sizing import SCENARIOS, size_window
from bidding.optimisation.track_record import PlacedBid


class RehearsingSizer:
    """Sizes every bid as the service does: from history and cars plugged in, with the outcomes of its own bids."""

    def __init__(
        self,
        *,
        seed: int = 0,
        scenarios: int = SCENARIOS,
        stays: StayModels = NearStays,
        policy: Callable[[float], DispatchPolicy] = UrgencyPolicy,
    ) -> None:
        self._seed = seed
        self._scenarios = scenarios
        self._stays = stays
        self._policy = policy
        self._placed: list[PlacedBid] = []

    def size(self, context: SizingContext) -> SizedBid:
        """Return the bid for a window."""
        self._reliability = context.window.reliability
        return size_window(
            window=context.window,
            now_s=context.now_s,
            timezone=context.timezone,
            groups=[
                ChargerGroup(
                    name="chargers",
                    history=context.history,
                    plugged_in=context.plugged_in,
                    traits=context.traits,
                    stays=self._stays,
                    reported_s=context.reported_s,
                )
            ],
            scenarios=self._scenarios,
            seed=self._seed,
            policy=self._policy(context.most_risk),
            prices=context.prices,
            outdoor_c=context.outdoor_c,
            placed=self._placed,
        )

    def observe(self, outcome: WindowOutcome) -> None:
        """Remember what became of a bid."""
        if outcome.is_delivered is not None:
            self._placed.append(
                PlacedBid(outcome.starts_s, outcome.bid_kw, self._reliability, is_kept=outcome.is_delivered)
            )
