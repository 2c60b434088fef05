"""Deliverable power of a group in one window for many scenarios; memory grows with neither devices nor scenarios.

This is what sizing calls: every scenario is a set of sessions, the answer one number per scenario and direction.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from bidding.flexibility.stays import StayVectors, deliverable_from_subsets_kw, stay_vectors, subset_sums
from bidding.flexibility.ul import Floats, Integers
from bidding.flexibility.window import arrival_baseline_kwh, window_devices

CHUNK_ROWS = 16_384
"""Rows handled at once: temporaries of 128 kB stay in the processor's cache, 4x faster than 800 kB ones."""

CHUNK_SUBSETS = 2**22
"""Subset values held at once, 32 MB."""


@dataclass(frozen=True, slots=True)
class SessionBatch:
    """Sessions of one or more scenarios; arrays (n,), hours from the window's start, see `window.window_devices`.

    `scenario` says in which of the batch's `scenarios` each session falls; None puts all in the only one. Rows in order
    of scenario are fastest.
    """

    arrival_hours: Floats
    departure_hours: Floats
    energy_needed_kwh: Floats
    power_max_kw: Floats
    power_floor_kw: ArrayLike = 0.0
    scenario: Integers | None = None
    scenarios: int = 1


@dataclass(frozen=True, slots=True)
class ScenarioDeliverable:
    """Per scenario: block-minimum power (S,) and the baseline (S, T) it is measured from."""

    reduce_kw: Floats
    increase_kw: Floats
    flat_cap_kw: Floats
    baseline_kw: Floats


def window_deliverable_scenarios(
    *,
    batches: Iterable[SessionBatch],
    steps: int,
    step_hours: float,
    lead_hours: float = 0.0,
    baseline_kw: Floats | None = None,
) -> ScenarioDeliverable:
    """Deliverable power in every step of the window, for each scenario of each batch in turn.

    Args:
        batches: Streamed; only one is held at a time.
        steps: T, steps of the window.
        step_hours: Length of a step.
        lead_hours: Time before the window from which the plan may differ from the baseline.
        baseline_kw: (S, T) or (T,); None measures from charging on arrival, computed from the same sessions.
    """
    parts = []
    for batch in batches:
        aggregate = _aggregate(batch, steps=steps, step_hours=step_hours, lead_hours=lead_hours)
        parts.append(aggregate)
    arrival_kwh = np.concatenate([part.arrival_kwh for part in parts])
    baseline = arrival_kwh / step_hours if baseline_kw is None else np.broadcast_to(baseline_kw, arrival_kwh.shape)
    vectors = StayVectors(
        u_kwh=np.concatenate([part.vectors.u_kwh for part in parts]),
        l_kwh=np.concatenate([part.vectors.l_kwh for part in parts]),
        fixed_kwh=np.concatenate([part.vectors.fixed_kwh for part in parts]),
    )
    return deliverable_by_scenario(vectors=vectors, baseline_kw=baseline, step_hours=step_hours)


def deliverable_by_scenario(*, vectors: StayVectors, baseline_kw: Floats, step_hours: float) -> ScenarioDeliverable:
    """Deliverable power per scenario from aggregated sessions (S, ...) and a baseline (S, T)."""
    chunk = max(1, CHUNK_SUBSETS >> vectors.steps)
    reduce, increase, cap = [], [], []
    for start in range(0, len(baseline_kw), chunk):
        rows = slice(start, start + chunk)
        some = StayVectors(u_kwh=vectors.u_kwh[rows], l_kwh=vectors.l_kwh[rows], fixed_kwh=vectors.fixed_kwh[rows])
        baseline_kwh = subset_sums(baseline_kw[rows] * step_hours)
        least = some.least_kwh()
        reduce.append(deliverable_from_subsets_kw(room_kwh=baseline_kwh - least, step_hours=step_hours))
        increase.append(deliverable_from_subsets_kw(room_kwh=some.most_kwh() - baseline_kwh, step_hours=step_hours))
        cap.append(-deliverable_from_subsets_kw(room_kwh=-least, step_hours=step_hours))
    return ScenarioDeliverable(
        reduce_kw=np.concatenate(reduce),
        increase_kw=np.concatenate(increase),
        flat_cap_kw=np.concatenate(cap),
        baseline_kw=baseline_kw,
    )


@dataclass(frozen=True, slots=True)
class _Aggregate:
    vectors: StayVectors
    arrival_kwh: Floats


def _aggregate(batch: SessionBatch, *, steps: int, step_hours: float, lead_hours: float) -> _Aggregate:
    edges = steps + 1
    shape = (batch.scenarios, edges, edges, edges)
    u_kwh, l_kwh = np.zeros(shape), np.zeros(shape)
    fixed_kwh, arrival_kwh = np.zeros((batch.scenarios, steps)), np.zeros((batch.scenarios, steps))
    count = len(batch.energy_needed_kwh)
    floor = np.broadcast_to(np.asarray(batch.power_floor_kw, np.float64), (count,))
    for start in range(0, count, CHUNK_ROWS):
        chunk = slice(start, start + CHUNK_ROWS)
        lowest, held, local = 0, 1, None
        if batch.scenario is not None:
            own = np.asarray(batch.scenario[chunk], np.int64)
            lowest, held = int(own.min()), int(own.max() - own.min()) + 1
            local = own - lowest
        rows = slice(lowest, lowest + held)
        session = {
            "arrival_hours": batch.arrival_hours[chunk],
            "departure_hours": batch.departure_hours[chunk],
            "energy_needed_kwh": batch.energy_needed_kwh[chunk],
            "power_max_kw": batch.power_max_kw[chunk],
        }
        devices = window_devices(
            **session, power_floor_kw=floor[chunk], steps=steps, step_hours=step_hours, lead_hours=lead_hours
        )
        vectors = stay_vectors(devices=devices, scenario=local, scenarios=held, steps=steps, step_hours=step_hours)
        u_kwh[rows] += vectors.u_kwh
        l_kwh[rows] += vectors.l_kwh
        fixed_kwh[rows] += vectors.fixed_kwh
        arrival_kwh[rows] += arrival_baseline_kwh(
            **session, steps=steps, step_hours=step_hours, lead_hours=lead_hours, scenario=local, scenarios=held
        )
    return _Aggregate(vectors=StayVectors(u_kwh=u_kwh, l_kwh=l_kwh, fixed_kwh=fixed_kwh), arrival_kwh=arrival_kwh)
