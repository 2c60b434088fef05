"""The sessions of many scenarios, added up to what they offer together.

A V2G car either feeds in during the window or charges in it: it feeds in what it need not keep, and then does not
charge before the window is over. That leaves out plans that do both, which is safe.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from bidding.flexibility.scenarios import ScenarioTotals
from bidding.flexibility.storage import ROUND_TRIP_EFFICIENCY
from bidding.flexibility.ul import ramp_increments, running_sum, weighted_counts
from bidding.flexibility.window import Sessions as WindowSessions
from bidding.flexibility.window import Window, arrival_baseline_kwh, fixed_kwh
from bidding.forecast.baselines import HOUR_S, PriceCurve
from bidding.forecast.drawn_sessions import Sessions
from bidding.forecast.offers import Blocks, Direction, Offer

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

ADDED_AT_ONCE = 2**14
"""Sessions collected before they are added up: what that costs besides depends on scenarios, not on sessions."""

DISTANT_PAST_S = 0


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
        self._uneven_kwh = np.zeros((scenarios, self._blocks.ptus))
        self._fed_in_kwh = np.zeros((scenarios, self._blocks.window.steps + 1))
        self._rated_kwh = np.zeros((scenarios, self._blocks.ptus))
        self._departures_kwh = np.zeros(scenarios)
        self._pause_floor_kwh = np.zeros(scenarios)
        self._waiting: list[tuple[Sessions, Integers]] = []
        self._waiting_count = 0

    def add(self, sessions: Sessions, scenario: Integers) -> None:
        """Add sessions, each to the scenario it belongs to, (n,); fastest in order of scenarios."""
        self._waiting.append((sessions, scenario))
        self._waiting_count += len(sessions)
        if self._waiting_count >= ADDED_AT_ONCE:
            self._add_waiting()

    def _add_waiting(self) -> None:
        if not self._waiting:
            return
        parts, of_parts = zip(*self._waiting, strict=True)
        self._waiting.clear()
        self._waiting_count = 0
        sessions, scenario = Sessions.joined(parts), np.concatenate(of_parts)
        if not len(sessions):
            return
        starts_s, window = int(self._edges_s[0]), self._blocks.window
        arrival_h = (sessions.plug_in_s - starts_s) / HOUR_S
        departure_h = (sessions.plug_out_s - starts_s) / HOUR_S
        before_kwh = self._add_planned(sessions, scenario, arrival_h)
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
        if self._blocks.ptus_each > 1:
            self._add_uneven(cars)
            if self._prices is None:
                self._baseline_kwh += arrival_baseline_kwh(cars, by_ptu)
        ways_kw = np.where(sessions.v2g, 2.0, 1.0) * sessions.power_kw
        all_along = replace(cars, power_max_kw=ways_kw, energy_needed_kwh=np.full(len(sessions), np.inf))
        self._rated_kwh += arrival_baseline_kwh(all_along, by_ptu)
        if self._direction == "reduce":
            after_kwh = sessions.power_kw * np.maximum(departure_h - window.hours, 0.0)
            self._add_losses(cars, sessions.floor_kw, scenario, after_kwh)
            self._add_fed_in(sessions, scenario, before_kwh, after_kwh)

    def _add_planned(self, sessions: Sessions, scenario: Integers, arrival_h: Floats) -> Floats:
        """Return the energy in at the start of the window by the baseline, (n,), and add what a plan by price draws."""
        if self._prices is None:
            return np.minimum(sessions.power_kw * np.maximum(-arrival_h, 0.0), sessions.energy_kwh)
        drawn_kwh = sessions.cheapest_kwh(np.concatenate([[DISTANT_PAST_S], self._edges_s]), self._prices)
        for ptu in range(self._blocks.ptus):
            self._baseline_kwh[:, ptu] += weighted_counts(scenario, drawn_kwh[:, 1 + ptu], self._scenarios)
        return np.asarray(drawn_kwh[:, 0])

    def _add_uneven(self, cars: WindowSessions) -> None:
        """Add by how much what cannot move within a block of several PTUs lies above its mean in each."""
        blocks, window = self._blocks, self._blocks.window
        to_the_last_end = Window(window.steps * blocks.ptus_each, blocks.ptu_h)
        by_block = fixed_kwh(cars, window, by=to_the_last_end).reshape(self._scenarios, -1, blocks.ptus_each)
        uneven_kwh = by_block - by_block.mean(axis=2, keepdims=True)
        self._uneven_kwh += uneven_kwh.reshape(self._scenarios, -1)[:, : blocks.ptus]

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
        from_arrival = self._prices is None and self._blocks.ptus_each == 1
        hours = self._blocks.window.hours
        return Offer(
            baseline_kwh=self._totals.arrival_kwh if from_arrival else self._baseline_kwh,
            vectors=self._totals.vectors,
            uneven_kwh=self._uneven_kwh,
            fed_in_kwh=self._fed_in_kwh,
            rated_kwh=self._rated_kwh,
            departures_kw=self._departures_kwh / hours,
            pause_floor_kw=self._pause_floor_kwh / hours,
        )
