"""Why a bid is what it is: plain values that can be stored with it and shown to people."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bidding.forecast.offers import Offer, Room
from bidding.forecast.window_forecast import WindowForecast
from bidding.optimisation.calibration import Margin
from bidding.optimisation.interface import WindowSpec

Floats = NDArray[np.float64]
Limit = Literal[
    "power", "energy", "departures", "pause_floor", "arrivals", "minimum_bid", "maximum_bid", "history", "record"
]

PROBABILITIES = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.975, 0.99, 0.995)
TAIL_SHARE = 0.2
"""The scenarios that limit a bid: the worst fifth, so that a hundred scenarios still leave twenty to average."""


@dataclass(frozen=True, slots=True)
class CategoryShare:
    """What one category brings in the scenarios that limit the bid, in the PTUs with least room [kW]."""

    name: str
    plugged_in_kw: float
    arrivals_kw: float


@dataclass(frozen=True, slots=True)
class LimitingPower:
    """From rated to deliverable power in the scenarios that limit the bid [kW].

    Attributes:
        absent_kw: by how much less is connected than on average over all scenarios, by rating.
        rated_kw: cars connected, by their rating (twice for V2G).
        energy_kw: not available because cars are full or need nothing then.
        departures_kw: left out so that drivers get their energy before they leave.
        pause_floor_kw: drawn by cars that cannot pause.
        deliverable_kw: what is left.
        not_yet_arrived_kw: of what is left, from cars that are not plugged in at bidding time.
    """

    absent_kw: float
    rated_kw: float
    energy_kw: float
    departures_kw: float
    pause_floor_kw: float
    deliverable_kw: float
    not_yet_arrived_kw: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """The reasons for one bid.

    Attributes:
        reason: one sentence.
        power_kw: what may be promised, before rounding down to the product.
        reliability: what was asked.
        scenarios: number of scenarios.
        past_days: past days they were drawn from.
        effective_days: equally weighted days that say as much.
        curve: (probability, kW): what could be promised with each, by the same calibration as the bid, unrounded.
        scenarios_kw: block-minimum of every scenario before any correction, ascending: with the outcome, this is
            what calibration learns from (`calibration.Calibrator.learn`).
        categories: who carries the bid.
        limited_by: the largest loss on the way to deliverable power, or why there is no bid.
        power: that way.
        margin: correction and level used.
        margin_history: share of the corrected scenarios below each earlier promise, oldest first.
    """

    reason: str
    power_kw: float
    reliability: float
    scenarios: int
    past_days: int
    effective_days: float
    curve: tuple[tuple[float, float], ...]
    scenarios_kw: tuple[float, ...]
    categories: tuple[CategoryShare, ...]
    limited_by: Limit
    power: LimitingPower | None
    margin: Margin | None
    margin_history: tuple[float, ...]

    def to_json(self) -> Mapping[str, object]:
        """Return plain values: numbers, strings, lists, mappings."""
        return asdict(self)


class WorstScenarios:
    """The scenarios that limit a bid, each seen in the set of PTUs in which it has least room."""

    def __init__(self, forecast: WindowForecast, room: Room, contributions_kw: Mapping[str, Floats]) -> None:
        """Find them.

        Args:
            forecast: scenarios of the groups.
            room: theirs, contributions included.
            contributions_kw: what other assets add by name, (S, T).
        """
        self._forecast, self._room, self._contributions_kw = forecast, room, contributions_kw
        least_kw = room.least_kw
        self._worst = np.argsort(least_kw, kind="stable")[: max(int(TAIL_SHARE * len(least_kw)), 1)]

    def limiting_power(self) -> LimitingPower:
        """Return the way from rated to deliverable power, over all groups."""
        offer = self._forecast.offer
        rated_kw = self._mean_kw(offer.rated_kwh)
        departures_kw = offer.departures_kw[self._worst].mean()
        pause_floor_kw = offer.pause_floor_kw[self._worst].mean()
        capacity_kw = self._part_kw(offer)
        others_kw = sum(self._added_kw(power_kw) for power_kw in self._contributions_kw.values())
        usual_kw = self._room.mean_kw(offer.rated_kwh, np.arange(len(offer.rated_kwh))).mean()
        return LimitingPower(
            absent_kw=_kw(max(usual_kw - rated_kw, 0.0)),
            rated_kw=_kw(rated_kw + others_kw),
            energy_kw=_kw(max(rated_kw - capacity_kw - departures_kw - pause_floor_kw, 0.0)),
            departures_kw=_kw(departures_kw),
            pause_floor_kw=_kw(pause_floor_kw),
            deliverable_kw=_kw(capacity_kw + others_kw),
            not_yet_arrived_kw=_kw(sum(self._part_kw(group.arrivals) for group in self._forecast.groups)),
        )

    def category_shares(self) -> tuple[CategoryShare, ...]:
        """Return what each group and each other contribution brings, largest first."""
        shares = [
            CategoryShare(
                name=group.name,
                plugged_in_kw=_kw(self._part_kw(group.plugged_in)),
                arrivals_kw=_kw(self._part_kw(group.arrivals)),
            )
            for group in self._forecast.groups
        ]
        shares += [
            CategoryShare(name=name, plugged_in_kw=_kw(self._added_kw(power_kw)), arrivals_kw=0.0)
            for name, power_kw in self._contributions_kw.items()
        ]
        return tuple(sorted(shares, key=lambda share: -(share.plugged_in_kw + share.arrivals_kw)))

    def _part_kw(self, part: Offer) -> float:
        return float(self._room.part_kw(part, self._worst).mean())

    def _mean_kw(self, energy_kwh: Floats) -> float:
        return float(self._room.mean_kw(energy_kwh, self._worst).mean())

    def _added_kw(self, power_kw: Floats) -> float:
        return self._mean_kw(power_kw * self._forecast.window.blocks.ptu_h)


def main_limit(power: LimitingPower) -> Limit:
    """Name the largest loss on the way from what is usually connected to what is deliverable; power when there is none.

    When nothing is connected, that is what limits it, however little usually is.
    """
    losses: dict[Limit, float] = {
        "arrivals": power.absent_kw,
        "energy": power.energy_kw,
        "departures": power.departures_kw,
        "pause_floor": power.pause_floor_kw,
    }
    largest = max(losses, key=lambda name: losses[name])
    if power.rated_kw <= 0:
        return "arrivals"
    return largest if losses[largest] > 0 else "power"


def bid_reason(bid_kw: float, window: WindowSpec, limit: Limit) -> str:
    """Return the sentence that goes with a bid."""
    return f"{bid_kw:g} kW in every PTU with probability {window.reliability:.1%}; {limited_by(limit)}."


def limited_by(limit: Limit) -> str:
    """Return a limit in words."""
    return f"limited by {limit.replace('_', ' ')}"


def no_bid_allowed(window: WindowSpec) -> str:
    """Return why there is no bid when the largest that is allowed is no product."""
    return (
        f"No bid: no more than {window.max_bid_kw:g} kW may be offered, and the product starts at "
        f"{window.least_bid_kw:g} kW. The group's largest bid or a steering limit allows no more."
    )


def _kw(value: float) -> float:
    return round(float(value), 3)
