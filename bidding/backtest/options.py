"""The choices of one backtest, checked once."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from math import inf
from typing import Literal
from zoneinfo import ZoneInfo

from bidding.forecast.baselines import PriceCurve
from bidding.optimisation.interface import BaselineKind, Direction

Days = Literal["weekdays", "weekends", "all"]

MINUTES_PER_DAY = 24 * 60
PTU_MINUTES = 15
LONGEST_LEAD = timedelta(days=365)
CLOSEST_TO_SURE = 1e-6
"""No record tells a promise from certainty any closer."""


@dataclass(frozen=True, slots=True)
class LocalWindow:
    """A daily block in local wall-clock minutes; `ends` at or before `starts` means the next day."""

    starts_minute: int
    ends_minute: int

    def __post_init__(self) -> None:
        for minute in (self.starts_minute, self.ends_minute):
            if minute % PTU_MINUTES or not 0 <= minute <= MINUTES_PER_DAY:
                raise ValueError("A window starts and ends on quarter hours between 00:00 and 24:00.")


@dataclass(frozen=True, slots=True)
class BacktestOptions:
    """What is replayed and how; see `manage.py backtest --help` for the meaning of each.

    Raises:
        ValueError: a value is out of range, or the price baseline has no prices.
    """

    timezone: str = "Europe/Amsterdam"
    window: LocalWindow = LocalWindow(17 * 60, 19 * 60)
    days: Days = "weekdays"
    direction: Direction = "reduce"
    reliability: float = 0.9
    lead: timedelta = timedelta(hours=4)
    baseline: BaselineKind = "arrival"
    prices: PriceCurve | None = None
    outdoor_c: Mapping[int, float] | None = None
    pause_floor_share: float = 0.0
    v2g_share: float = 0.0
    warm_up: timedelta = timedelta(days=60)
    min_bid_kw: float = 1.0
    step_kw: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        ZoneInfo(self.timezone)
        if not CLOSEST_TO_SURE <= self.reliability <= 1 - CLOSEST_TO_SURE:
            raise ValueError(
                f"Reliability lies between 0 and 1, a millionth or more from either; it is {self.reliability}."
            )
        for name, share in (("pause-floor", self.pause_floor_share), ("v2g", self.v2g_share)):
            if not 0 <= share <= 1:
                raise ValueError(f"The {name} fraction lies in 0..1, not {share}.")
        if not (0 < self.step_kw < inf and 0 <= self.min_bid_kw < inf):
            raise ValueError("The bid step is above zero and the minimum bid not below it, both finite.")
        if self.lead < timedelta(0) or self.warm_up < timedelta(0):
            raise ValueError("Lead and warm-up are not negative.")
        if self.lead > LONGEST_LEAD:
            raise ValueError(f"Lead is at most {LONGEST_LEAD.days} days, not {self.lead.days}.")
        if self.seed < 0:
            raise ValueError(f"The seed is not negative: {self.seed} is.")
        if self.baseline == "price" and self.prices is None:
            raise ValueError("The price baseline needs prices: give a file of day-ahead prices.")
