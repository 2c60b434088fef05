# noqa: INP001 - run with -m, imported by nobody
"""How far a fleet's good windows can be told from its bad ones before they begin.

Usage: `python -m scripts.foreseeable_windows [--workers 2] [--only TEXT]`. Plays each reference set as `manage.py
backtest` does, at 90 %, and prints a table. A window *holds* when dispatch would have kept the smallest bid in it. The
forecast rates windows by the share of its scenarios in which that bid holds. Who bids in the highest rated windows
only keeps a promise of 90 % if nine in ten of those hold; the last column is how many windows that could be at most, if
the cut were chosen afterwards.
"""

import argparse
import gzip
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from itertools import product

import numpy as np
from numpy.typing import NDArray

from bidding.backtest.harness import WalkForward, WindowResult
from bidding.backtest.options import BacktestOptions
from bidding.backtest.windows import calendar
from bidding.forecast.session_files import read_sessions
from bidding.optimisation.sizing import CalibratedSizer
from scripts.reference_data import DATA, SETS

LEADS_H = (1, 4, 24)
DEFAULT_POWER_KW = 7.4
PROMISED = 0.9
HEADER = (
    "| set | V2G | lead | windows | hold 1 kW | of the tenth rated highest | most that hold in nine of ten |\n"
    "|---|---|---|---|---|---|---|"
)


@dataclass(frozen=True, slots=True)
class Run:
    """One walk through a set."""

    name: str
    is_v2g: bool
    lead_h: int


def results(run: Run) -> list[WindowResult]:
    """Walk through a set; what is left are the windows after the warm-up."""
    file, category, timezone = SETS[run.name]
    options = BacktestOptions(
        timezone=timezone, lead=timedelta(hours=run.lead_h), reliability=PROMISED, v2g_share=float(run.is_v2g)
    )
    with gzip.open(DATA / file, "rt", encoding="utf-8-sig", newline="") as lines:
        read = read_sessions(lines, default_power_kw=DEFAULT_POWER_KW, category=category, skip_invalid=True)
    days = calendar(first_plug_in_s=int(read.table.plug_in_s[0]), set_plug_in_s=read.set_plug_in_s, options=options)
    walk = WalkForward(sessions=read.table, calendar=days, options=options, sizer=CalibratedSizer(seed=options.seed))
    return [result for result in walk.results() if result is not None]


def most_kept(holds_by_rating: NDArray[np.bool_]) -> int:
    """Return the most windows, rated highest first, of which the promised share holds."""
    taken = np.arange(1, len(holds_by_rating) + 1)
    return int(taken[np.cumsum(holds_by_rating) >= PROMISED * taken].max(initial=0))


def row(run: Run) -> str:
    """Return the run's row of the table."""
    least_kw = BacktestOptions().min_bid_kw
    forecast = [
        (
            np.mean(np.asarray(result.explanation.explanation["scenarios_kw"]) >= least_kw),
            result.capacity_kw >= least_kw,
        )
        for result in results(run)
        if "scenarios_kw" in result.explanation.explanation
    ]
    rating, holds = (np.array(column) for column in zip(*forecast, strict=True))
    by_rating = holds[np.argsort(-rating, kind="stable")]
    return (
        f"| {run.name} | {'all' if run.is_v2g else 'none'} | {run.lead_h}h | {len(holds)} | {holds.mean():.0%} "
        f"| {by_rating[: -(-len(holds) // 10)].mean():.0%} | {most_kept(by_rating)} |"
    )


def main() -> None:
    """Print the table, row by row as runs end."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--only", default="", help="only sets whose name holds this")
    given = parser.parse_args()
    runs = [Run(*each) for each in product(SETS, (False, True), LEADS_H) if given.only in each[0]]
    sys.stdout.write(f"{HEADER}\n")
    with ProcessPoolExecutor(given.workers) as pool:
        for line in pool.map(row, runs):
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
