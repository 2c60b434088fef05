"""`manage.py statement`: issue, print and export the statement of a month."""

import json
import re
from argparse import ArgumentTypeError
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
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
        parser.add_argument("--json", action="store_true", help="print the statement as JSON instead of tables")
        parser.add_argument("--csv", type=Path, metavar="PATH", help="also write the lines as CSV")

    def handle(self, *, month: Interval, json: bool, csv: Path | None, **_options: Any) -> None:  # noqa: A002 - option names
        statement = issue_statement(interval=month, now=services.clock().now())
        document = statement_document(statement)
        if csv:
            csv.write_text(statement_csv(document), encoding="utf-8")
        if json:
            self.stdout.write(_to_json(document))
            return
        Console(file=self.stdout).print(statement_page(statement, document))  # type: ignore[arg-type]  # a text stream in all but name
        waiting = queries.unsettled_activations(month).count()
        if waiting:
            self.stdout.write(f"Not in it yet: {waiting} activation(s) that wait for their end or their meter values.")


def _to_json(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2)


def _month(text: str) -> Interval:
    if not re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", text):
        raise ArgumentTypeError(f"{text!r} is not a month; write it as YYYY-MM, for example 2026-01.")
    return queries.month_interval(int(text[:4]), int(text[5:]))
