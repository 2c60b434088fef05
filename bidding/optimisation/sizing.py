"""How much to promise: scenarios of the window, corrected by what was realised before, rounded to the product.

`size_window` sizes one bid for any mix of assets:

    bid = size_window(
        window=WindowSpec(...),                       # block, direction, reliability, minimum and step
        now_s=...,                                    # bidding time, UTC epoch seconds
        timezone="Europe/Amsterdam",
        groups=[ChargerGroup(name="public", history=..., plugged_in=..., traits=...), ...],
        contributions=[Contribution(name="battery", power_kw=np.array([...]))],   # per PTU, or (K, T) scenarios
        calibrator=...,                               # None: calibrated on the groups' own past (`calibrate_on_past`)
        seed=...,
    )

- A `ChargerGroup` is a category of chargers: completed sessions, the cars plugged in now, and per charger whether it
  can pause (`floor_kw`), and whether it is V2G. The rated power comes with each session. All groups of one call share
  the days a scenario is drawn from, so what hits the public chargers on a day hits the home chargers as well.
- A `Contribution` is power that does not depend on sessions (battery, buses, heat pumps): kW per PTU (T,) when it is
  certain, or (K, T) equally likely cases, drawn independently of the rest.
- `Calibrator` holds forecasts with their outcomes. Keep one per aggregation EAN, lead and direction: after each
  window call `learn(ReliabilityCurve(explanation["scenarios_kw"]), realised_kw=...)`.

`CalibratedSizer` is the same behind the `Sizer` protocol of the backtest.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aggregator.core.words import counted
from bidding.dispatch.allocation.driver_budget import FIRST_RISK
from bidding.dispatch.allocation.live_policy import rehearsed_policy
from bidding.dispatch.allocation.urgency import DispatchPolicy
from bidding.forecast.baselines import PriceCurve
from bidding.forecast.near_stays import NearStays
from bidding.forecast.stays import StayModels
from bidding.forecast.window_forecast import ChargerGroup, ForecastWindow, WindowForecast, forecast_window
from bidding.optimisation.calibration import FEWEST_WINDOWS, Calibrator, Margin
from bidding.optimisation.explanation import (
    PROBABILITIES,
    Explanation,
    Limit,
    WorstScenarios,
    bid_reason,
    limited_by,
    main_limit,
    no_bid_allowed,
)
from bidding.optimisation.interface import SizedBid, SizingContext, WindowOutcome, WindowSpec
from bidding.optimisation.rehearsal import calibrate_on_past, window_rng
from bidding.optimisation.rehearsal_memory import RehearsalMemory
from bidding.optimisation.reliability_curve import ReliabilityCurve
from bidding.optimisation.track_record import PlacedBid
from bidding.optimisation.without_sessions import size_without_sessions

Floats = NDArray[np.float64]

SCENARIOS = 400
"""Enough that the 1 % order statistic is the fourth of them, and a window still takes milliseconds."""

JUST_BELOW = 0.999

FIRST_POLICY = rehearsed_policy(FIRST_RISK)
"""For a group of whose drivers nothing is on record yet."""

REMEMBERED_WINDOWS = 150
"""Half a year of weekdays: the longest record a level is judged by, and what its scores were corrected with."""


@dataclass(frozen=True, slots=True, eq=False)
class Contribution:
    """Power of assets without sessions: kW per PTU, shape (T,), or (K, T) equally likely cases."""

    name: str
    power_kw: Floats


class ContributionShapeError(ValueError):
    """A contribution does not have one value per PTU of the window."""


def size_window(
    *,
    window: WindowSpec,
    now_s: int,
    timezone: str,
    groups: Sequence[ChargerGroup],
    contributions: Sequence[Contribution] = (),
    calibrator: Calibrator | None = None,
    scenarios: int = SCENARIOS,
    seed: int = 0,
    policy: DispatchPolicy = FIRST_POLICY,
    prices: PriceCurve | None = None,
    outdoor_c: Mapping[int, float] | None = None,
    placed: Sequence[PlacedBid] = (),
    margin_history: tuple[float, ...] = (),
    memory: RehearsalMemory | None = None,
) -> SizedBid:
    """Return the largest bid of the product that is kept with the window's reliability, and why.

    Args:
        window: the product.
        now_s: bidding time, UTC epoch seconds; nothing in `groups` may be later.
        timezone: IANA name in which days repeat.
        groups: chargers by category.
        contributions: power of other assets.
        calibrator: forecasts with outcomes; None rehearses past windows on the groups' own history.
        policy: how the window will be dispatched, for the rehearsals; within the group's limit on drivers' risk.
        scenarios: number of scenarios.
        seed: same seed, same bid.
        prices: day-ahead prices when the window's baseline is `price`.
        outdoor_c: mean outdoor temperature by local day number, for fleets whose use follows the weather.
        placed: earlier bids with their outcome, oldest first; broken promises lower the level of the next.
        margin_history: shares of the corrected scenarios below earlier promises, for the explanation.
        memory: of rehearsals; what it holds of today is not played again.

    Raises:
        ContributionShapeError: a contribution does not fit the window.
    """
    asked = _asked(window, now_s=now_s, timezone=timezone, prices=prices)
    rng = window_rng(seed, asked)
    added = {item.name: _drawn_kw(item, steps=asked.steps, scenarios=scenarios, rng=rng) for item in contributions}
    if not groups and added:
        return size_without_sessions(window, added, placed=placed)
    forecast = forecast_window(groups, asked, scenarios=scenarios, rng=rng, outdoor_c=outdoor_c)
    if calibrator is None:
        others_kw = np.sum(list(added.values()), axis=0) if added else 0.0
        calibrator = calibrate_on_past(
            groups,
            window,
            asked,
            policy=policy,
            scenarios=scenarios,
            seed=seed,
            others_kw=others_kw,
            outdoor_c=outdoor_c,
            memory=memory,
        )
    for bid in placed:
        calibrator.record_bid(reliability=bid.reliability, is_kept=bid.is_kept)
    return _size(
        window=window,
        forecast=forecast,
        contributions_kw=added,
        calibrator=calibrator,
        margin_history=margin_history,
    )


def _size(
    *,
    window: WindowSpec,
    forecast: WindowForecast | None,
    contributions_kw: dict[str, Floats],
    calibrator: Calibrator,
    margin_history: tuple[float, ...] = (),
) -> SizedBid:
    """Turn scenarios into a bid; without a forecast there is none."""
    if forecast is None:
        return SizedBid(0.0, {"reason": "No bid: too few comparable days on record.", "limited_by": "history"})
    room = forecast.room(np.sum(list(contributions_kw.values()), axis=0) if contributions_kw else 0.0)
    curve = ReliabilityCurve.of(room.least_kw)
    margin, *others = calibrator.margins(
        curve, reliabilities=(window.reliability, *PROBABILITIES), product_bids_kw=window.product_bids_kw
    )
    power_kw = margin.power_kw(curve)
    bid_kw = window.product_bid_kw(power_kw)
    worst = WorstScenarios(forecast, room, contributions_kw)
    power = worst.limiting_power()
    main: Limit = "maximum_bid" if power_kw > window.max_bid_kw else main_limit(power)
    reason, limit = _reason(bid_kw, margin, main, window)
    explanation = Explanation(
        reason=reason,
        power_kw=round(power_kw, 3),
        reliability=window.reliability,
        scenarios=len(curve.scenarios_kw),
        past_days=len(forecast.days),
        effective_days=round(forecast.days.effective_days, 1),
        curve=tuple(
            (probability, round(other.power_kw(curve), 3))
            for probability, other in zip(PROBABILITIES, others, strict=True)
        ),
        scenarios_kw=curve.scenarios_kw,
        categories=worst.category_shares(),
        limited_by=limit,
        power=power,
        margin=margin,
        margin_history=margin_history,
    )
    return SizedBid(bid_kw, explanation.to_json())


def _asked(window: WindowSpec, *, now_s: int, timezone: str, prices: PriceCurve | None) -> ForecastWindow:
    return ForecastWindow(
        now_s=now_s,
        starts_s=window.starts_s,
        ends_s=window.ends_s,
        direction=window.direction,
        timezone=timezone,
        ptu_s=window.ptu_s,
        prices=prices if window.baseline == "price" else None,
    )


def _drawn_kw(item: Contribution, *, steps: int, scenarios: int, rng: np.random.Generator) -> Floats:
    """Return a contribution per scenario, (S, T)."""
    cases_kw = np.atleast_2d(np.asarray(item.power_kw, dtype=np.float64))
    if cases_kw.ndim != 2 or cases_kw.shape[1] != steps:  # noqa: PLR2004 - cases by PTUs
        raise ContributionShapeError(
            f"Contribution {item.name!r} has shape {np.shape(item.power_kw)} and the window {steps} PTUs; "
            "give one value per PTU, or one row of them per case."
        )
    return np.asarray(cases_kw[rng.integers(len(cases_kw), size=scenarios)])


def _reason(bid_kw: float, margin: Margin, limit: Limit, window: WindowSpec) -> tuple[str, Limit]:
    if bid_kw > 0:
        return bid_reason(bid_kw, window, limit), limit
    if window.max_bid_kw < window.least_bid_kw:
        return no_bid_allowed(window), "maximum_bid"
    if margin.windows < FEWEST_WINDOWS:
        return f"No bid: only {counted(margin.windows, 'window')} with a known outcome to calibrate on.", "history"
    if margin.root_shift is None and margin.windows_with_bid < FEWEST_WINDOWS:
        seldom = f"in only {margin.windows_with_bid} of {margin.windows} known windows; {limited_by(limit)}"
        return f"No bid: {window.least_bid_kw:g} kW would have been sure enough {seldom}.", "minimum_bid"
    if margin.root_shift is None:
        return f"No bid: by its own record no level keeps {window.reliability:.1%}.", "record"
    return f"No bid: less than {window.least_bid_kw:g} kW is sure enough; {limited_by(limit)}.", "minimum_bid"


def _realised_kw(outcome: WindowOutcome, *, most_risk: float) -> float:
    """Return what could be relied on: the capacity, but less than a bid that was broken although it was within it.

    Dispatch holds no more cars than a promise takes, so a small promise can fail where a larger one would not have. A
    bid beyond the capacity of its day says nothing that the capacity does not say.
    """
    capacity_kw = outcome.capacity.at(most_risk)
    if outcome.is_delivered is False and outcome.bid_kw <= outcome.capacity.at(outcome.most_risk):
        return min(capacity_kw, JUST_BELOW * outcome.bid_kw)
    return capacity_kw


@dataclass(frozen=True, slots=True)
class _Sized:
    """A window's forecast, and how many of the windows sized before it were known when it was made."""

    curve: ReliabilityCurve
    known: int
    reliability: float


@dataclass(frozen=True, slots=True)
class _Learnt:
    """A forecast with its outcome."""

    sized: _Sized
    outcome: WindowOutcome


class CalibratedSizer:
    """The bid model behind the `Sizer` protocol: forecasts each window, learns from each outcome.

    What past windows could have kept is read off anew for every bid, at the limit on risk of its dispatch.
    """

    def __init__(self, *, seed: int = 0, scenarios: int = SCENARIOS, stays: StayModels = NearStays) -> None:
        self._seed = seed
        self._stays = stays
        self._scenarios = scenarios
        self._sized: dict[int, _Sized] = {}
        self._learnt: list[_Learnt] = []
        self._margins: list[float] = []

    def size(self, context: SizingContext) -> SizedBid:
        """Return the bid for a window."""
        group = ChargerGroup(
            name="chargers",
            history=context.history,
            plugged_in=context.plugged_in,
            traits=context.traits,
            stays=self._stays,
            reported_s=context.reported_s,
        )
        asked = _asked(context.window, now_s=context.now_s, timezone=context.timezone, prices=context.prices)
        forecast = forecast_window(
            [group],
            asked,
            scenarios=self._scenarios,
            rng=window_rng(self._seed, asked),
            outdoor_c=context.outdoor_c,
        )
        if forecast is not None:
            self._sized[asked.starts_s] = _Sized(
                curve=ReliabilityCurve.of(forecast.room().least_kw),
                known=len(self._learnt),
                reliability=context.window.reliability,
            )
        bid = _size(
            window=context.window,
            forecast=forecast,
            contributions_kw={},
            calibrator=self._calibrator(context.most_risk),
            margin_history=tuple(self._margins),
        )
        margin = bid.explanation.get("margin")
        if isinstance(margin, dict):
            self._margins.append(round(margin["miss_share"], 5))
        return bid

    def observe(self, outcome: WindowOutcome) -> None:
        """Remember what became of a window; one with too little history to be forecast teaches nothing."""
        sized = self._sized.pop(outcome.starts_s, None)
        if sized is not None:
            self._learnt.append(_Learnt(sized, outcome))

    def _calibrator(self, most_risk: float) -> Calibrator:
        """Return a calibrator that has seen the last windows under today's limit on risk."""
        calibrator = Calibrator()
        first = max(len(self._learnt) - REMEMBERED_WINDOWS, 0)
        for learnt in self._learnt[first:]:
            calibrator.learn(
                learnt.sized.curve,
                realised_kw=_realised_kw(learnt.outcome, most_risk=most_risk),
                known=max(learnt.sized.known - first, 0),
            )
        for learnt in self._learnt:
            if learnt.outcome.is_delivered is not None:
                calibrator.record_bid(reliability=learnt.sized.reliability, is_kept=learnt.outcome.is_delivered)
        return calibrator
