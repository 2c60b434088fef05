"""Sizing, deliverable power, disaggregation and price plans, beside bare numpy loops and direct linear programmes.

Fleets are drawn from a seed; ours and the other see the same ones in the same run. The linear programmes here are the
leanest form: one variable per car and connected step, one row per car and step.
"""

import time
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from ortools.math_opt import model_pb2
from ortools.math_opt.python import mathopt

from bidding.flexibility import lp
from bidding.flexibility.corridor import Corridor
from bidding.flexibility.deliverable import deliverable_reduce_kw, max_constant_kw
from bidding.flexibility.devices import one_way_charger
from bidding.flexibility.disaggregation import disaggregate
from bidding.flexibility.price_plan import plan_by_price
from bidding.flexibility.scenarios import window_deliverable_scenarios
from bidding.flexibility.ul import Floats, ul_vectors
from bidding.flexibility.window import Sessions, Window
from tests.benchmarks.report import Report

TWO_HOURS = Window(steps=8)
SOLVER_LIMIT = timedelta(minutes=5)
PUBLISHED_CARS = (121, 5_700, 36_108, 90_084, 166_286, 245_706)


def run(report: Report) -> None:
    """Measure all; `quick` takes a hundredth of the devices."""
    scale = 100 if report.quick else 1
    size_a_window(report, devices=100_000 // scale, scenarios=500 // (scale // 10 or 1))
    size_a_window(report, devices=50_000 // scale, scenarios=500 // (scale // 10 or 1))
    size_a_window(report, devices=100_000 // scale, scenarios=500 // (scale // 10 or 1), cannot_pause=1 / 3)
    resize_a_group(report, devices=1_000 // (scale // 10 or 1), scenarios=500)
    for devices in (100, 1_000, 3_000)[: 1 if report.quick else None]:
        deliver_beside_the_programme(report, devices=devices)
    repeat_the_published_table(report, largest=PUBLISHED_CARS[-1] // scale)
    split_over_devices(report, devices=100_000 // scale)
    plan_a_day(report, cars=10_000 // scale, engines=("GLOP",) if report.quick else ("PDLP", "GLOP"))


def best_of(rounds: int, work: Callable[[], object]) -> float:
    """Shortest time of some rounds."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def connected_cars(seed: int, arrival: Floats, power: Floats, floor: float | Floats = 0.0) -> Sessions:
    """Cars that are there when the window begins, with a departure and a need of their own in each scenario."""
    random = np.random.default_rng(seed)
    return Sessions(
        arrival_hours=arrival,
        departure_hours=random.uniform(0.5, 14.0, len(arrival)),
        energy_needed_kwh=random.uniform(0.0, 20.0, len(arrival)),
        power_max_kw=power,
        power_floor_kw=floor,
    )


def bare_loop(cars: Sessions, window: Window) -> None:
    """The floor: most and least energy for each number of steps, straight from the formula; no baseline, no answer."""
    step_kwh = cars.power_max_kw * window.step_hours
    most = np.minimum(cars.energy_needed_kwh, cars.power_max_kw * cars.departure_hours)
    least = np.maximum(most - cars.power_max_kw * np.maximum(cars.departure_hours - window.hours, 0.0), 0.0)
    for count in range(window.steps + 1):
        np.minimum(count * step_kwh, most).sum()
        np.maximum(least - (window.steps - count) * step_kwh, 0.0).sum()


@dataclass(slots=True)
class Clock:
    """Time that belongs to the floor, and to drawing scenarios."""

    floor_s: float = 0.0
    drawing_s: float = 0.0


def size_a_window(report: Report, *, devices: int, scenarios: int, cannot_pause: float = 0.0) -> None:
    """Deliverable power of every scenario, reduce, increase and cap, beside the bare loop over the same scenarios."""
    random = np.random.default_rng(0)
    arrival, power = random.uniform(-5.0, 0.0, devices), random.choice([3.7, 7.4, 11.0], devices)
    floor = np.where(random.random(devices) < cannot_pause, 1.38, 0.0) if cannot_pause else 0.0

    def draws(clock: Clock, count: int) -> Iterator[Sessions]:
        for scenario in range(count):
            start = time.perf_counter()
            cars = connected_cars(scenario, arrival, power, floor)
            drawn = time.perf_counter()
            bare_loop(cars, TWO_HOURS)
            clock.floor_s += time.perf_counter() - drawn
            clock.drawing_s += drawn - start
            yield cars

    clock = Clock()
    start = time.perf_counter()
    window_deliverable_scenarios(batches=draws(clock, scenarios), window=TWO_HOURS)
    ours_s = time.perf_counter() - start - clock.floor_s - clock.drawing_s

    tracemalloc.start()
    window_deliverable_scenarios(batches=draws(Clock(), min(scenarios, 20)), window=TWO_HOURS)
    peak_mb = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    some = f", {cannot_pause:.0%} cannot pause" if cannot_pause else ""
    report.row(
        name=f"size a window: {devices:,} devices x {scenarios} scenarios x 8 PTUs{some}",
        ours_s=ours_s,
        peer="bare numpy bounds loop",
        peer_s=clock.floor_s,
        target="" if cannot_pause else "<= 1.5x",
        note=f"{1e9 * ours_s / (devices * scenarios):.1f} ns per device and scenario, arrays {peak_mb:.0f} MB",
    )


def resize_a_group(report: Report, *, devices: int, scenarios: int) -> None:
    """All scenarios of one group at once, as a re-size after an event does."""
    random = np.random.default_rng(1)
    rows = devices * scenarios
    cars = connected_cars(2, random.uniform(-5.0, 0.0, rows), random.choice([3.7, 7.4, 11.0], rows))
    batch = Sessions(
        arrival_hours=cars.arrival_hours,
        departure_hours=cars.departure_hours,
        energy_needed_kwh=cars.energy_needed_kwh,
        power_max_kw=cars.power_max_kw,
        scenario=np.repeat(np.arange(scenarios), devices),
        scenarios=scenarios,
    )
    ours_s = best_of(3, lambda: window_deliverable_scenarios(batches=[batch], window=TWO_HOURS))
    report.row(name=f"re-size a group: {devices:,} devices x {scenarios} scenarios", ours_s=ours_s, target="<= 200 ms")


def deliver_beside_the_programme(report: Report, *, devices: int) -> None:
    """One scenario's power to reduce by closed form and by direct linear programme; they must agree."""
    random = np.random.default_rng(3)
    power = random.choice([3.7, 7.4, 11.0], devices)
    most = power * TWO_HOURS.hours * random.uniform(0.2, 1.0, devices)
    least = most * random.uniform(0.0, 1.0, devices)
    baseline = power.sum() * np.linspace(0.3, 0.6, TWO_HOURS.steps)
    corridor = Corridor.of(
        power_min_kw=0.0,
        power_max_kw=power[:, None],
        energy_min_kwh=least[:, None] * (np.arange(TWO_HOURS.steps) == TWO_HOURS.steps - 1),
        energy_max_kwh=most[:, None],
        shape=(devices, TWO_HOURS.steps),
    )

    def closed_form() -> float:
        vectors = ul_vectors(
            power_min_kw=0.0,
            power_max_kw=power,
            energy_min_kwh=least,
            energy_max_kwh=most,
            steps=TWO_HOURS.steps,
            step_hours=TWO_HOURS.step_hours,
        )
        return float(deliverable_reduce_kw(baseline_kw=baseline, vectors=vectors, step_hours=TWO_HOURS.step_hours))

    start = time.perf_counter()
    exact = lp.max_reduce_kw(corridor=corridor, baseline_kw=baseline, step_hours=TWO_HOURS.step_hours)
    direct_s = time.perf_counter() - start
    ours = closed_form()
    report.row(
        name=f"deliverable power of {devices:,} devices, 8 PTUs",
        ours_s=best_of(5, closed_form),
        peer="direct LP (HiGHS)",
        peer_s=direct_s,
        target=">= 100x",
        note=f"{ours:.6g} kW; relative difference {abs(ours - exact) / abs(exact):.1e}",
    )


def repeat_the_published_table(report: Report, *, largest: int) -> None:
    """All cases of arXiv 2310.02729, up to a size: the largest power held in all of 4 and of 16 steps of one hour."""
    random = np.random.default_rng(4)
    power = random.choice([3.7, 7.4, 11.0], largest)
    most = power * random.uniform(0.2, 1.0, largest)

    def held_kw(cars: int, steps: int) -> float:
        vectors = ul_vectors(
            power_min_kw=0.0,
            power_max_kw=power[:cars],
            energy_min_kwh=0.5 * most[:cars],
            energy_max_kwh=most[:cars],
            steps=steps,
            step_hours=1 / steps,
        )
        return float(max_constant_kw(vectors=vectors, step_hours=1 / steps))

    sizes = [min(cars, largest) for cars in PUBLISHED_CARS]
    report.row(
        name=f"largest held power, {largest:,} cars x 16 steps",
        ours_s=best_of(3, lambda: held_kw(largest, 16)),
        target="<= 2 s",
        note="published on another machine: 160 s by UL constraints, 1,665 s direct",
    )
    report.row(
        name="the whole published table: 6 sizes x (4 and 16 steps)",
        ours_s=best_of(3, lambda: [held_kw(cars, steps) for cars in sizes for steps in (4, 16)]),
        target="<= 2 s",
        note="published on another machine: 987 s by UL constraints, 4,587 s direct, all cases added",
    )


def split_over_devices(report: Report, *, devices: int) -> None:
    """A promised reduction back to cars that come and go, over 12 PTUs."""
    random = np.random.default_rng(5)
    window = Window(steps=12)
    arrival = np.asarray(random.integers(-16, 8, devices) * 0.25, np.float64)
    cars = Sessions(
        arrival_hours=arrival,
        departure_hours=arrival + random.integers(1, 36, devices) * 0.25,
        energy_needed_kwh=random.uniform(0.0, 14.0, devices),
        power_max_kw=random.choice([3.7, 7.4, 11.0], devices),
    )
    promised = window_deliverable_scenarios(batches=[cars], window=window)
    profile = promised.baseline_kw[0] - promised.reduce_kw[0]
    start = time.perf_counter()
    split = disaggregate(profile_kw=profile, sessions=cars, window=window)
    ours_s = time.perf_counter() - start
    worst = np.abs(split.sessions_kw.sum(axis=0) - profile).max()
    report.row(
        name=f"split a profile over {devices:,} cars x 12 PTUs",
        ours_s=ours_s,
        target="<= 5 s",
        note=f"sum off by {worst:.1e} kW of {profile.max():.0f}",
    )


def day_of_cars(cars: int) -> tuple[Corridor, Floats, float]:
    """Evening arrivals on a horizon from noon, prices with two peaks, and a cap of twice the mean load."""
    random = np.random.default_rng(1)
    arrival = np.clip(random.normal(6.0, 2.5, cars), 0.0, 14.0)
    corridor = one_way_charger(
        arrival_hours=arrival,
        departure_hours=np.clip(arrival + random.gamma(9.0, 1.3, cars), arrival + 0.5, 24.0),
        energy_needed_kwh=np.minimum(random.lognormal(2.3, 0.7, cars), 60.0),
        power_max_kw=random.choice([3.7, 7.4, 11.0], cars),
        window=Window(steps=96),
    )
    price = 80 + 40 * np.sin(np.arange(96) / 96 * 4 * np.pi) + random.normal(0.0, 5.0, 96)
    return corridor, price, 2.0 * corridor.energy_min_kwh[:, -1].sum() / 24.0


def plan_a_day(report: Report, *, cars: int, engines: tuple[str, ...]) -> None:
    """Cheapest charging under a group cap, beside the direct linear programme by each engine."""
    corridor, price, cap = day_of_cars(cars)
    plans = {}
    for exact in (True, False):
        start = time.perf_counter()
        plan = plan_by_price(corridor=corridor, price=price, step_hours=0.25, cap_kw=cap, exact=exact)
        plans[exact] = (time.perf_counter() - start, plan)
    optimum = float(plans[True][1].sum(axis=0) @ price) * 0.25
    for engine in engines:
        start = time.perf_counter()
        found = direct_plan_cost(corridor, price, cap, mathopt.SolverType[engine])
        direct_s = time.perf_counter() - start
        if found is not None:
            optimum = found
        for exact, (ours_s, plan) in plans.items():
            cost = float(plan.sum(axis=0) @ price) * 0.25
            beside = "LP" if found is not None else "exact plan"
            served = corridor.worst_violation_kwh(plan, step_hours=0.25) <= 1e-6
            report.row(
                name=f"day plan of {cars:,} cars x 96 PTUs, {'exact' if exact else 'one pass'}",
                ours_s=ours_s,
                peer=f"direct LP ({engine}{'' if found is not None else ', stopped without an answer'})",
                peer_s=direct_s,
                target=">= 100x",
                note=f"cost {100 * (cost / optimum - 1):+.3f} % of the {beside}, cap "
                f"{'kept' if plan.sum(axis=0).max() <= cap else 'PASSED'}, {'all' if served else 'NOT all'} served",
            )


def direct_plan_cost(corridor: Corridor, price: Floats, cap_kw: float, engine: mathopt.SolverType) -> float | None:
    """Least cost by one linear programme over all cars; None when the engine has no answer in its time."""
    cars, steps = np.nonzero(corridor.power_max_kw)
    count, devices = len(cars), corridor.devices
    proto = model_pb2.ModelProto()
    proto.variables.ids.extend(range(count))
    proto.variables.lower_bounds.extend([0.0] * count)
    proto.variables.upper_bounds.extend(corridor.power_max_kw[cars, steps].tolist())
    proto.variables.integers.extend([False] * count)
    proto.objective.linear_coefficients.ids.extend(range(count))
    proto.objective.linear_coefficients.values.extend((price[steps] * 0.25).tolist())
    proto.linear_constraints.ids.extend(range(devices + corridor.steps))
    least = corridor.energy_min_kwh[:, -1] / 0.25
    proto.linear_constraints.lower_bounds.extend([*least.tolist(), *[0.0] * corridor.steps])
    proto.linear_constraints.upper_bounds.extend(
        [*(corridor.energy_max_kwh[:, -1] / 0.25).tolist(), *[cap_kw] * corridor.steps]
    )
    rows, columns = np.concatenate((cars, devices + steps)), np.tile(np.arange(count), 2)
    order = np.lexsort((columns, rows))
    proto.linear_constraint_matrix.row_ids.extend(rows[order].tolist())
    proto.linear_constraint_matrix.column_ids.extend(columns[order].tolist())
    proto.linear_constraint_matrix.coefficients.extend([1.0] * (2 * count))
    model = mathopt.Model.from_model_proto(proto)
    result = mathopt.solve(model, engine, params=mathopt.SolveParameters(time_limit=SOLVER_LIMIT))
    if result.termination.reason != mathopt.TerminationReason.OPTIMAL:
        return None
    return float(result.objective_value())
