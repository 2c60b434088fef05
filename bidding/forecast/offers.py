"""What the sessions of many scenarios offer together in one window: the exact set of each scenario's cars.

The energy that cars take in a set of PTUs has a least and a most, which add up over cars (`flexibility.scenarios`);
what can be held in every PTU follows from those of all sets. A V2G car either feeds in during the window or charges in
it: it feeds in what it need not keep, and then does not charge before the window is over. That leaves out plans that do
both, which is safe.

Source: docs/flexibility.md.
"""

from dataclasses import dataclass, fields, replace
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from bidding.flexibility.scenarios import ScenarioTotals
from bidding.flexibility.storage import ROUND_TRIP_EFFICIENCY
from bidding.flexibility.subsets import least_mean_kw, subset_sizes, subset_sums
from bidding.flexibility.ul import ramp_increments, running_sum, weighted_counts
from bidding.flexibility.window import Sessions as WindowSessions
from bidding.flexibility.window import Window, arrival_baseline_kwh
from bidding.forecast.baselines import HOUR_S, PriceCurve
from bidding.forecast.drawn_sessions import Sessions

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Direction = Literal["reduce", "increase"]

MOST_BLOCKS = 12
"""4,096 sets of them; each block more doubles the work."""

ADDED_AT_ONCE = 2**14
"""Sessions collected before they are added up: what that costs besides depends on scenarios, not on sessions."""

DISTANT_PAST_S = 0


@dataclass(frozen=True, slots=True)
class Blocks:
    """A window of T PTUs, cut in at most `MOST_BLOCKS` blocks in which every car holds one power.

    Up to three hours a block is a PTU and nothing is lost. The last block may reach beyond the window, where nothing is
    promised.
    """

    ptus: int
    ptu_h: float

    @property
    def ptus_each(self) -> int:
        """Length of a block in PTUs."""
        return -(-self.ptus // MOST_BLOCKS)

    @property
    def window(self) -> Window:
        """The window with a block for a step."""
        return Window(steps=-(-self.ptus // self.ptus_each), step_hours=self.ptus_each * self.ptu_h)

    def limiting_ptus(self, baseline_kwh: Floats, direction: Direction) -> NDArray[np.intp]:
        """Return the PTU of each block in which a baseline (S, T) leaves least room, (S, B)."""
        starts = range(0, self.ptus, self.ptus_each)
        find = np.argmin if direction == "reduce" else np.argmax
        return np.stack(
            [start + find(baseline_kwh[:, start : start + self.ptus_each], axis=1) for start in starts], axis=1
        )


@dataclass(frozen=True, slots=True, eq=False)
class Offer:
    """What the cars of S scenarios offer in a window of T PTUs and B blocks; offers of different cars add up.

    Attributes:
        baseline_kwh: what they draw in each PTU when nobody intervenes, (S, T).
        bound_kwh: the least energy they can take in every set of blocks, or for an increase the most, (S, 2^B).
        rated_kwh: the most their ratings allow in each PTU while they are plugged in, twice for V2G, (S, T).
        departures_kw: what they must take in the window because they leave too soon after it, its mean, (S,).
        pause_floor_kw: what they draw because they cannot pause, mean of the window, (S,).
    """

    baseline_kwh: Floats
    bound_kwh: Floats
    rated_kwh: Floats
    departures_kw: Floats
    pause_floor_kw: Floats

    def __add__(self, other: "Offer") -> "Offer":
        return Offer(*(getattr(self, name) + getattr(other, name) for name in _NAMES))

    def take(self, scenarios: NDArray[np.intp] | slice) -> "Offer":
        """Return the chosen scenarios."""
        return Offer(*(getattr(self, name)[scenarios] for name in _NAMES))


_NAMES = tuple(field.name for field in fields(Offer))


class OfferTotals:
    """Adds up sessions, scenario by scenario."""

    def __init__(
        self, edges_s: Integers, *, direction: Direction, scenarios: int, prices: PriceCurve | None = None
    ) -> None:
        """Start without sessions.

        Args:
            edges_s: PTU boundaries of the window, shape (T + 1,), UTC epoch seconds, all PTUs of one length.
            direction: `reduce`: draw less than the baseline. `increase`: draw more.
            scenarios: S.
            prices: with prices the baseline is charging in the cheapest PTUs of the stay (cars that cannot pause keep
                charging on arrival); without, it is charging on arrival.
        """
        self._edges_s, self._direction, self._prices, self._scenarios = edges_s, direction, prices, scenarios
        self._blocks = Blocks(ptus=len(edges_s) - 1, ptu_h=float(edges_s[1] - edges_s[0]) / HOUR_S)
        self._totals = ScenarioTotals.zero(self._blocks.window, scenarios=scenarios)
        self._baseline_kwh = np.zeros((scenarios, self._blocks.ptus))
        self._fed_in_kwh = np.zeros((scenarios, self._blocks.window.steps + 1))
        self._rated_kwh = np.zeros((scenarios, self._blocks.ptus))
        self._departures_kwh = np.zeros(scenarios)
        self._pause_floor_kwh = np.zeros(scenarios)
        self._waiting: list[tuple[Sessions, Integers]] = []

    def add(self, sessions: Sessions, scenario: Integers) -> None:
        """Add sessions, each to the scenario it belongs to, (n,); fastest in order of scenarios."""
        self._waiting.append((sessions, scenario))
        if sum(len(each) for each, _ in self._waiting) >= ADDED_AT_ONCE:
            self._add_waiting()

    def _add_waiting(self) -> None:
        if not self._waiting:
            return
        parts, of_parts = zip(*self._waiting, strict=True)
        self._waiting.clear()
        sessions, scenario = Sessions.joined(parts), np.concatenate(of_parts)
        if not len(sessions):
            return
        starts_s, window = int(self._edges_s[0]), self._blocks.window
        arrival_h = (sessions.plug_in_s - starts_s) / HOUR_S
        departure_h = (sessions.plug_out_s - starts_s) / HOUR_S
        before_kwh = self._before_kwh(sessions, scenario, arrival_h)
        cars = WindowSessions(
            arrival_hours=arrival_h,
            departure_hours=departure_h,
            energy_needed_kwh=np.maximum(sessions.energy_kwh - before_kwh, 0.0),
            power_max_kw=sessions.power_kw,
            power_floor_kw=sessions.floor_kw if sessions.floor_kw.any() else 0.0,
            scenario=scenario,
            scenarios=self._scenarios,
        )
        self._totals.add(cars)
        by_ptu = Window(self._blocks.ptus, self._blocks.ptu_h)
        if self._prices is None and self._blocks.ptus_each > 1:
            self._baseline_kwh += arrival_baseline_kwh(cars, by_ptu)
        ways_kw = np.where(sessions.v2g, 2.0, 1.0) * sessions.power_kw
        all_along = replace(cars, power_max_kw=ways_kw, energy_needed_kwh=np.full(len(sessions), np.inf))
        self._rated_kwh += arrival_baseline_kwh(all_along, by_ptu)
        if self._direction == "reduce":
            after_kwh = sessions.power_kw * np.maximum(departure_h - window.hours, 0.0)
            self._add_losses(cars, sessions.floor_kw, scenario, after_kwh)
            self._add_fed_in(sessions, scenario, before_kwh, after_kwh)

    def _before_kwh(self, sessions: Sessions, scenario: Integers, arrival_h: Floats) -> Floats:
        """Return the energy in at the start of the window by the baseline, (n,)."""
        if self._prices is None:
            return np.minimum(sessions.power_kw * np.maximum(-arrival_h, 0.0), sessions.energy_kwh)
        drawn_kwh = sessions.cheapest_kwh(np.concatenate([[DISTANT_PAST_S], self._edges_s]), self._prices)
        for ptu in range(self._blocks.ptus):
            self._baseline_kwh[:, ptu] += weighted_counts(scenario, drawn_kwh[:, 1 + ptu], self._scenarios)
        return np.asarray(drawn_kwh[:, 0])

    def _add_losses(self, cars: WindowSessions, floor_kw: Floats, scenario: Integers, after_kwh: Floats) -> None:
        """Add what pause floors and departures take, when `after_kwh` (n,) could be had after the window."""
        present_h = np.maximum(
            np.minimum(cars.departure_hours, self._blocks.window.hours) - np.maximum(cars.arrival_hours, 0.0), 0.0
        )
        at_floor_kwh = np.minimum(np.minimum(floor_kw, cars.power_max_kw) * present_h, cars.energy_needed_kwh)
        must_kwh = np.maximum(cars.energy_needed_kwh - after_kwh - at_floor_kwh, 0.0)
        self._pause_floor_kwh += weighted_counts(scenario, at_floor_kwh, self._scenarios)
        self._departures_kwh += weighted_counts(scenario, must_kwh, self._scenarios)

    def _add_fed_in(self, sessions: Sessions, scenario: Integers, before_kwh: Floats, after_kwh: Floats) -> None:
        """Add what V2G cars can feed in during any k blocks: what they need not keep, less losses.

        A car that leaves inside the window needs all of its energy, so it has nothing to spare.
        """
        rows = np.flatnonzero(sessions.v2g & (sessions.floor_kw <= 0))
        if not len(rows):
            return
        window, power_kw = self._blocks.window, sessions.power_kw[rows]
        must_kwh = np.maximum(sessions.energy_kwh[rows] - after_kwh[rows], 0.0)
        spare_kwh = np.maximum(before_kwh[rows] - must_kwh, 0.0) * ROUND_TRIP_EFFICIENCY
        block_kwh = power_kw * window.step_hours
        self._fed_in_kwh += running_sum(
            ramp_increments(
                position=np.minimum(spare_kwh / block_kwh, window.steps),
                slope_kwh=block_kwh,
                group=scenario[rows],
                groups=self._scenarios,
                steps=window.steps,
            )
        )

    def offer(self) -> Offer:
        """Return the sums."""
        self._add_waiting()
        window, bounds = self._blocks.window, self._totals.vectors.bounds()
        is_reduce = self._direction == "reduce"
        from_arrival = self._prices is None and self._blocks.ptus_each == 1
        sizes = subset_sizes(window.steps).astype(np.intp)
        return Offer(
            baseline_kwh=self._totals.arrival_kwh if from_arrival else self._baseline_kwh,
            bound_kwh=bounds.least_kwh - self._fed_in_kwh[:, sizes] if is_reduce else bounds.most_kwh,
            rated_kwh=self._rated_kwh,
            departures_kw=self._departures_kwh / window.hours,
            pause_floor_kw=self._pause_floor_kwh / window.hours,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Room:
    """By how much S scenarios can depart from their baseline, in every set of B blocks.

    Attributes:
        kwh: towards less consumption, or for an increase towards more, (S, 2^B).
        limiting_ptu: the PTU of each block in which the baseline leaves least room, (S, B).
    """

    blocks: Blocks
    direction: Direction
    kwh: Floats
    limiting_ptu: NDArray[np.intp]

    @classmethod
    def of(cls, offer: Offer, blocks: Blocks, direction: Direction, *, added_kw: Floats | float = 0.0) -> Self:
        """Return the room of all cars, and of other assets that add a power in each PTU, (S, T)."""
        reference_kwh = offer.baseline_kwh + _SIGNS[direction] * np.asarray(added_kw) * blocks.ptu_h
        limiting_ptu = blocks.limiting_ptus(reference_kwh, direction)
        sets_kwh = _over_sets(reference_kwh, limiting_ptu, blocks)
        return cls(blocks, direction, _SIGNS[direction] * (sets_kwh - offer.bound_kwh), limiting_ptu)

    @property
    def least_kw(self) -> Floats:
        """The most that can be held in every PTU, (S,); negative where not even the baseline can."""
        return least_mean_kw(self.kwh, step_hours=self.blocks.window.step_hours)

    def part_kw(self, part: Offer, scenarios: NDArray[np.intp]) -> Floats:
        """Return what some of the cars bring to `least_kw` in some scenarios; they and `added_kw` add up to it."""
        chosen = part.take(scenarios)
        sets_kwh = _over_sets(chosen.baseline_kwh, self.limiting_ptu[scenarios], self.blocks)
        return self._where_least(_SIGNS[self.direction] * (sets_kwh - chosen.bound_kwh), scenarios)

    def mean_kw(self, energy_kwh: Floats, scenarios: NDArray[np.intp]) -> Floats:
        """Return the mean power of energy per PTU, (S, T), in the PTUs with least room, in some scenarios."""
        sets_kwh = _over_sets(energy_kwh[scenarios], self.limiting_ptu[scenarios], self.blocks)
        return self._where_least(sets_kwh, scenarios)

    def _where_least(self, sets_kwh: Floats, scenarios: NDArray[np.intp]) -> Floats:
        """Return the mean power over the set of blocks that limits each scenario."""
        hours = subset_sizes(self.blocks.window.steps)[1:] * self.blocks.window.step_hours
        limiting = np.argmin(self.kwh[scenarios, 1:] / hours, axis=1)
        rows = np.arange(len(scenarios))
        return np.asarray(sets_kwh[rows, 1 + limiting] / hours[limiting])


_SIGNS: dict[Direction, float] = {"reduce": 1.0, "increase": -1.0}


def _over_sets(energy_kwh: Floats, ptu: NDArray[np.intp], blocks: Blocks) -> Floats:
    """Return the energy in every set of blocks, (S, 2^B), when one PTU of each block stands for all of its PTUs."""
    return subset_sums(np.take_along_axis(energy_kwh, ptu, axis=1) * blocks.ptus_each)
