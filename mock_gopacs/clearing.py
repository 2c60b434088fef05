"""Pair clearing: relieve a congested area at the least cost, buying outside what is sold inside (or the reverse).

Pure: a book and a problem in, volumes out. Volumes are whole steps of 100 kW, prices whole cents per MWh, and every
PTU is an index from the start of the problem, so the model is exact integers from end to end.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal

from ortools.sat.python import cp_model

STEP_KW = 100


@dataclass(frozen=True, slots=True)
class BookOrder:
    """An order that takes part; orders stand in the book from earliest to latest.

    Attributes:
        key: the order's name in the result.
        is_inside: whether it relieves the congested area (else it is a counter-order).
        is_sell: whether it sells energy.
        steps: volume still to be had, in steps of 100 kW; one volume for all its PTUs.
        price_cents_per_mwh: its price.
        first_ptu: index of its first PTU.
        end_ptu: index after its last PTU.
        forced_steps: the volume a scenario dictates, or None to let prices decide.
    """

    key: str
    is_inside: bool
    is_sell: bool
    steps: int
    price_cents_per_mwh: int
    first_ptu: int
    end_ptu: int
    forced_steps: int | None = None

    @property
    def ptu_count(self) -> int:
        """The number of PTUs it covers."""
        return self.end_ptu - self.first_ptu

    @property
    def cost_cents_kw_per_mwh(self) -> int:
        """What one step of it costs the operator over its period, in cents per MWh times kW times PTUs."""
        sign = 1 if self.is_sell else -1
        return sign * self.price_cents_per_mwh * STEP_KW * self.ptu_count


@dataclass(frozen=True, slots=True)
class Problem:
    """What the operator needs: `required_kw` in each PTU, and the most it pays for it per MWh."""

    required_kw: tuple[int, ...]
    maximum_spread_cents_per_mwh: int


@dataclass(frozen=True, slots=True)
class Result:
    """The cleared steps per order key (orders with none are absent) and how sure the solver is of the optimum."""

    steps: Mapping[str, int]
    solver_status: str


def clear(book: Sequence[BookOrder], problem: Problem, *, time_limit_seconds: float) -> Result:
    """Choose the volumes that minimise the spread paid plus the operator's price of what stays short.

    In every PTU the volume inside equals the volume outside; forced volumes need no counter-order. Among equally
    cheap answers the one that uses the earliest orders is taken. The same book gives the same answer, unless the time
    limit cuts the search; then the best answer found is returned, at worst none.
    """
    model = cp_model.CpModel()
    volumes = {order.key: _volume(model, order) for order in book}
    cost = cp_model.LinearExpr.sum([order.cost_cents_kw_per_mwh * volumes[order.key] for order in book])
    surplus_price = _price_of_surplus(book)
    for ptu, required_kw in enumerate(problem.required_kw):
        covering = [order for order in book if order.first_ptu <= ptu < order.end_ptu]
        inside = sum(volumes[order.key] for order in covering if order.is_inside)
        model.add(
            sum(volumes[order.key] for order in covering if order.is_inside and order.forced_steps is None)
            == sum(volumes[order.key] for order in covering if not order.is_inside and order.forced_steps is None)
        )
        shortage = model.new_int_var(0, required_kw, f"shortage {ptu}")
        most = STEP_KW * sum(order.steps for order in covering if order.is_inside)
        surplus = model.new_int_var(0, most, f"surplus {ptu}")
        model.add(shortage - surplus == required_kw - STEP_KW * inside)
        cost += problem.maximum_spread_cents_per_mwh * shortage + surplus_price * surplus
    model.minimize(cost)
    solver, status = _solve(model, time_limit_seconds)
    if status not in {cp_model.OPTIMAL, cp_model.FEASIBLE}:
        return Result({}, solver.status_name(status))
    answer = {key: solver.value(volume) for key, volume in volumes.items()}
    if status == cp_model.OPTIMAL:
        answer = _earliest_of_the_cheapest(
            model,
            book=book,
            volumes=volumes,
            cost=cost,
            best_cost=solver.value(cost),
            first_answer=answer,
            time_limit_seconds=time_limit_seconds,
        )
    return Result({key: steps for key, steps in answer.items() if steps}, solver.status_name(status))


def cost_cents_kw_per_mwh(book: Sequence[BookOrder], problem: Problem, steps: Mapping[str, int]) -> int:
    """Return the value that `clear` minimises, for given volumes (the definition a test can enumerate)."""
    total = sum(order.cost_cents_kw_per_mwh * steps.get(order.key, 0) for order in book)
    surplus_price = _price_of_surplus(book)
    for ptu, required_kw in enumerate(problem.required_kw):
        shortage = required_kw - STEP_KW * sum(
            steps.get(order.key, 0) for order in book if order.is_inside and order.first_ptu <= ptu < order.end_ptu
        )
        total += problem.maximum_spread_cents_per_mwh * max(shortage, 0) + surplus_price * max(-shortage, 0)
    return total


def forced_steps(steps: int, share: Decimal) -> int:
    """Return the steps a scenario's share means: rounded down, but a part of two or more steps stays a part.

    >>> forced_steps(5, Decimal("0.5"))
    2
    >>> forced_steps(2, Decimal("0.1"))
    1
    """
    wanted = int((steps * share).to_integral_value(ROUND_FLOOR))
    is_part = 0 < share < 1
    return max(wanted, 1) if is_part and steps > 1 else wanted


def _volume(model: cp_model.CpModel, order: BookOrder) -> cp_model.IntVar:
    lowest, highest = (0, order.steps) if order.forced_steps is None else (order.forced_steps, order.forced_steps)
    return model.new_int_var(lowest, highest, order.key)


def _price_of_surplus(book: Sequence[BookOrder]) -> int:
    """Return what a kW beyond the need must cost so that no pair with a negative spread is cleared for its own sake."""
    sells = [order.price_cents_per_mwh for order in book if order.is_sell]
    buys = [order.price_cents_per_mwh for order in book if not order.is_sell]
    return max(0, max(buys) - min(sells)) if sells and buys else 0


def _earliest_of_the_cheapest(
    model: cp_model.CpModel,
    *,
    book: Sequence[BookOrder],
    volumes: Mapping[str, cp_model.IntVar],
    cost: cp_model.LinearExpr,
    best_cost: int,
    first_answer: dict[str, int],
    time_limit_seconds: float,
) -> dict[str, int]:
    model.add(cost == best_cost)
    for key, volume in volumes.items():
        model.add_hint(volume, first_answer[key])
    model.minimize(sum(rank * order.ptu_count * volumes[order.key] for rank, order in enumerate(book, start=1)))
    solver, status = _solve(model, time_limit_seconds)
    if status not in {cp_model.OPTIMAL, cp_model.FEASIBLE}:
        return first_answer
    return {key: solver.value(volume) for key, volume in volumes.items()}


def _solve(model: cp_model.CpModel, time_limit_seconds: float) -> tuple[cp_model.CpSolver, cp_model.CpSolverStatus]:
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1  # more workers race, and the winner of a race is not reproducible
    solver.parameters.random_seed = 0
    solver.parameters.max_time_in_seconds = time_limit_seconds
    return solver, solver.solve(model)
