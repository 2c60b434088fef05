"""Run benchmarks: `python -m tests.benchmarks [--quick] [name ...]`.

Finds `bench_*.py` beside this file and gives each a report. Each measurement is printed when it is made, all in one
table at the end; var/bench.json is written after each benchmark, so that a run that is stopped keeps what it measured.
A benchmark that fails says so in the table and makes the exit code 1; a missed target does not.
"""

import argparse
import importlib
import sys
import traceback
from pathlib import Path

from _pytest.outcomes import Skipped
from rich.console import Console

from tests.benchmarks.report import Report

HERE = Path(__file__).resolve().parent
PLAIN_WIDTH = 200
RESULT = HERE.parent.parent / "var" / "bench.json"


def main(arguments: list[str] | None = None) -> int:
    """Run the named benchmarks, or all."""
    known = sorted(path.stem.removeprefix("bench_") for path in HERE.glob("bench_*.py"))
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=f"of {', '.join(known)}; all without any")
    parser.add_argument("--quick", action="store_true", help="small sizes, to try the runner")
    options = parser.parse_args(arguments)
    unknown = sorted(set(options.names) - set(known))
    if unknown:
        parser.error(f"no benchmark named {', '.join(unknown)}; there are {', '.join(known)}")

    console = Console(width=None if sys.stdout.isatty() else PLAIN_WIDTH)
    report = Report(quick=options.quick, tell=console.print)
    failed = False
    for name in options.names or known:
        report.benchmark = name
        console.print(f"[dim]{name} …[/]")
        try:
            importlib.import_module(f"tests.benchmarks.bench_{name}").run(report)
        except Skipped as skipped:
            report.skip(str(skipped))
        except Exception as error:  # noqa: BLE001 - one broken benchmark must not hide the others
            failed = True
            traceback.print_exc()
            report.skip(f"failed: {error!r}")
        report.write(RESULT)
    report.print(console)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
