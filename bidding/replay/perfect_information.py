"""The most a fleet could deliver in every PTU of a window to someone who knew every session: a linear programme.

Cars follow the baseline until the window starts, and every driver has the session's energy at plug-out. Most cars need
no variables: a car that can catch up after the window is simply off during it. What is left is a small programme.

It is exact but for cars that cannot pause and could fill up within the window: for those, not resting before they
are full is relaxed to never being behind charging at the floor, so the figure is an upper bound for them.
"""

import numpy as np
from numpy.typing import NDArray
from ortools.linear_solver import pywraplp

from bidding.flexibility.storage import ROUND_TRIP_EFFICIENCY
from bidding.optimisation.interface import Direction
from bidding.replay.fleet import WindowFleet

Floats = NDArray[np.float64]

SLACK_KWH = 1e-9


def perfect_information_kw(fleet: WindowFleet, *, direction: Direction) -> float:
    """Return the largest power delivered in every PTU against the baseline with all drivers served [kW]."""
    if not len(fleet):
        return 0.0
    constant_kwh = _best_without_choice(fleet, direction)
    decided = ~np.isnan(constant_kwh[:, 0])
    offered_kwh = _sign(direction) * (fleet.baseline_kwh.sum(axis=0) - constant_kwh[decided].sum(axis=0))
    open_rows = np.flatnonzero(~decided)
    best_kwh = _solve(fleet, open_rows, offered_kwh, direction) if len(open_rows) else float(offered_kwh.min())
    return max(best_kwh / fleet.ptu_h, 0.0)


def _sign(direction: Direction) -> float:
    return 1.0 if direction == "reduce" else -1.0


def _best_without_choice(fleet: WindowFleet, direction: Direction) -> Floats:
    """Return the energy per PTU (n, T) of cars with one profile that is best in every PTU at once; NaN for others."""
    most_kwh = fleet.power_kw[:, None] * fleet.present_h
    left_kwh = fleet.energy_kwh - fleet.before_kwh
    must_kwh = left_kwh - fleet.power_kw * fleet.after_h
    best = np.full_like(most_kwh, np.nan)
    if direction == "increase":
        settled = ~fleet.v2g & (left_kwh <= SLACK_KWH)
        best[settled] = 0.0
        return best
    floor_kwh = fleet.floor_kw[:, None] * fleet.present_h
    rests = ~fleet.v2g & ((fleet.floor_kw == 0) | (left_kwh <= SLACK_KWH)) & (must_kwh <= SLACK_KWH)
    best[rests] = 0.0
    at_floor = (fleet.floor_kw > 0) & (left_kwh >= most_kwh.sum(axis=1)) & (must_kwh <= floor_kwh.sum(axis=1))
    best[at_floor & ~rests] = floor_kwh[at_floor & ~rests]
    spent_kwh = most_kwh.sum(axis=1) / ROUND_TRIP_EFFICIENCY
    feeds_in = fleet.v2g & (spent_kwh <= fleet.before_kwh) & (must_kwh + spent_kwh <= 0)
    best[feeds_in] = -most_kwh[feeds_in]
    return best


def _solve(fleet: WindowFleet, rows: NDArray[np.intp], offered_kwh: Floats, direction: Direction) -> float:
    solver = pywraplp.Solver.CreateSolver("GLOP")
    infinity = solver.infinity()
    power = solver.NumVar(-infinity, infinity, "")
    sign = _sign(direction)
    per_ptu = [solver.Constraint(-infinity, float(offered)) for offered in offered_kwh]
    for constraint in per_ptu:
        constraint.SetCoefficient(power, 1.0)
    for row in rows:
        _add_car(solver, fleet, int(row), [(constraint, sign) for constraint in per_ptu])
    solver.Maximize(power)
    status = solver.Solve()
    if status != pywraplp.Solver.OPTIMAL:
        raise RuntimeError(
            f"The linear programme of a window ended with status {status}, though the baseline solves it. "
            "Look for a car that needs more than its power allows, or widen SLACK_KWH."
        )
    return float(power.solution_value())


def _add_car(
    solver: pywraplp.Solver, fleet: WindowFleet, row: int, drawn_in: list[tuple[pywraplp.Constraint, float]]
) -> None:
    """Add a car's choices; what it draws counts against the offer of each PTU."""
    limit_kwh = fleet.power_kw[row] * fleet.present_h[row]
    left_kwh = float(fleet.energy_kwh[row] - fleet.before_kwh[row])
    held_kwh = float(fleet.before_kwh[row])
    must_kwh = left_kwh - float(fleet.power_kw[row] * fleet.after_h[row])
    must_kwh = min(must_kwh, float(limit_kwh.sum())) - SLACK_KWH
    floor_kwh = fleet.floor_kw[row] * fleet.present_h[row]
    fills_up = left_kwh < limit_kwh.sum()
    at_least_kwh = np.minimum(np.cumsum(floor_kwh), left_kwh) - SLACK_KWH
    last = len(limit_kwh) - 1
    level = None
    for ptu, limit in enumerate(limit_kwh):
        least = 0.0 if fills_up else float(floor_kwh[ptu])
        charged = solver.NumVar(least, float(limit), "")
        constraint, sign = drawn_in[ptu]
        constraint.SetCoefficient(charged, sign)
        lowest = -held_kwh if fleet.v2g[row] else max(float(at_least_kwh[ptu]), 0.0) if floor_kwh.any() else 0.0
        now = solver.NumVar(max(lowest, must_kwh) if ptu == last else lowest, max(left_kwh, 0.0), "")
        balance = solver.Constraint(0.0, 0.0)
        balance.SetCoefficient(now, 1.0)
        balance.SetCoefficient(charged, -1.0)
        if level is not None:
            balance.SetCoefficient(level, -1.0)
        if fleet.v2g[row]:
            discharged = solver.NumVar(0.0, float(limit), "")
            constraint.SetCoefficient(discharged, -sign)
            balance.SetCoefficient(discharged, 1.0 / ROUND_TRIP_EFFICIENCY)
            shared = solver.Constraint(0.0, float(limit))
            shared.SetCoefficient(charged, 1.0)
            shared.SetCoefficient(discharged, 1.0)
        level = now
