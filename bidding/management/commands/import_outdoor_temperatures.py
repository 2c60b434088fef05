"""`manage.py import_outdoor_temperatures temperatures.csv`: measured or forecast, for sizing bids."""

import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from aggregator.core.services import clock
from bidding.forecast.temperature_files import TemperaturesInvalid, read_temperatures
from bidding.operations.temperatures import store_temperatures


class Command(BaseCommand):
    """Stores all of the file, or nothing."""

    help = "Read hourly outdoor temperatures from a CSV with the columns utc,celsius (- reads standard input)."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file")
        parser.add_argument("--source", default="", help="Where they come from; the file's name by default.")

    def handle(self, *_args: Any, **options: Any) -> None:
        name = options["file"]
        try:
            text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8-sig")
            hours_c = read_temperatures(text.splitlines())
        except (OSError, UnicodeDecodeError, TemperaturesInvalid) as error:
            raise CommandError(f"{name}: {error} Nothing was stored.") from error
        stored = store_temperatures(hours_c=hours_c, source=options["source"] or Path(name).name, now=clock().now())
        self.stdout.write(f"{stored.stored} hours stored, {stored.unchanged} known already.")
