"""Replay a file of charging sessions: bid day by day without peeking, and see what would have been delivered."""

import csv
import gzip
import json
import sys
import zlib
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import perf_counter
from typing import Any, TextIO

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.progress import track

from aggregator.core.arguments import parse_timezone
from aggregator.core.words import cause, counted
from bidding.backtest.arguments import parse_duration, parse_share, parse_window
from bidding.backtest.harness import WalkForward
from bidding.backtest.options import BacktestOptions
from bidding.backtest.plot import backtest_page
from bidding.backtest.rehearsing_sizer import RehearsingSizer
from bidding.backtest.report import report, utc_text
from bidding.backtest.windows import Calendar, calendar
from bidding.forecast.price_files import price_curve, read_prices
from bidding.forecast.session_files import MOST_POWER_KW, SessionFile, SessionFileInvalid, read_sessions
from bidding.forecast.stay_models import NAMES, NEAREST, StayModelUnavailable, stay_models
from bidding.forecast.stays import StayModels
from bidding.forecast.temperature_files import read_temperatures
from bidding.forecast.temperatures import day_means_c
from bidding.forecast.timed_values import ValuesInvalid
from bidding.optimisation.sizing import CalibratedSizer

PROBLEMS_SHOWN = 50

RECORD = "record"
SIZERS = {RECORD: CalibratedSizer, "rehearsal": RehearsingSizer}
"""By what bids learn from: windows as they pass, or, as the service does, past windows rehearsed for every bid."""


class Command(BaseCommand):
    """Walk forward through real sessions and report coverage, volume and what drivers went without."""

    help = __doc__
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("sessions", type=Path, metavar="SESSIONS.csv[.gz]")
        parser.add_argument("--category", help="only sessions of this category")
        parser.add_argument(
            "--timezone", type=parse_timezone, default="Europe/Amsterdam", help="local time of window and days"
        )
        parser.add_argument("--window", type=parse_window, default="17:00-19:00", help="local block, 15-minute edges")
        parser.add_argument("--days", choices=("weekdays", "weekends", "all"), default="weekdays")
        parser.add_argument("--direction", choices=("reduce", "increase"), default="reduce")
        parser.add_argument("--reliability", type=float, default=0.9, help="share of bids that must be delivered")
        parser.add_argument("--lead", type=parse_duration, default="4h", help="from bidding to the window: 1h, 4h, 1d")
        parser.add_argument("--baseline", choices=("arrival", "price"), default="arrival")
        parser.add_argument("--prices", type=Path, help="CSV with utc, eur_per_mwh; for the price baseline")
        parser.add_argument("--temperatures", type=Path, help="CSV with utc, celsius; like days are alike in it")
        parser.add_argument("--pause-floor", type=parse_share, default="none", help="none, all or a fraction of cars")
        parser.add_argument("--v2g", type=parse_share, default="none", help="fraction of chargers that can discharge")
        parser.add_argument("--default-power-kw", type=float, default=7.4, help="where a session has no max_power_kw")
        parser.add_argument("--warm-up", type=parse_duration, default="60d", help="history before the first bid")
        parser.add_argument("--min-bid-kw", type=float, default=1.0)
        parser.add_argument("--step-kw", type=float, default=1.0)
        parser.add_argument("--stays", choices=NAMES, default=NEAREST, help="what forecasts departures and energy")
        parser.add_argument("--calibration", choices=SIZERS, default=RECORD, help="what bids learn from; see docs")
        parser.add_argument("--seed", type=int, default=0)
        parser.add_argument("--skip-invalid", action="store_true", help="leave invalid rows out and count them")
        parser.add_argument("--json", type=Path, metavar="OUT", help="write the whole report here")
        parser.add_argument("--plot", type=Path, metavar="OUT.html", help="write a page with the windows here")

    def handle(self, *args: Any, **given: Any) -> None:  # noqa: ARG002 - Django's signature
        began = perf_counter()
        _check_destinations(given["json"], given["plot"])
        options = _options(given)
        file = self._read(given)
        _check_prices_cover(file, options)
        days = calendar(first_plug_in_s=int(file.table.plug_in_s[0]), set_plug_in_s=file.set_plug_in_s, options=options)
        if not days.windows:
            raise CommandError(
                "No window lies between the first plug-in and the last on the days asked for, where the file has data. "
                "Give sessions of more days, or choose others with --days or --window."
            )
        if all(window.is_warm_up for window in days.windows):
            raise CommandError(
                "No window is left to bid on: the sessions end before the warm-up does. Shorten it with --warm-up."
            )
        run = WalkForward(
            sessions=file.table,
            calendar=days,
            options=options,
            sizer=SIZERS[given["calibration"]](seed=options.seed, stays=_stays(given["stays"])),
        )
        steps = track(
            run.results(),
            total=len(days.windows),
            description="Walking forward",
            console=Console(file=sys.stderr),
            disable=not sys.stderr.isatty(),
        )
        results = [result for result in steps if result is not None]
        outcome = report(
            results,
            reliability=options.reliability,
            config=_config(given, file, days),
            seconds=perf_counter() - began,
        )
        if given["json"] is not None:
            _write(given["json"], json.dumps(outcome, indent=1, allow_nan=False) + "\n")
        if given["plot"] is not None:
            _write(given["plot"], backtest_page(outcome))
        self._print(outcome)

    def _read(self, given: dict[str, Any]) -> SessionFile:
        try:
            with _lines_of(given["sessions"]) as lines:
                file = read_sessions(
                    lines,
                    default_power_kw=given["default_power_kw"],
                    category=given["category"],
                    skip_invalid=given["skip_invalid"],
                )
        except SessionFileInvalid as invalid:
            raise CommandError("\n".join([str(invalid), *_listed(invalid.problems)])) from invalid
        for line in _listed(file.skipped):
            self.stderr.write(f"skipped {line}")
        return file

    def _print(self, outcome: dict[str, Any]) -> None:
        summary = outcome["summary"]
        self.stdout.write(
            f"{counted(summary['bids'], 'bid')} in {counted(summary['windows'], 'window')}; {_coverage(summary)}\n"
            f"mean bid {summary['mean_bid_kw']:.2f} kW of {summary['mean_perfect_information_kw']:.2f} kW "
            f"with perfect information; unserved {summary['unserved_energy_share']:.3%} of drivers' energy; "
            f"{summary['seconds']:.1f} s"
        )
        for name, other in outcome["competitors"].items():
            at_ours = other["mean_bid_at_our_coverage_kw"]
            shown = "-" if at_ours is None else f"{at_ours:.2f} kW"
            self.stdout.write(
                f"{name}: mean bid {other['mean_bid_kw']:.2f} kW, {_coverage(other)}; "
                f"unserved {other['unserved_energy_share']:.3%}; mean bid at our coverage {shown}"
            )


def _coverage(summary: dict[str, Any]) -> str:
    if summary["coverage"] is None:
        return f"promised {summary['nominal']:.1%}, no bids"
    low, high = summary["coverage_interval"]
    return f"promised {summary['nominal']:.1%}, kept {summary['coverage']:.1%} (95 % {low:.1%} to {high:.1%})"


def _options(given: dict[str, Any]) -> BacktestOptions:
    if not 0 < given["default_power_kw"] <= MOST_POWER_KW:
        raise CommandError(f"--default-power-kw lies above zero, up to {MOST_POWER_KW}.")
    prices = None
    if given["prices"] is not None:
        with _lines_of(given["prices"]) as lines:
            prices = price_curve(read_prices(lines))
    outdoor_c = None
    if given["temperatures"] is not None:
        with _lines_of(given["temperatures"]) as lines:
            hours_c = {int(at.timestamp()): float(celsius) for at, celsius in read_temperatures(lines).items()}
        outdoor_c = day_means_c(hours_c, timezone=given["timezone"])
    try:
        return BacktestOptions(
            timezone=given["timezone"],
            window=given["window"],
            days=given["days"],
            direction=given["direction"],
            reliability=given["reliability"],
            lead=given["lead"],
            baseline=given["baseline"],
            prices=prices,
            outdoor_c=outdoor_c,
            pause_floor_share=given["pause_floor"],
            v2g_share=given["v2g"],
            warm_up=given["warm_up"],
            min_bid_kw=given["min_bid_kw"],
            step_kw=given["step_kw"],
            seed=given["seed"],
        )
    except ValueError as error:
        raise CommandError(str(error)) from error


def _stays(name: str) -> StayModels:
    try:
        return stay_models(name)
    except StayModelUnavailable as error:
        raise CommandError(str(error)) from error


def _check_prices_cover(file: SessionFile, options: BacktestOptions) -> None:
    if options.baseline != "price" or options.prices is None:
        return
    prices, plug_in_s = options.prices, file.table.plug_in_s
    if prices.starts_s > plug_in_s[0] or prices.ends_s < plug_in_s[-1]:
        raise CommandError(
            f"The prices do not cover the sessions: there are prices from {utc_text(prices.starts_s)} to "
            f"{utc_text(prices.ends_s)}, plug-ins from {utc_text(plug_in_s[0])} to {utc_text(plug_in_s[-1])}. "
            "Give prices from the first plug-in to the last."
        )


def _check_destinations(*paths: Path | None) -> None:
    """Find out before the long run whether its reports can be written."""
    for path in filter(None, paths):
        if not path.absolute().parent.is_dir():
            raise CommandError(f"There is no folder {path.absolute().parent} to write {path.name} in.")
        if path.is_dir():
            raise CommandError(f"{path} is a folder; name a file in it.")
        with _draft_of(path) as draft:
            draft.touch()


def _config(given: dict[str, Any], file: SessionFile, days: Calendar) -> dict[str, object]:
    window = given["window"]
    clock = "-".join(f"{m // 60:02d}:{m % 60:02d}" for m in (window.starts_minute, window.ends_minute))
    return {
        "sessions": given["sessions"].name,
        "category": given["category"],
        "timezone": given["timezone"],
        "window": clock,
        "days": given["days"],
        "direction": given["direction"],
        "reliability": given["reliability"],
        "lead_h": given["lead"].total_seconds() / 3600,
        "baseline": given["baseline"],
        "prices": given["prices"].name if given["prices"] is not None else None,
        "temperatures": given["temperatures"].name if given["temperatures"] is not None else None,
        "pause_floor": given["pause_floor"],
        "v2g": given["v2g"],
        "default_power_kw": given["default_power_kw"],
        "warm_up_days": given["warm_up"].total_seconds() / 86400,
        "min_bid_kw": given["min_bid_kw"],
        "step_kw": given["step_kw"],
        "stays": given["stays"],
        "calibration": given["calibration"],
        "seed": given["seed"],
        "skip_invalid": given["skip_invalid"],
        "sessions_used": len(file.table),
        "chargers": file.table.n_chargers,
        "rows_skipped": len(file.skipped),
        "sessions_with_clipped_energy": file.clipped_energy_rows,
        "sessions_with_default_power": file.default_power_rows,
        "windows_in_data_gaps": days.skipped_in_gaps,
    }


def _listed(problems: tuple[Any, ...]) -> list[str]:
    shown = [str(problem) for problem in problems[:PROBLEMS_SHOWN]]
    hidden = len(problems) - len(shown)
    return [*shown, f"and {counted(hidden, 'more row')}"] if hidden else shown


@contextmanager
def _lines_of(path: Path) -> Iterator[TextIO]:
    """Open a file of text, gzipped or not; whatever is found wrong with it in the block is told with its name."""
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rt", encoding="utf-8-sig", newline="") as lines:
            yield lines
    except (OSError, EOFError, UnicodeDecodeError, zlib.error, csv.Error) as error:
        raise CommandError(f"{path} cannot be read: {cause(error)}.") from error
    except ValuesInvalid as invalid:
        raise CommandError(f"{path}: {invalid}") from invalid


def _write(path: Path, text: str) -> None:
    """Write a whole file or none."""
    with _draft_of(path) as draft:
        draft.write_text(text, encoding="utf-8")
        draft.replace(path)


@contextmanager
def _draft_of(path: Path) -> Iterator[Path]:
    """Give a file beside the wanted one; what the block leaves of it is removed."""
    draft = path.with_name(f".{path.name}.part")
    try:
        yield draft
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {cause(error)}.") from error
    finally:
        with suppress(OSError):  # it has become the file, or never was one
            draft.unlink()
