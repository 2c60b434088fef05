"""A command that brings in a file of one value per period."""

import sys
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

from django.core.management.base import BaseCommand, CommandError, CommandParser

from aggregator.core.services import clock
from aggregator.core.words import cause, counted
from bidding.forecast.timed_values import ValuesInvalid
from bidding.models.timed_values import TimedValue
from bidding.operations.timed_values import store_values


class ImportCommand(BaseCommand):
    """Stores all of the file, or nothing.

    Attributes:
        read: reads the file's lines.
        model: where the values are kept.
        period: what each is told for.
    """

    read: ClassVar[Callable[[Iterable[str]], Mapping[datetime, Decimal]]]
    model: ClassVar[type[TimedValue]]
    period: ClassVar[str]

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file")
        parser.add_argument("--source", default="", help="Where the values come from; the file's name by default.")

    def handle(self, *_args: Any, **options: Any) -> None:
        name = options["file"]
        try:
            text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8-sig")
            values = type(self).read(text.splitlines())
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(f"{name} cannot be read: {cause(error)}. Nothing was stored.") from error
        except ValuesInvalid as error:
            raise CommandError(f"{name}: {error} Nothing was stored.") from error
        source = options["source"] or Path(name).name
        stored = store_values(self.model, values=values, source=source, now=clock().now())
        self.stdout.write(f"{counted(stored.stored, self.period)} stored, {stored.unchanged} known already.")
