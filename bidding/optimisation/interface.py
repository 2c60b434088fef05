"""What a sizer is asked and what it answers: the seam between the backtest (or the live pipeline) and the bid model.

A sizer sees a `SizingContext`, which holds only what is known at bidding time, and returns a `SizedBid`. Later it is
shown the `WindowOutcome`, never before everything in it would be known in the field. A sizer is built once per run as
`Sizer(seed=...)` and is asked window after window in order of time; it may keep state between windows.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from bidding.forecast.baselines import PriceCurve
from bidding.forecast.sessions import PluggedIn, SessionTable
from bidding.optimisation.replayed_capacity import ReplayedCapacity

BID_DECIMALS = 9
"""A bid [kW] is rounded to as many, so that three steps of 0.1 are 0.3 and not 0.30000000000000004."""

Direction = Literal["reduce", "increase"]
BaselineKind = Literal["arrival", "price"]


@dataclass(frozen=True, slots=True, eq=False)
class ChargerTraits:
    """What the cars at each charger can do; arrays of shape (chargers,), indexed by charger number.

    Attributes:
        floor_kw: power below which a car that cannot pause never goes while it still charges; 0 when it can pause.
        v2g: whether the car may discharge what it has charged in its session (never below its charge on arrival).
    """

    floor_kw: NDArray[np.float64]
    v2g: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class WindowSpec:
    """The product to size: one block [starts_s, ends_s) in which every PTU must reach the bid.

    Attributes:
        starts_s: UTC epoch seconds, on a PTU boundary.
        ends_s: UTC epoch seconds, on a PTU boundary, exclusive.
        direction: `reduce` or `increase` of consumption against the baseline.
        baseline: `arrival` (full power from plug-in until the energy is in) or `price` (cheapest PTUs of the stay).
        reliability: probability that a bid placed is delivered in every PTU, in (0, 1).
        min_bid_kw: below this there is no bid.
        step_kw: bids are whole multiples of this.
        max_bid_kw: bids are never above this, whatever could be delivered.
        ptu_s: length of a PTU [s].
    """

    starts_s: int
    ends_s: int
    direction: Direction
    baseline: BaselineKind
    reliability: float
    min_bid_kw: float
    step_kw: float
    max_bid_kw: float = inf
    ptu_s: int = 900

    @property
    def edges_s(self) -> NDArray[np.int64]:
        """PTU boundaries of the window, shape (ptus + 1,)."""
        return np.arange(self.starts_s, self.ends_s + 1, self.ptu_s, dtype=np.int64)

    @property
    def least_bid_kw(self) -> float:
        """The smallest bid of this product."""
        return max(self.min_bid_kw, self.step_kw)

    def product_bids_kw(self, power_kw: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the largest bids of this product that are not above powers: whole steps, zero under the minimum."""
        steps = np.floor(np.minimum(power_kw, self.max_bid_kw) / self.step_kw + 1e-9)
        bids_kw = np.round(steps * self.step_kw, BID_DECIMALS)
        return np.where((bids_kw > 0) & (bids_kw >= self.min_bid_kw - 1e-9), bids_kw, 0.0)

    def product_bid_kw(self, power_kw: float) -> float:
        """Return the largest bid of this product that is not above a power."""
        return float(self.product_bids_kw(np.asarray(power_kw)))


@dataclass(frozen=True, slots=True, eq=False)
class SizingContext:
    """Everything that is known when a bid is sized.

    Attributes:
        now_s: the moment of bidding, UTC epoch seconds: window start minus lead.
        window: the product.
        history: sessions completed at `now_s`.
        plugged_in: cars plugged in at `now_s`.
        traits: per charger number; covers every charger in `history` and `plugged_in`.
        timezone: IANA name of the local time in which days and hours repeat.
        reported_s: plug-ins by `now_s` of the whole set, other categories too, ascending: it has data where it has any.
        prices: day-ahead prices of the `price` baseline as far as they are out, else None.
        outdoor_c: mean outdoor temperature by local day number, the window's own day as forecast; None when not given.
        most_risk: the limit on a driver's risk that the bid may count on; dispatch keeps it with some more.
    """

    now_s: int
    window: WindowSpec
    history: SessionTable
    plugged_in: PluggedIn
    traits: ChargerTraits
    timezone: str
    reported_s: NDArray[np.int64] | None = None
    prices: PriceCurve | None = None
    outdoor_c: Mapping[int, float] | None = None
    most_risk: float = 1.0


@dataclass(frozen=True, slots=True)
class SizedBid:
    """A bid (0 = none) with the reasons for it, plain values that can be stored as JSON."""

    bid_kw: float
    explanation: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WindowOutcome:
    """What became of a window, shown to the sizer once all of it is known.

    Windows of the warm-up are shown as well, with bids on paper, so that a sizer can calibrate before its first bid.

    Attributes:
        starts_s: start of the window it belongs to.
        known_at_s: when the last of it became known: every car of the window full or gone.
        bid_kw: what was promised; 0 when there was no bid.
        is_delivered: whether every PTU reached the bid; None without a bid.
        capacity: the largest promise the dispatch policy would have kept in every PTU (it learns departures only
            when they happen and serves drivers first), by the limit on drivers' risk.
        most_risk: the limit on drivers' risk with which it was dispatched.
        perfect_information_kw: the most that someone who knew every session could have delivered in every PTU.
        unserved_kwh: energy drivers left without because of the bid.
        energy_kwh: energy that drivers came for in the 24 hours to the window's end.
    """

    starts_s: int
    known_at_s: int
    bid_kw: float
    is_delivered: bool | None
    capacity: ReplayedCapacity
    most_risk: float
    perfect_information_kw: float
    unserved_kwh: float = 0.0
    energy_kwh: float = 0.0


class Sizer(Protocol):
    """A bid model: sizes a window, and learns from what became of it."""

    def size(self, context: SizingContext) -> SizedBid:
        """Return the bid for a window from what is known at bidding time; windows come in order of time."""
        ...

    def observe(self, outcome: WindowOutcome) -> None:
        """Learn from a window; called in order of time, before the first `size` whose `now_s` has it known."""
        ...
