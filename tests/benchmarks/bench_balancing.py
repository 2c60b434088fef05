"""From sessions to what a group could offer as balancing energy for one PTU; cars are sized for one direction only.

The history is as long as the service keeps in view, and every PTU has past windows of its own to rehearse.
"""

from functools import partial

from bidding.optimisation.interface import WindowSpec
from bidding.optimisation.sizing import size_window
from tests.benchmarks.bench_sizing import NOW_S, STARTS_S, Took, fleet
from tests.benchmarks.report import Report

DAYS = 84
BLOCK_S = 2_700


def run(report: Report) -> None:
    """Size the block that begins at 17:00; `quick` takes a tenth of the cars."""
    devices = 100 if report.quick else 1_000
    window = WindowSpec(
        starts_s=STARTS_S,
        ends_s=STARTS_S + BLOCK_S,
        direction="reduce",
        baseline="arrival",
        reliability=0.95,
        min_bid_kw=1.0,
        step_kw=1.0,
    )
    group = fleet(devices, days=DAYS)
    took = Took.by(partial(size_window, window=window, now_s=NOW_S, timezone="UTC", groups=[group]))
    report.row(
        name=f"a PTU of balancing energy: {devices:,} cars, {len(group.history):,} sessions",
        ours_s=took.passed_s,
        note=f"past windows rehearsed; processor time {1e3 * took.processor_s:.0f} ms",
    )
