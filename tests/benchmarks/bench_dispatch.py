"""A plan for 100,000 assets from one order: who does what, until when each waits, within the limits, worded to be sent.

Computing is the processor time of one thread, from what is known of the cars to the bytes that a partner gets. What the
database does before and after it, reading the cars and storing the setpoints, is measured by the second row.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import msgspec
import numpy as np

from aggregator.core.ptu import PTU
from bidding.dispatch.allocation.caps import Scope, capped_kw
from bidding.dispatch.allocation.decision import Decision, Records, decide
from bidding.dispatch.allocation.plan import SteadyResources
from bidding.dispatch.allocation.ramp import random_offsets_s
from bidding.dispatch.allocation.release import release_delays_ptus
from bidding.dispatch.allocation.urgency import UrgencyPolicy
from bidding.dispatch.allocation.view import DispatchView
from bidding.forecast.outlook import FEWEST_SAMPLES, Outlook, OutlookModel
from bidding.forecast.sessions import SessionTable
from tests.benchmarks.report import Report
from tests.benchmarks.served import bench_database

CARS, SAMPLES = 100_000, FEWEST_SAMPLES
EARLIER_SESSIONS = 10
STARTS_AT = datetime(2026, 1, 14, 16, tzinfo=UTC)
WINDOW_PTUS = 12
PER_POST = 10_000


def run(report: Report) -> None:
    """Measure looking up what to expect of the cars, planning, and storing what was planned."""
    cars = CARS // 100 if report.quick else CARS
    view = _cars(cars)
    kilowatt = 2.0 * cars
    powers_kw, delays = _planned(view, kilowatt)
    waiting = int((powers_kw < view.power_kw).sum())
    report.row(
        name=f"comparable sessions of {cars:,} cars looked up among {EARLIER_SESSIONS * cars:,}, computing",
        ours_s=_computing(_lookup(cars)),
    )
    with bench_database():
        report.row(
            name=f"plan and setpoints of {cars:,} assets from one order of {kilowatt / 1000:,.0f} MW, computing",
            ours_s=_computing(lambda: _worded(*_planned(view, kilowatt))),
            target="<= 2 s",
            note=f"{waiting:,} cars wait, up to {int(delays.max())} quarter hours after it",
        )
        report.row(
            name=f"{cars:,} setpoints checked against all limits, stored and put in the outbox",
            ours_s=_stored(cars),
            note="one partner, one batch; the database's work counts",
        )


def _computing(work: Callable[[], object], rounds: int = 3) -> float:
    best = float("inf")
    for _ in range(rounds):
        started = time.thread_time()
        work()
        best = min(best, time.thread_time() - started)
    return best


def _lookup(cars: int) -> Callable[[], object]:
    random = np.random.default_rng(3)
    now_s, day_s = int(STARTS_AT.timestamp()), 86_400
    days_ago = np.repeat(np.arange(EARLIER_SESSIONS + 1), cars)
    plug_in_s = now_s - days_ago * day_s - random.integers(3600, 6 * 3600, len(days_ago))
    stay_s = (3600 * np.minimum(0.2 + random.gamma(2.0, 3.0, len(days_ago)), 16.0)).astype(np.int64)
    table = SessionTable.from_columns(
        charger_ids=np.tile(np.arange(cars), EARLIER_SESSIONS + 1).astype(np.str_).tolist(),
        plug_in_s=plug_in_s,
        plug_out_s=np.where(days_ago == 0, now_s + day_s, plug_in_s + stay_s),
        energy_kwh=np.full(len(days_ago), 10.0),
        power_kw=np.full(len(days_ago), 11.0),
    )
    here = np.flatnonzero(table.plug_out_s == now_s + day_s)
    model = OutlookModel(table, timezone="Europe/Amsterdam")
    return lambda: model.of(here, now_s=now_s)


def _cars(count: int) -> DispatchView:
    random = np.random.default_rng(5)
    power_kw = random.choice([3.7, 7.4, 11.0], count)
    elapsed_h = random.uniform(0.0, 6.0, count)
    stay_h = elapsed_h[:, None] + random.gamma(2.0, 3.0, (count, SAMPLES))
    is_told = random.random(count) < 0.4
    return DispatchView(
        ptu_h=0.25,
        left_in_window_h=WINDOW_PTUS * 0.25,
        elapsed_h=elapsed_h,
        power_kw=power_kw,
        takes_kw=power_kw,
        floor_kw=np.where(random.random(count) < 0.3, 1.4, 0.0),
        v2g=random.random(count) < 0.1,
        energy_in_kwh=random.uniform(0.0, 20.0, count),
        left_kwh=np.where(is_told, random.uniform(0.0, 30.0, count), np.nan),
        planned_kwh=None,
        outlook=Outlook(
            stay_h=stay_h,
            energy_kwh=random.gamma(2.0, 10.0, (count, SAMPLES)),
            weight=np.ones((count, SAMPLES)),
            own=SAMPLES // 2,
        ),
    )


def _planned(view: DispatchView, kilowatt: float) -> tuple[np.ndarray, np.ndarray]:
    count = len(view.power_kw)
    none = np.zeros(0)
    random = np.random.default_rng(7)
    decision: Decision = decide(
        direction="reduce",
        wanted_kw=kilowatt,
        plugs=view,
        steady=SteadyResources(usual_kw=none, movable_kw=none),
        policy=UrgencyPolicy(),
        plug_records=Records(follows=np.full(count, 0.95), burden=random.random(count)),
        steady_records=Records(follows=none, burden=none),
    )
    scopes = [Scope(part=np.arange(count) % parts, room_kw=np.full(parts, 5.0 * count / parts)) for parts in (1, 100)]
    powers_kw = capped_kw(
        asked_kw=decision.plan.plug_kw,
        standing_kw=view.power_kw,
        before_kw=view.power_kw,
        alone_kw=view.power_kw,
        order=np.arange(count),
        moved=scopes,
        step=scopes,
        may_change=np.ones(count, dtype=np.bool_),
    )
    delays = release_delays_ptus(
        spare_h=decision.laxity_h,
        needs_h=decision.need_h,
        power_kw=view.power_kw,
        is_held=powers_kw < view.power_kw,
        ptu_h=view.ptu_h,
    )
    return powers_kw, delays


def _worded(powers_kw: np.ndarray, delays_ptus: np.ndarray) -> list[bytes]:
    """Return the setpoints as a partner gets them, in posts of `PER_POST`."""
    from assets.control.own_rest import setpoint_row  # noqa: PLC0415 - needs Django set up
    from assets.control.ports import SentSetpoint  # noqa: PLC0415 - same

    offsets = random_offsets_s(asset_ids=np.arange(len(powers_kw)), seed=1, ramp_s=120).tolist()
    rows = [
        setpoint_row(
            SentSetpoint(
                number,
                f"NL-UTR-{number:06d}",
                "charger",
                STARTS_AT,
                STARTS_AT + (WINDOW_PTUS + delay) * PTU,
                [power_w] * (WINDOW_PTUS + delay),
                offset,
                offset,
            )
        )
        for number, (power_w, delay, offset) in enumerate(
            zip((powers_kw * 1000).astype(int).tolist(), delays_ptus.tolist(), offsets, strict=True)
        )
    ]
    return [
        msgspec.json.encode({"setpoints": rows[start : start + PER_POST]}) for start in range(0, len(rows), PER_POST)
    ]


def _stored(count: int) -> float:
    from assets.control.operations import PlannedSetpoint, send_setpoints  # noqa: PLC0415 - needs Django set up
    from assets.models import AggregationEan, SteeringLimit  # noqa: PLC0415 - same
    from tests.field_side import (  # noqa: PLC0415 - same
        GROUP_EAN,
        charger,
        enrol,
        make_area,
        make_assets,
        make_group,
        make_partner,
    )

    partner = make_partner("Bench", callback_url="http://127.0.0.1:9/")
    make_group(make_area())
    rows = [charger(f"NL-UTR-{number:06d}") for number in range(count)]
    assets = [one for start in range(0, count, 5_000) for one in make_assets(partner, rows[start : start + 5_000])]
    enrol(AggregationEan.objects.get(pk=GROUP_EAN), assets)
    SteeringLimit.objects.create(
        max_moved_w=5_000_000_000, max_step_w=5_000_000_000, max_ramp_w_per_minute=5_000_000_000, reason="benchmark"
    )
    ends_at = STARTS_AT + WINDOW_PTUS * PTU
    plan = [PlannedSetpoint(asset.pk, STARTS_AT, ends_at, [0] * WINDOW_PTUS) for asset in assets]
    started = time.perf_counter()
    send_setpoints(
        now=STARTS_AT - timedelta(minutes=8),
        aggregation_ean=GROUP_EAN,
        order_reference="bench",
        reason="",
        revision=1,
        plan=plan,
        deadline_at=ends_at,
    )
    return time.perf_counter() - started
