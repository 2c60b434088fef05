# noqa: INP001 - run with -m, imported by nobody
"""Backtest every reference set and write the results table of docs/reliability.md.

Runs are kept as JSON under var/reliability, so an interrupted table goes on where it stopped; delete the folder after
a change of the engine. Usage: `python -m scripts.reliability_table [--workers 2] [--window 17:00-19:00] [--only TEXT]`.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from scripts.reference_data import DATA, REPOSITORY, SETS

PAGE = REPOSITORY / "docs" / "reliability.md"
RUNS = REPOSITORY / "var" / "reliability"
BEGIN, END = "<!-- results: scripts/reliability_table.py -->", "<!-- end of results -->"

RELIABILITIES = ("0.9", "0.95", "0.99")
LEADS = ("4h", "1h", "24h")
V2G = ("0", "1.0")

HEADER = (
    "| set | V2G | window | lead | promised | bids / windows | kept (95 % interval) | mean bid kW | flat_0.8 | "
    "history_quantile | unserved |\n|---|---|---|---|---|---|---|---|---|---|---|"
)


@dataclass(frozen=True, slots=True)
class Run:
    """One backtest of the table."""

    name: str
    v2g: str
    window: str
    lead: str
    reliability: str

    @property
    def path(self) -> Path:
        """Where its report is kept."""
        words = (self.name, self.v2g, self.window, self.lead, self.reliability)
        return RUNS / ("_".join(words).replace(" ", "-").replace(":", "") + ".json")

    def command(self) -> list[str]:
        """Return the backtest to run."""
        file, category, timezone = SETS[self.name]
        return [
            *(sys.executable, str(REPOSITORY / "manage.py"), "backtest", str(DATA / file)),
            *("--category", category, "--timezone", timezone, "--v2g", self.v2g, "--window", self.window),
            *("--lead", self.lead, "--reliability", self.reliability, "--skip-invalid", "--json", str(self.path)),
        ]


def runs(window: str) -> Iterator[Run]:
    """List the runs of the table, the commonest promise first."""
    for reliability, lead, v2g, name in product(RELIABILITIES, LEADS, V2G, SETS):
        yield Run(name=name, v2g=v2g, window=window, lead=lead, reliability=reliability)


def row(run: Run) -> str:
    """Return the table row of a finished run; bold where ours sells more than both opponents at our coverage."""
    report = json.loads(run.path.read_text())
    ours, competitors = report["summary"], report["competitors"]
    flat, quantile = (
        competitors[name]["mean_bid_at_our_coverage_kw"] or 0.0 for name in ("flat_0.8", "history_quantile")
    )
    mean = f"{ours['mean_bid_kw']:.2f}"
    if ours["bids"] and ours["mean_bid_kw"] > max(flat, quantile):
        mean = f"**{mean}**"
    kept = "no bid"
    if ours["bids"]:
        low, high = ours["coverage_interval"]
        below = " (below)" if high < float(run.reliability) else ""
        kept = f"{ours['coverage']:.1%} ({low:.0%}-{high:.0%}){below}"
    return (
        f"| {run.name} | {'all' if run.v2g == '1.0' else 'none'} | {run.window} | {run.lead} "
        f"| {float(run.reliability):.0%} | {ours['bids']} / {ours['windows']} | {kept} | {mean} | {flat:.2f} "
        f"| {quantile:.2f} | {ours['unserved_energy_share']:.2%} |"
    )


def write_table() -> None:
    """Replace the table in the page by what has been run."""
    finished = [
        run
        for window in sorted({path.stem.split("_")[2] for path in RUNS.glob("*.json")})
        for run in sorted(runs(f"{window[:2]}:{window[2:7]}:{window[7:]}"), key=lambda run: list(SETS).index(run.name))
        if run.path.exists()
    ]
    page = PAGE.read_text()
    before, after = page.split(BEGIN)[0], page.split(END)[1]
    PAGE.write_text(f"{before}{BEGIN}\n{HEADER}\n" + "\n".join(map(row, finished)) + f"\n{END}{after}")


def play(run: Run) -> bool:
    """Run one backtest; say on stderr why when it fails."""
    done = subprocess.run(run.command(), cwd=REPOSITORY, capture_output=True, text=True, check=False)  # noqa: S603 - our own command
    if done.returncode:
        sys.stderr.write(f"{run.path.stem}: {done.stderr[-500:]}\n")
    return done.returncode == 0


def main() -> None:
    """Run what is missing, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--window", default="17:00-19:00")
    parser.add_argument("--only", default="", help="only runs whose file name holds this")
    given = parser.parse_args()
    RUNS.mkdir(parents=True, exist_ok=True)
    missing = [run for run in runs(given.window) if given.only in run.path.name and not run.path.exists()]

    with ThreadPoolExecutor(given.workers) as pool:
        failed = [run for run, done in zip(missing, pool.map(play, missing), strict=True) if not done]
    write_table()
    if failed:
        sys.exit(f"{len(failed)} of {len(missing)} runs failed; start again to repeat them.")


if __name__ == "__main__":
    main()
