"""`manage.py statement`: issue, print and export the statement of a month."""

import json
import re
from argparse import ArgumentTypeError
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console

from aggregator.core import services
from aggregator.core.interval import Interval
from settlement import queries
from settlement.statements.document import statement_csv, statement_document, statement_page
from settlement.statements.operations import issue_statement


class Command(BaseCommand):
    """Issue the settlement statement of a calendar month (Dutch time) if anything in it is new, and show it."""

    help = "Issue the settlement statement of a calendar month (Dutch time) if anything in it is new, and show it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--month", required=True, type=_month, metavar="YYYY-MM")
        parser.add_argument(
            "--json", dest="as_json", action="store_true", help="print the statement as JSON instead of tables"
        )
        parser.add_argument("--csv", dest="csv_path", type=Path, metavar="PATH", help="also write the lines as CSV")

    def handle(self, *, month: Interval, as_json: bool, csv_path: Path | None, **_options: Any) -> None:
        statement = issue_statement(interval=month, now=services.clock().now())
        document = statement_document(statement)
        if csv_path:
            _write(csv_path, statement_csv(document))
        if as_json:
            self.stdout.write(json.dumps(document, indent=2))
            return
        Console(file=self.stdout).print(statement_page(statement, document))  # type: ignore[arg-type]  # writes like a text stream
        waiting = queries.unsettled_activations(month).count()
        if waiting:
            self.stdout.write(f"Not in it yet: {waiting} activation(s) that wait for their end or their meter values.")


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CommandError(
            f"The statement is issued, but {path} cannot be written: {error.strerror}. Give --csv another path."
        ) from error


def _month(text: str) -> Interval:
    if not re.fullmatch(r"20\d\d-(0[1-9]|1[0-2])", text):
        raise ArgumentTypeError(f"{text!r} is not a month; write it as YYYY-MM, for example 2026-01.")
    return queries.month_interval(int(text[:4]), int(text[5:]))
