"""Why a bid is what it is: plain values that can be stored with it and shown to people."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bidding.forecast.capacity import COMPONENTS
from bidding.forecast.window_forecast import WindowForecast
from bidding.optimisation.calibration import Margin

Floats = NDArray[np.float64]
Limit = Literal["power", "energy", "departures", "pause_floor", "arrivals", "minimum_bid", "history", "record"]

PROBABILITIES = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.975, 0.99, 0.995)
TAIL_SHARE = 0.2
"""The scenarios that limit a bid: the worst fifth, so that a hundred scenarios still leave twenty to average."""


@dataclass(frozen=True, slots=True)
class CategoryShare:
    """What one category brings in the scenarios that limit the bid, in their weakest PTU [kW]."""

    name: str
    plugged_in_kw: float
    arrivals_kw: float


@dataclass(frozen=True, slots=True)
class LimitingPower:
    """From rated to deliverable power in the scenarios that limit the bid, in their weakest PTU [kW].

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
        curve: (probability, kW) after the correction for what is really realised.
        scenarios_kw: block-minimum of every scenario before any correction, ascending: with the outcome, this is
            what calibration learns from (`calibration.Calibrator.learn`).
        categories: who carries the bid.
        limited_by: the largest loss on the way to deliverable power, or why there is no bid.
        power: that way.
        margin: correction and level used.
        margin_history: miss share of the levels used for earlier bids, oldest first.
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


def limiting_power(forecast: WindowForecast, contributions_kw: Floats) -> LimitingPower:
    """Average the weakest PTU of the worst scenarios over all groups.

    Args:
        forecast: scenarios of the groups.
        contributions_kw: what other assets add, (S, T).
    """
    worst, weakest = _worst(forecast, contributions_kw)
    usual_rated_kw = np.sum([group.total_kw[:, 1] for group in forecast.groups], axis=0)[:, weakest].mean()
    plugged_in = np.sum([group.plugged_in_kw for group in forecast.groups], axis=0)[worst, :, weakest].mean(axis=0)
    arrivals = np.sum([group.arrivals_kw for group in forecast.groups], axis=0)[worst, :, weakest].mean(axis=0)
    capacity, rated, floor, departure = (plugged_in + arrivals)[: len(COMPONENTS)]
    others = float(contributions_kw[worst, weakest].mean())
    return LimitingPower(
        absent_kw=_kw(max(usual_rated_kw - rated, 0.0)),
        rated_kw=_kw(rated + others),
        energy_kw=_kw(max(rated - capacity - floor - departure, 0.0)),
        departures_kw=_kw(departure),
        pause_floor_kw=_kw(floor),
        deliverable_kw=_kw(capacity + others),
        not_yet_arrived_kw=_kw(arrivals[0]),
    )


def category_shares(forecast: WindowForecast, contributions_kw: Mapping[str, Floats]) -> tuple[CategoryShare, ...]:
    """Return what each group and each other contribution (S, T) brings in the worst scenarios, largest first."""
    others = np.sum(list(contributions_kw.values()), axis=0) if contributions_kw else np.zeros(1)
    worst, weakest = _worst(forecast, others)
    shares = [
        CategoryShare(
            name=group.name,
            plugged_in_kw=_kw(group.plugged_in_kw[worst, 0, weakest].mean()),
            arrivals_kw=_kw(group.arrivals_kw[worst, 0, weakest].mean()),
        )
        for group in forecast.groups
    ]
    shares += [
        CategoryShare(name=name, plugged_in_kw=_kw(power_kw[worst, weakest].mean()), arrivals_kw=0.0)
        for name, power_kw in contributions_kw.items()
    ]
    return tuple(sorted(shares, key=lambda share: -(share.plugged_in_kw + share.arrivals_kw)))


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


def _worst(forecast: WindowForecast, contributions_kw: Floats) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    power_kw = forecast.capacity_kw + contributions_kw
    count = max(int(TAIL_SHARE * len(power_kw)), 1)
    worst = np.argsort(power_kw.min(axis=1), kind="stable")[:count]
    return worst, np.argmin(power_kw[worst], axis=1)


def _kw(value: float) -> float:
    return round(float(value), 3)
