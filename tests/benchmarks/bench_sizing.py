"""From sessions to bid, as the service does it: forecast, scenarios, deliverable power, calibration, explanation.

Beside it stands the bare numpy bounds loop over as many cars and scenarios that are simply there: it forecasts nothing,
draws nothing and has no answer (`bench_flexibility` compares the deliverable power of given scenarios with it).
"""

import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from bidding.forecast.sessions import SessionTable
from bidding.forecast.window_forecast import ChargerGroup
from bidding.optimisation.calibration import Calibrator
from bidding.optimisation.interface import ChargerTraits, SizedBid, WindowSpec
from bidding.optimisation.rehearsal_memory import RehearsalMemory
from bidding.optimisation.reliability_curve import ReliabilityCurve
from bidding.optimisation.sizing import size_window
from tests.benchmarks.bench_flexibility import TWO_HOURS, bare_loop, connected_cars
from tests.benchmarks.report import Report

DAY_S = 86_400
DAYS = 30
TODAY_S = 20_000 * DAY_S
STARTS_S = TODAY_S + 17 * 3600
NOW_S = STARTS_S - 3600
SCENARIOS = 500
KW = 7.4


def run(report: Report) -> None:
    """Measure all; `quick` takes a hundredth of the devices."""
    scale = 100 if report.quick else 1
    for devices in (25_000, 50_000, 100_000):
        size_a_fleet(report, devices=devices // scale)
    resize_a_group(report, devices=1_000 // (scale // 10 or 1))


def fleet(devices: int, *, days: int = DAYS) -> ChargerGroup:
    """Chargers with a session from about 15:30 to 7:30 on each of the last days; all are plugged in now."""
    random = np.random.default_rng(0)
    day, charger = np.divmod(np.arange((days + 1) * devices), devices)
    plug_in_s = (
        TODAY_S + (day - days) * DAY_S + (15.0 * 3600 + 1200 * random.standard_normal(len(day))).astype(np.int64)
    )
    stay_s = (15.5 * 3600 + 3600 * random.standard_normal(len(day))).astype(np.int64)
    need_kwh = random.uniform(10.0, 35.0, devices)[charger]
    order = np.argsort(plug_in_s, kind="stable")
    table = SessionTable(
        charger=charger[order].astype(np.int32),
        plug_in_s=plug_in_s[order],
        plug_out_s=(plug_in_s + stay_s)[order],
        energy_kwh=need_kwh[order],
        power_kw=np.full(len(day), KW),
        charger_ids=tuple(map(str, range(devices))),
    )
    return ChargerGroup(
        name="home",
        history=table.completed_before(NOW_S),
        plugged_in=table.plugged_in_at(NOW_S),
        traits=ChargerTraits(floor_kw=np.zeros(devices), v2g=np.zeros(devices, dtype=np.bool_)),
    )


def calibrator(devices: int) -> Calibrator:
    """A record of forty windows, kept from earlier sizings."""
    random = np.random.default_rng(1)
    kept = Calibrator()
    for _ in range(40):
        curve = ReliabilityCurve.of(devices * random.normal(4.0, 0.2, SCENARIOS))
        kept.learn(curve, realised_kw=devices * float(random.normal(3.9, 0.2)))
    return kept


def size(
    group: ChargerGroup, record: Calibrator | None, *, memory: RehearsalMemory | None = None, now_s: int = NOW_S
) -> SizedBid:
    """Size 17:00-19:00 at 16:00."""
    window = WindowSpec(
        starts_s=STARTS_S,
        ends_s=STARTS_S + 7200,
        direction="reduce",
        baseline="arrival",
        reliability=0.9,
        min_bid_kw=100.0,
        step_kw=1.0,
    )
    return size_window(
        window=window,
        now_s=now_s,
        timezone="UTC",
        groups=[group],
        calibrator=record,
        scenarios=SCENARIOS,
        memory=memory,
    )


@dataclass(frozen=True, slots=True)
class Took:
    """What some work took: time passed, and time on a processor, which a shared machine does not stretch."""

    passed_s: float
    processor_s: float

    @classmethod
    def by(cls, work: Callable[[], object]) -> "Took":
        """Do the work."""
        began = time.perf_counter(), time.process_time()
        work()
        return cls(time.perf_counter() - began[0], time.process_time() - began[1])


def size_a_fleet(report: Report, *, devices: int) -> None:
    """All of a sizing, beside the bare loop."""
    group, record = fleet(devices), calibrator(devices)
    random = np.random.default_rng(2)
    arrival, power = random.uniform(-5.0, 0.0, devices), np.full(devices, KW)
    loops = []
    for scenario in range(SCENARIOS):
        cars = connected_cars(scenario, arrival, power)
        loops.append(Took.by(partial(bare_loop, cars, TWO_HOURS)))
    ours = Took.by(partial(size, group, record))
    tracemalloc.start()
    size(group, record)
    peak_mb = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    loops_s = sum(loop.processor_s for loop in loops)
    report.row(
        name=f"sessions to bid: {devices:,} cars x {SCENARIOS} scenarios x 8 PTUs, {len(group.history):,} sessions",
        ours_s=ours.passed_s,
        peer="bare numpy bounds loop",
        peer_s=sum(loop.passed_s for loop in loops),
        note=f"{1e6 * ours.processor_s / devices:.0f} µs of processor time per device, beside "
        f"{1e6 * loops_s / devices:.0f} µs; arrays {peak_mb:.0f} MB",
    )


def resize_a_group(report: Report, *, devices: int) -> None:
    """One group for the first time of a day, past windows rehearsed; and anew a minute later, as after an event."""
    group, memory = fleet(devices), RehearsalMemory(most=100)
    name = f"{devices:,} cars x {SCENARIOS} scenarios"
    first = Took.by(partial(size, group, None, memory=memory, now_s=NOW_S - 60))
    report.row(
        name=f"sessions to bid, one group, first of the day: {name}",
        ours_s=first.passed_s,
        note=f"past windows rehearsed; processor time {1e3 * first.processor_s:.0f} ms",
    )
    again = min((Took.by(partial(size, group, None, memory=memory)) for _ in range(7)), key=lambda took: took.passed_s)
    report.row(
        name=f"the same group anew: {name}",
        ours_s=again.passed_s,
        target="<= 200 ms",
        note=f"rehearsals remembered; processor time {1e3 * again.processor_s:.0f} ms",
    )
