"""Exact linear programmes over a fleet (OR-Tools): the oracle the closed forms are held to, and the last-resort repair.

Variables are power and cumulative energy of each device and step, plus one group number z that enters the sum rows:
    aggregate_min ≤ Σ_devices power + z·weight ≤ aggregate_max   per step
The model is handed over in columns, so building 10,000 devices x 96 steps takes seconds rather than minutes.
"""

import math
from dataclasses import dataclass, field
from datetime import timedelta

import numpy as np
from numpy.typing import ArrayLike
from ortools.math_opt import model_pb2
from ortools.math_opt.python import mathopt

from bidding.flexibility.corridor import Corridor
from bidding.flexibility.ul import Floats, Integers

OUT_OF_BOUNDS = "no profiles of these devices meet the limits; relax the limits or leave devices out"

DEFAULT_TIME_LIMIT = timedelta(seconds=60)


class InfeasibleFleetError(ValueError):
    """No set of device profiles meets the group's limits."""


class UnsolvedError(RuntimeError):
    """The solver stopped without an answer, by its time limit or numerically."""


@dataclass(frozen=True, slots=True)
class SiteLimits:
    """Import and feed-in limits of connections; `site` (n,) names each device's row of `max_*_kw` (sites, T)."""

    site: Integers
    max_import_kw: Floats
    max_export_kw: Floats


@dataclass(frozen=True, slots=True)
class FleetSolution:
    """Profiles (n, T), the group number z, and the objective."""

    profile_kw: Floats
    z_kw: float
    objective: float


@dataclass(frozen=True, slots=True)
class Storage:
    """n lossy stores for the exact programme; power (n,), stored energy (n,) at the battery, efficiencies one way.

    Charging c and discharging d change the store by (c·charge_efficiency -
    d/discharge_efficiency)·Δt; the grid sees c - d. Doing both at once is not excluded, so the programme is an upper
    bound for what a real store can do.
    """

    charge_max_kw: Floats
    discharge_max_kw: Floats
    stored_kwh: Floats
    stored_min_kwh: Floats
    stored_max_kwh: Floats
    stored_end_min_kwh: Floats
    charge_efficiency: float
    discharge_efficiency: float


@dataclass(slots=True)
class _Columns:
    """A linear programme being collected column- and row-wise as flat arrays."""

    lower: list[Floats] = field(default_factory=list)
    upper: list[Floats] = field(default_factory=list)
    cost: list[Floats] = field(default_factory=list)
    row_lower: list[Floats] = field(default_factory=list)
    row_upper: list[Floats] = field(default_factory=list)
    entries: list[tuple[Integers, Integers, Floats]] = field(default_factory=list)
    variables: int = 0
    rows: int = 0

    def add_variables(self, shape: tuple[int, ...], *, lower: ArrayLike, upper: ArrayLike, cost: ArrayLike) -> Integers:
        for target, value in ((self.lower, lower), (self.upper, upper), (self.cost, cost)):
            target.append(np.broadcast_to(np.asarray(value, np.float64), shape).ravel())
        ids = np.arange(self.variables, self.variables + math.prod(shape)).reshape(shape)
        self.variables += ids.size
        return ids

    def add_rows(self, shape: tuple[int, ...], *, lower: ArrayLike, upper: ArrayLike) -> Integers:
        for target, value in ((self.row_lower, lower), (self.row_upper, upper)):
            target.append(np.broadcast_to(np.asarray(value, np.float64), shape).ravel())
        ids = np.arange(self.rows, self.rows + math.prod(shape)).reshape(shape)
        self.rows += ids.size
        return ids

    def add_entries(self, rows: Integers, columns: Integers, values: ArrayLike) -> None:
        rows, columns, coefficients = np.broadcast_arrays(rows, columns, np.asarray(values, np.float64))
        self.entries.append((rows.ravel(), columns.ravel(), coefficients.ravel()))

    def contradictory(self) -> bool:
        """Whether a variable or a row has its least above its most, which the solver refuses to look at."""
        bounds = ((self.lower, self.upper), (self.row_lower, self.row_upper))
        return any(np.any(low > high) for lows, highs in bounds for low, high in zip(lows, highs, strict=True))

    def model(self, *, maximise: bool) -> mathopt.Model:
        row, column, value = (np.concatenate(part) for part in zip(*self.entries, strict=True))
        kept = value != 0
        row, column, value = row[kept], column[kept], value[kept]
        order = np.lexsort((column, row))
        cost = np.concatenate(self.cost)
        priced = np.flatnonzero(cost)
        proto = model_pb2.ModelProto()
        proto.variables.ids.extend(range(self.variables))
        proto.variables.lower_bounds.extend(np.concatenate(self.lower).tolist())
        proto.variables.upper_bounds.extend(np.concatenate(self.upper).tolist())
        proto.variables.integers.extend([False] * self.variables)
        proto.objective.maximize = maximise
        proto.objective.linear_coefficients.ids.extend(priced.tolist())
        proto.objective.linear_coefficients.values.extend(cost[priced].tolist())
        proto.linear_constraints.ids.extend(range(self.rows))
        proto.linear_constraints.lower_bounds.extend(np.concatenate(self.row_lower).tolist())
        proto.linear_constraints.upper_bounds.extend(np.concatenate(self.row_upper).tolist())
        proto.linear_constraint_matrix.row_ids.extend(row[order].tolist())
        proto.linear_constraint_matrix.column_ids.extend(column[order].tolist())
        proto.linear_constraint_matrix.coefficients.extend(value[order].tolist())
        return mathopt.Model.from_model_proto(proto)


def solve_fleet(
    *,
    corridor: Corridor,
    step_hours: float,
    aggregate_min_kw: ArrayLike = -math.inf,
    aggregate_max_kw: ArrayLike = math.inf,
    cost: ArrayLike = 0.0,
    z_weight: ArrayLike = 0.0,
    z_cost: float = 0.0,
    maximise: bool = False,
    sites: SiteLimits | None = None,
    storage: Storage | None = None,
    solver: mathopt.SolverType = mathopt.SolverType.HIGHS,
    time_limit: timedelta = DEFAULT_TIME_LIMIT,
) -> FleetSolution:
    """Optimise the profiles of all devices of a corridor (and lossy stores) under limits on their sum.

    Args:
        corridor: Devices (n, T).
        step_hours: Length of a step.
        aggregate_min_kw: Least sum per step, scalar or (T,).
        aggregate_max_kw: Most sum per step.
        cost: Per kW of each device and step, broadcast to (n, T).
        z_weight: How the group number enters the sum of each step, scalar or (T,).
        z_cost: Its coefficient in the objective.
        maximise: Direction of the objective.
        sites: Connection limits over devices of the corridor.
        storage: Lossy stores beside the corridor; they have no cost of their own.
        solver: HiGHS by default: GLOP gives up as imprecise on some degenerate fleets; PDLP for very large ones.
        time_limit: The solver is stopped after this.

    Raises:
        InfeasibleFleetError: the limits cannot be met.
        UnsolvedError: no optimum within the time limit.
    """
    steps = corridor.steps
    shape = (corridor.devices, steps)
    columns = _Columns()
    power = columns.add_variables(shape, lower=corridor.power_min_kw, upper=corridor.power_max_kw, cost=cost)
    energy = columns.add_variables(shape, lower=corridor.energy_min_kwh, upper=corridor.energy_max_kwh, cost=0.0)
    z = columns.add_variables((1,), lower=-math.inf, upper=math.inf, cost=z_cost)
    _add_balance(columns, energy, [(power, -step_hours)], initial=np.zeros(corridor.devices))
    total = columns.add_rows((steps,), lower=aggregate_min_kw, upper=aggregate_max_kw)
    columns.add_entries(total, power, 1.0)
    columns.add_entries(total, z, z_weight)
    if sites is not None:
        connection = columns.add_rows(sites.max_import_kw.shape, lower=-sites.max_export_kw, upper=sites.max_import_kw)
        columns.add_entries(connection[sites.site], power, 1.0)
    if storage is not None:
        charge, discharge = _add_storage(columns, storage, steps=steps, step_hours=step_hours)
        columns.add_entries(total, charge, 1.0)
        columns.add_entries(total, discharge, -1.0)
    if columns.contradictory():
        raise InfeasibleFleetError(OUT_OF_BOUNDS)
    model = columns.model(maximise=maximise)
    result = mathopt.solve(model, solver, params=mathopt.SolveParameters(time_limit=time_limit))
    reason = result.termination.reason
    if reason in {mathopt.TerminationReason.INFEASIBLE, mathopt.TerminationReason.INFEASIBLE_OR_UNBOUNDED}:
        raise InfeasibleFleetError(OUT_OF_BOUNDS)
    if reason != mathopt.TerminationReason.OPTIMAL:
        raise UnsolvedError(f"the solver ended with {reason.name} after at most {time_limit}; raise the time limit")
    values = np.asarray(result.variable_values(list(model.variables())))
    return FleetSolution(profile_kw=values[power], z_kw=float(values[z[0]]), objective=float(result.objective_value()))


def max_reduce_kw(
    *,
    corridor: Corridor,
    baseline_kw: ArrayLike,
    step_hours: float,
    window: slice = slice(None),
    storage: Storage | None = None,
) -> float:
    """Most power by which the fleet can stay below the baseline (T,) in every step of the window."""
    baseline, inside = _in_window(baseline_kw, corridor.steps, window)
    return solve_fleet(
        corridor=corridor,
        step_hours=step_hours,
        aggregate_max_kw=np.where(inside, baseline, math.inf),
        z_weight=inside.astype(np.float64),
        z_cost=1.0,
        maximise=True,
        storage=storage,
    ).z_kw


def max_increase_kw(
    *,
    corridor: Corridor,
    baseline_kw: ArrayLike,
    step_hours: float,
    window: slice = slice(None),
    storage: Storage | None = None,
) -> float:
    """Most power by which the fleet can stay above the baseline (T,) in every step of the window."""
    baseline, inside = _in_window(baseline_kw, corridor.steps, window)
    return solve_fleet(
        corridor=corridor,
        step_hours=step_hours,
        aggregate_min_kw=np.where(inside, baseline, -math.inf),
        z_weight=-inside.astype(np.float64),
        z_cost=1.0,
        maximise=True,
        storage=storage,
    ).z_kw


def min_flat_cap_kw(*, corridor: Corridor, step_hours: float, window: slice = slice(None)) -> float:
    """Lowest flat cap on the fleet in the window under which every device stays inside its bounds."""
    zero, inside = _in_window(0.0, corridor.steps, window)
    return solve_fleet(
        corridor=corridor,
        step_hours=step_hours,
        aggregate_max_kw=np.where(inside, zero, math.inf),
        z_weight=-inside.astype(np.float64),
        z_cost=1.0,
    ).z_kw


def _in_window(
    values: ArrayLike, steps: int, window: slice
) -> tuple[Floats, "np.ndarray[tuple[int], np.dtype[np.bool_]]"]:
    inside = np.zeros(steps, np.bool_)
    inside[window] = True
    return np.broadcast_to(np.asarray(values, np.float64), (steps,)), inside


def _add_balance(
    columns: _Columns, state: Integers, flows: list[tuple[Integers, ArrayLike]], *, initial: Floats
) -> None:
    """State at the end of a step = state before + Σ flows; coefficients carry the sign of the left-hand side."""
    start = np.zeros(state.shape)
    start[:, 0] = initial
    rows = columns.add_rows(state.shape, lower=start, upper=start)
    columns.add_entries(rows, state, 1.0)
    columns.add_entries(rows[:, 1:], state[:, :-1], -1.0)
    for variables, coefficient in flows:
        columns.add_entries(rows, variables, coefficient)


def _add_storage(columns: _Columns, storage: Storage, *, steps: int, step_hours: float) -> tuple[Integers, Integers]:
    shape = (len(storage.stored_kwh), steps)
    charge = columns.add_variables(shape, lower=0.0, upper=storage.charge_max_kw[:, None], cost=0.0)
    discharge = columns.add_variables(shape, lower=0.0, upper=storage.discharge_max_kw[:, None], cost=0.0)
    least = np.array(np.broadcast_to(storage.stored_min_kwh[:, None], shape))
    least[:, -1] = np.maximum(least[:, -1], storage.stored_end_min_kwh)
    stored = columns.add_variables(shape, lower=least, upper=storage.stored_max_kwh[:, None], cost=0.0)
    _add_balance(
        columns,
        stored,
        [
            (charge, -storage.charge_efficiency * step_hours),
            (discharge, step_hours / storage.discharge_efficiency),
        ],
        initial=storage.stored_kwh,
    )
    return charge, discharge
