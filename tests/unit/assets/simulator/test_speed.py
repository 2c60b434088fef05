import time
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from aggregator.core.interval import Interval
from assets.simulator.config import SessionSource
from assets.simulator.demand import sessions_of
from assets.simulator.portfolio import build_portfolio
from assets.simulator.setpoints import Schedule, Setpoint
from assets.simulator.world import World

START = datetime(2026, 1, 14, 15, tzinfo=UTC)
PERIOD = Interval(START, START + timedelta(hours=6))


def test_a_minute_of_the_whole_fleet_costs_less_than_a_millisecond():
    portfolio = build_portfolio(seed=1)
    assets = [asset for _, asset in portfolio.assets()]
    source = SessionSource(file=None, zone=ZoneInfo("Europe/Amsterdam"), history_weeks=1)
    sessions = sessions_of(portfolio=portfolio, source=source, period=PERIOD)
    world = World(portfolio=portfolio, sessions=sessions, period=PERIOD)
    schedule = Schedule(period=PERIOD, positions={asset.external_id: n for n, asset in enumerate(assets)})
    starts_at, ends_at = (int(instant.timestamp()) for instant in (START, START + timedelta(hours=3)))
    schedule.apply(1, tuple(Setpoint(n, a.external_id, starts_at, ends_at, (0,) * 12) for n, a in enumerate(assets)))

    cost_ms = []
    while world.now < world.ends_at:
        # Processor time, so that whatever else runs on the machine does not count.
        before = time.thread_time()
        world.advance(schedule)
        cost_ms.append((time.thread_time() - before) * 1000)

    print(f"median {np.median(cost_ms):.3f} ms, mean {np.mean(cost_ms):.3f} ms a minute for {len(assets)} assets")  # noqa: T201 - the figure
    assert np.median(cost_ms) < 1.0
