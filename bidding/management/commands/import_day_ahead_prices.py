"""`manage.py import_day_ahead_prices prices.csv`: day-ahead prices, for pricing bids."""

import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from aggregator.core.services import clock
from bidding.operations.prices import PricesInvalid, read_prices, store_prices


class Command(BaseCommand):
    """Stores all of the file, or nothing."""

    help = "Read day-ahead prices from a CSV with the columns utc,eur_per_mwh (- reads standard input)."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file")
        parser.add_argument("--source", default="", help="Where the prices come from; the file's name by default.")

    def handle(self, *_args: Any, **options: Any) -> None:
        name = options["file"]
        try:
            text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8-sig")
            prices = read_prices(text.splitlines())
        except (OSError, UnicodeDecodeError, PricesInvalid) as error:
            raise CommandError(f"{name}: {error} Nothing was stored.") from error
        stored = store_prices(prices=prices, source=options["source"] or Path(name).name, now=clock().now())
        self.stdout.write(f"{stored.stored} quarter hours stored, {stored.unchanged} known already.")
