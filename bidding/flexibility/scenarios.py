"""Deliverable power of a group in one window for many scenarios; memory grows with neither devices nor scenarios.

Every scenario is a set of sessions, the answer one number per scenario and direction: the exact one, for whoever knows
the sessions of a scenario.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from bidding.flexibility.stays import StayVectors, stay_vectors
from bidding.flexibility.subsets import SubsetBounds
from bidding.flexibility.ul import Floats, Integers, mirrored, ramp_increments, running_sum, weighted_counts
from bidding.flexibility.window import SNAP_STEPS, Sessions, Window, arrival_baseline_kwh

CHUNK_ROWS = 16_384
"""Rows handled at once: temporaries of 128 kB stay in the second-level cache."""

NO_POWER_KWH = 1e-9
"""Stands for zero in a division whose result then gets weight zero."""

CHUNK_SUBSETS = 2**22
"""Subset values held at once, 32 MB."""


@dataclass(frozen=True, slots=True)
class ScenarioDeliverable:
    """Per scenario: block-minimum power (S,) and the baseline (S, T) it is measured from."""

    reduce_kw: Floats
    increase_kw: Floats
    flat_cap_kw: Floats
    baseline_kw: Floats


def window_deliverable_scenarios(
    *,
    batches: Iterable[Sessions],
    window: Window,
    baseline_kw: Floats | None = None,
    others: SubsetBounds | None = None,
) -> ScenarioDeliverable:
    """Deliverable power in every step of the window, for each scenario of each batch in turn.

    Args:
        batches: Streamed; only one is held at a time.
        window: Steps in which the power is promised.
        baseline_kw: (S, T) or (T,); None measures from charging on arrival, computed from the same sessions.
        others: Devices of another kind, per scenario (S, 2^T); their consumption must be in the baseline given.
    """
    parts = [ScenarioTotals.of(batch, window) for batch in batches]
    arrival_kwh = np.concatenate([part.arrival_kwh for part in parts])
    baseline = (
        arrival_kwh / window.step_hours if baseline_kw is None else np.broadcast_to(baseline_kw, arrival_kwh.shape)
    )
    vectors = StayVectors(
        u_kwh=np.concatenate([part.vectors.u_kwh for part in parts]),
        l_kwh=np.concatenate([part.vectors.l_kwh for part in parts]),
        fixed_kwh=np.concatenate([part.vectors.fixed_kwh for part in parts]),
    )
    return deliverable_by_scenario(vectors=vectors, baseline_kw=baseline, step_hours=window.step_hours, others=others)


def deliverable_by_scenario(
    *, vectors: StayVectors, baseline_kw: Floats, step_hours: float, others: SubsetBounds | None = None
) -> ScenarioDeliverable:
    """Deliverable power per scenario from sessions (S, ...), other devices (S, 2^T) and a baseline (S, T)."""
    chunk = max(1, CHUNK_SUBSETS >> vectors.steps)
    parts = []
    for start in range(0, len(baseline_kw), chunk):
        rows = slice(start, start + chunk)
        bounds = vectors.select(rows).bounds()
        if others is not None:
            bounds += SubsetBounds(least_kwh=others.least_kwh[rows], most_kwh=others.most_kwh[rows])
        parts.append(
            (
                bounds.deliverable_reduce_kw(baseline_kw=baseline_kw[rows], step_hours=step_hours),
                bounds.deliverable_increase_kw(baseline_kw=baseline_kw[rows], step_hours=step_hours),
                bounds.flat_cap_kw(step_hours=step_hours),
            )
        )
    reduce, increase, cap = (np.concatenate(column) for column in zip(*parts, strict=True))
    return ScenarioDeliverable(reduce_kw=reduce, increase_kw=increase, flat_cap_kw=cap, baseline_kw=baseline_kw)


@dataclass(frozen=True, slots=True)
class ScenarioTotals:
    """Running sums over the sessions of S scenarios: their vectors, and the energy of charging on arrival (S, T)."""

    vectors: StayVectors
    arrival_kwh: Floats
    window: Window

    @classmethod
    def zero(cls, window: Window, *, scenarios: int) -> Self:
        """Return scenarios without sessions."""
        steps = window.steps
        stays = (scenarios, steps + 1, steps + 1, steps + 1)
        vectors = StayVectors(u_kwh=np.zeros(stays), l_kwh=np.zeros(stays), fixed_kwh=np.zeros((scenarios, steps)))
        return cls(vectors=vectors, arrival_kwh=np.zeros((scenarios, steps)), window=window)

    @classmethod
    def of(cls, sessions: Sessions, window: Window) -> Self:
        """Return the sums over one batch."""
        totals = cls.zero(window, scenarios=sessions.scenarios)
        totals.add(sessions)
        return totals

    def add(self, sessions: Sessions) -> None:
        """Add sessions to their scenarios, in place."""
        others = []
        for start in range(0, len(sessions), CHUNK_ROWS):
            chunk = sessions.select(slice(start, start + CHUNK_ROWS))
            plain = _is_plain(chunk, self.window)
            _add_plain(self, chunk, plain)
            others.append(start + np.flatnonzero(~plain))
        rest = sessions.select(np.concatenate(others)) if others else sessions
        for start in range(0, len(rest), CHUNK_ROWS):
            chunk = rest.select(slice(start, start + CHUNK_ROWS))
            leaving = _is_simple(chunk, self.window) & (chunk.departure_hours > 0)
            _add_leaving(self, chunk.select(np.flatnonzero(leaving)))
            _add_general(self, chunk.select(np.flatnonzero(~leaving)))


def _is_plain(sessions: Sessions, window: Window) -> NDArray[np.bool_]:
    """Simple cars that also stay connected during the whole window: nearly all of them."""
    return _is_simple(sessions, window) & (sessions.departure_hours >= window.hours)


def _is_simple(sessions: Sessions, window: Window) -> NDArray[np.bool_]:
    """Cars that are there when the window begins, may pause, and cannot prepare before it."""
    if window.lead_hours > 0:
        return np.zeros(len(sessions), np.bool_)
    simple: NDArray[np.bool_] = (sessions.arrival_hours <= 0) & (sessions.power_max_kw > 0)
    if isinstance(sessions.power_floor_kw, np.ndarray) or sessions.power_floor_kw > 0:
        simple &= np.asarray(sessions.power_floor_kw) <= 0
    return simple


def _add_plain(totals: ScenarioTotals, sessions: Sessions, plain: NDArray[np.bool_]) -> None:
    """The general case written out: one stay, and charging on arrival draws u's increments in order.

    Other sessions get weight zero; that is cheaper than copying the plain ones together.
    """
    window = totals.window
    rows, local = _scenario_rows(sessions)
    slope = sessions.power_max_kw * window.step_hours
    needed = sessions.energy_needed_kwh / np.maximum(slope, NO_POWER_KWH)
    forced = needed - (sessions.departure_hours - window.hours) / window.step_hours
    weight = slope * plain
    rise, fall = (
        ramp_increments(
            position=np.minimum(np.maximum(position, 0.0), window.steps),
            slope_kwh=weight,
            group=local,
            groups=rows.stop - rows.start,
            steps=window.steps,
        )
        for position in (needed, forced)
    )
    totals.vectors.u_kwh[rows, 0, window.steps] += running_sum(rise)
    totals.vectors.l_kwh[rows, 0, window.steps] += running_sum(fall[:, ::-1])
    totals.arrival_kwh[rows] += rise


def _add_leaving(totals: ScenarioTotals, sessions: Sessions) -> None:
    """The general case written out for simple cars that leave inside the window: all they need, they need in it."""
    if not len(sessions):
        return
    rows, local = _scenario_rows(sessions)
    window = totals.window
    held, steps = rows.stop - rows.start, window.steps
    slope = sessions.power_max_kw * window.step_hours
    needed = np.maximum(sessions.energy_needed_kwh / slope, 0.0)
    leaves = sessions.departure_hours / window.step_hours
    last = np.minimum((leaves + SNAP_STEPS).astype(np.int64), steps - 1)
    stay = last if local is None else local * steps + last
    rest = np.maximum(np.minimum(needed, leaves) - last, 0.0)
    fixed = weighted_counts(stay, rest * slope, held * steps).reshape(held, steps)
    rise = ramp_increments(
        position=np.minimum(needed, last), slope_kwh=slope, group=stay, groups=held * steps, steps=steps
    )
    fall = mirrored(rise, np.tile(np.arange(steps), held))
    totals.vectors.u_kwh[rows, 0, :steps] += running_sum(rise).reshape(held, steps, steps + 1)
    totals.vectors.l_kwh[rows, 0, :steps] += running_sum(fall).reshape(held, steps, steps + 1)
    totals.vectors.fixed_kwh[rows] += fixed
    totals.arrival_kwh[rows] += rise.reshape(held, steps, steps).sum(axis=1) + fixed


def _add_general(totals: ScenarioTotals, sessions: Sessions) -> None:
    if not len(sessions):
        return
    rows, local = _scenario_rows(sessions)
    of_chunk = replace(sessions, scenario=local, scenarios=rows.stop - rows.start)
    vectors = stay_vectors(of_chunk, totals.window)
    totals.vectors.u_kwh[rows] += vectors.u_kwh
    totals.vectors.l_kwh[rows] += vectors.l_kwh
    totals.vectors.fixed_kwh[rows] += vectors.fixed_kwh
    totals.arrival_kwh[rows] += arrival_baseline_kwh(of_chunk, totals.window)


def _scenario_rows(sessions: Sessions) -> tuple[slice, Integers | None]:
    """The scenarios a chunk touches, and each session's place among them."""
    if sessions.scenario is None:
        return slice(0, 1), None
    lowest, highest = int(sessions.scenario.min()), int(sessions.scenario.max())
    return slice(lowest, highest + 1), sessions.scenario - lowest
