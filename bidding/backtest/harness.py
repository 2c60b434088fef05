"""Walking forward through the data: bid with what is known, play the window, show what became of it.

Nothing here looks ahead on behalf of a bidder. A sizer and the competitors see an outcome only once all of it would
be known in the field, and a bid is never touched again. In the warm-up bids are made on paper: sizer and driver budget
learn from them, and nothing of it is reported.
"""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from time import perf_counter

import numpy as np

from bidding.backtest.competitors import COMPETITORS, competitor_power_kw
from bidding.backtest.options import BacktestOptions
from bidding.backtest.traits import charger_traits
from bidding.backtest.windows import BacktestWindow, Calendar
from bidding.dispatch.allocation.driver_budget import DriverBudget
from bidding.dispatch.allocation.urgency import DispatchPolicy, UrgencyPolicy
from bidding.forecast.outlook import OutlookModel
from bidding.forecast.sessions import SessionTable
from bidding.optimisation.interface import (
    ChargerTraits,
    SizedBid,
    Sizer,
    SizingContext,
    WindowOutcome,
    WindowSpec,
)
from bidding.optimisation.replayed_capacity import ReplayedCapacity
from bidding.replay.delivery import WindowPlay
from bidding.replay.fleet import window_fleet
from bidding.replay.perfect_information import perfect_information_kw

DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class PlayedBid:
    """One bid of one bidder and what became of it; without a bid nothing is called and nothing is lost."""

    bid_kw: float
    is_delivered: bool | None
    least_delivered_kw: float
    shortfall_kwh: float
    unserved_kwh: float


@dataclass(frozen=True, slots=True)
class WindowResult:
    """One evaluated window.

    Attributes:
        energy_kwh: what the drivers who came in the 24 hours to the window's end came for, to measure unserved
            energy against.
        capacity_kw: largest promise the dispatch policy would have kept.
        competitors: the same window for each competitor.
    """

    starts_s: int
    ends_s: int
    ours: PlayedBid
    explanation: SizedBid
    perfect_information_kw: float
    capacity_kw: float
    energy_kwh: float
    competitors: dict[str, PlayedBid]
    sizing_seconds: float


@dataclass(frozen=True, slots=True)
class _Known:
    outcome: WindowOutcome
    is_weekend: bool
    is_warm_up: bool


class WalkForward:
    """One run over one set; iterate `results` once.

    Args:
        sessions: the sessions of the set and category.
        calendar: its windows, from `windows.calendar`.
        options: the choices of the run.
        sizer: the bid model, new for this run.
        policy: builds what decides who waits in a window, from the most risk a driver may be put to.
    """

    def __init__(
        self,
        *,
        sessions: SessionTable,
        calendar: Calendar,
        options: BacktestOptions,
        sizer: Sizer,
        policy: Callable[[float], DispatchPolicy] = UrgencyPolicy,
    ) -> None:
        self._sessions = sessions
        self._calendar = calendar
        self._options = options
        self._sizer = sizer
        self._policy = policy
        self._outlooks = OutlookModel(sessions, timezone=options.timezone)
        self._traits = charger_traits(
            sessions.charger_ids,
            pause_floor_share=options.pause_floor_share,
            v2g_share=options.v2g_share,
            seed=options.seed,
        )
        self._drivers = DriverBudget()
        self._energy_kwh = np.concatenate([[0.0], np.cumsum(sessions.energy_kwh)])
        self._pending: deque[_Known] = deque()
        self._past_kw: dict[bool, list[float]] = {False: [], True: []}

    def results(self) -> Iterator[WindowResult | None]:
        """Yield one result per window in order of time, None for windows of the warm-up."""
        for window in self._calendar.windows:
            yield self._walk(window)

    def _walk(self, window: BacktestWindow) -> WindowResult | None:
        spec = self._spec(window)
        now_s = window.starts_s - int(self._options.lead.total_seconds())
        self._show_known(now_s)
        began = perf_counter()
        sized = self._sizer.size(self._context(spec, now_s))
        sizing_s = perf_counter() - began
        power_kw = competitor_power_kw(self._past_kw[window.is_weekend], reliability=spec.reliability)

        fleet = window_fleet(self._sessions, window=spec, traits=self._traits, prices=self._options.prices)
        best_kw = perfect_information_kw(fleet, direction=spec.direction)
        rows = self._sessions.rows_present(window.starts_s, window.ends_s)
        most_risk = self._drivers.most_risk_to_keep
        play = WindowPlay(
            fleet=fleet,
            outlook=self._outlooks.of(rows, now_s=window.starts_s),
            policy=self._policy(most_risk),
            direction=spec.direction,
            baseline=spec.baseline,
        )
        capacity = self._capacity(play, best_kw, most_risk)
        ours = _play(play, sized.bid_kw)
        self._remember(window, play, ours, capacity, best_kw)
        if window.is_warm_up:
            return None
        return WindowResult(
            starts_s=window.starts_s,
            ends_s=window.ends_s,
            ours=ours,
            explanation=sized,
            perfect_information_kw=best_kw,
            capacity_kw=capacity.at(most_risk),
            energy_kwh=self._came_for_kwh(window),
            competitors={name: _play(play, spec.product_bid_kw(power_kw[name])) for name in COMPETITORS},
            sizing_seconds=sizing_s,
        )

    def _capacity(self, play: WindowPlay, best_kw: float, most_risk: float) -> ReplayedCapacity:
        """Return what the policy would have kept; an increase puts no driver to a risk, so no limit changes it."""
        if self._options.direction == "increase":
            return ReplayedCapacity.constant(play.capacity_kw(best_kw))
        return ReplayedCapacity.replay(
            lambda risk, likely_kw: replace(play, policy=self._policy(risk)).capacity_kw(best_kw, likely_kw=likely_kw),
            also=most_risk,
        )

    def _spec(self, window: BacktestWindow) -> WindowSpec:
        return WindowSpec(
            starts_s=window.starts_s,
            ends_s=window.ends_s,
            direction=self._options.direction,
            baseline=self._options.baseline,
            reliability=self._options.reliability,
            min_bid_kw=self._options.min_bid_kw,
            step_kw=self._options.step_kw,
        )

    def _context(self, spec: WindowSpec, now_s: int) -> SizingContext:
        history = self._sessions.completed_before(now_s)
        plugged_in = self._sessions.plugged_in_at(now_s)
        set_s = self._calendar.set_plug_in_s
        known = max(history.n_chargers, int(plugged_in.charger.max(initial=-1)) + 1)
        timezone, prices = self._options.timezone, self._options.prices
        return SizingContext(
            now_s=now_s,
            window=spec,
            history=history,
            plugged_in=plugged_in,
            traits=ChargerTraits(floor_kw=self._traits.floor_kw[:known], v2g=self._traits.v2g[:known]),
            timezone=timezone,
            reported_s=set_s[: np.searchsorted(set_s, now_s, side="right")],
            prices=None if prices is None else prices.published_by(now_s, timezone=timezone),
            outdoor_c=self._options.outdoor_c,
            most_risk=self._drivers.most_risk,
        )

    def _came_for_kwh(self, window: BacktestWindow) -> float:
        """Return the energy of the sessions that began in the 24 hours to the window's end."""
        rows = np.searchsorted(self._sessions.plug_in_s, [window.ends_s - DAY_S, window.ends_s])
        return float(self._energy_kwh[rows[1]] - self._energy_kwh[rows[0]])

    def _show_known(self, now_s: int) -> None:
        """Show the outcomes that are known by now, in order of time; one still open holds back the later ones."""
        while self._pending and self._pending[0].outcome.known_at_s <= now_s:
            known = self._pending.popleft()
            self._sizer.observe(known.outcome)
            self._past_kw[known.is_weekend].append(known.outcome.perfect_information_kw)
            if known.outcome.bid_kw > 0 or not known.is_warm_up:
                self._drivers.record(unserved_kwh=known.outcome.unserved_kwh, energy_kwh=known.outcome.energy_kwh)

    def _remember(
        self, window: BacktestWindow, play: WindowPlay, ours: PlayedBid, capacity: ReplayedCapacity, best_kw: float
    ) -> None:
        """Keep the outcome until it is known."""
        outcome = WindowOutcome(
            starts_s=window.starts_s,
            known_at_s=play.fleet.known_at_s,
            bid_kw=ours.bid_kw,
            is_delivered=ours.is_delivered,
            capacity=capacity,
            most_risk=self._drivers.most_risk_to_keep,
            perfect_information_kw=best_kw,
            unserved_kwh=ours.unserved_kwh,
            energy_kwh=self._came_for_kwh(window),
        )
        self._pending.append(_Known(outcome=outcome, is_weekend=window.is_weekend, is_warm_up=window.is_warm_up))


def _play(play: WindowPlay, bid_kw: float) -> PlayedBid:
    if bid_kw <= 0:
        return PlayedBid(0.0, None, 0.0, 0.0, 0.0)
    delivery = play.deliver(bid_kw)
    return PlayedBid(
        bid_kw=bid_kw,
        is_delivered=delivery.keeps(bid_kw),
        least_delivered_kw=delivery.least_kw,
        shortfall_kwh=delivery.shortfall_kwh(bid_kw, ptu_h=play.fleet.ptu_h),
        unserved_kwh=delivery.unserved_kwh,
    )
