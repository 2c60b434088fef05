"""Play one congested evening from announcement to statement, on real processes under a virtual clock."""

import json
import signal
import sys
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from aggregator import embedded
from aggregator.core.arguments import parse_day, parse_timezone
from aggregator.demo.evening import DAY, Evening, StepFailed
from aggregator.demo.report import build_report
from aggregator.demo.report_page import print_summary, write_report_page
from aggregator.demo.report_series import page_extra
from aggregator.demo.servers import fresh_servers
from aggregator.demo.stage import Stage
from aggregator.processes import ProcessFailed

LOG_WIDTH = 120  # a log file has no width of its own


class Command(BaseCommand):
    """`manage.py demo`."""

    help = __doc__ or ""
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--sessions", type=Path, help="CSV or CSV.gz of real charging sessions to replay")
        parser.add_argument(
            "--zone",
            type=parse_timezone,
            default="Europe/Amsterdam",
            help="time zone of the place the sessions come from",
        )
        parser.add_argument(
            "--misbehaving",
            type=float,
            default=0.0,
            help="share of assets with faults of all kinds, 0 to 1",
        )
        parser.add_argument("--day", type=parse_day, default=DAY, help="the demo's day, YYYY-MM-DD")

    def handle(self, *_args: Any, **options: Any) -> None:
        if options["sessions"] and not options["sessions"].is_file():
            raise CommandError(f"There is no file {options['sessions']}. Give the path of a CSV or CSV.gz file.")
        if not 0 <= options["misbehaving"] <= 1:
            raise CommandError(f"--misbehaving is a share from 0 to 1, not {options['misbehaving']}.")
        # A closed terminal or a `kill` cleans up the same way as Ctrl-C, which a shell in the background would ignore.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.default_int_handler)
        console = Console(width=None if sys.stdout.isatty() else LOG_WIDTH)
        started = time.monotonic()
        directory = embedded.data_directory()
        try:
            report = self._play(console, directory, options)
        except (StepFailed, ProcessFailed) as error:
            raise CommandError(f"The demo stopped at: {error}\nLogs are in {directory / 'processes'}.") from error
        except KeyboardInterrupt:
            raise CommandError("Stopped; everything that was started is down again.") from None
        report["timings"]["total"] = round(time.monotonic() - started, 2)
        (directory / "report.json").write_text(json.dumps(report, indent=1), encoding="utf-8")
        print_summary(report, console=console)
        console.print(f"Report: {directory / 'report.html'}   Data: {directory / 'report.json'}")

    def _play(self, console: Console, directory: Path, options: dict[str, Any]) -> dict[str, Any]:
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=24), TimeElapsedColumn())
        with fresh_servers(), Progress(*columns, console=console) as progress:
            stage = Stage(directory, starts_at=Evening.starts_at(options["day"]))
            try:
                evening = Evening(
                    stage,
                    progress,
                    day=options["day"],
                    sessions_file=options["sessions"],
                    sessions_zone=options["zone"],
                    misbehaving=options["misbehaving"],
                )
                evening.prepare()
                evening.play()
                with evening.step("The report is written"):
                    now, simulated = stage.clock.now(), evening.simulator_report()
                    report = build_report(
                        day=evening.period, now=now, timings=evening.timings, simulator_report=simulated
                    )
                    extra = page_extra(day=evening.period, now=now, simulator_report=simulated)
                    write_report_page(report=report, path=directory / "report.html", extra=extra)
                return report
            finally:
                stage.close()
