"""What the commands that import tables share."""

import gzip
import zlib
from argparse import ArgumentParser
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from aggregator.core.services import clock
from aggregator.core.words import cause
from assets import operations
from assets.validation.tables import NotATable

ERRORS_SHOWN = 100
FIRST_ROW_LINE = 2


class TableCommand(BaseCommand):
    """Import a table for a partner, or list what is wrong with it and store nothing."""

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Name the file and the partner."""
        parser.add_argument("file", type=Path, help="comma-separated table, may be gzipped (.gz)")
        parser.add_argument("--partner", required=True, help="whose rows they are")

    def handle(self, *_arguments: Any, file: Path, partner: str, **_options: Any) -> None:
        """Import the file."""
        try:
            done = self.load(operations.partner_named(partner).pk, _content(file), clock().now())
        except operations.InvalidRows as refusal:
            for error in refusal.errors[:ERRORS_SHOWN]:
                self.stderr.write(f"line {error.index + FIRST_ROW_LINE}, {error.field}: {error.message} [{error.code}]")
            hidden = len(refusal.errors) - ERRORS_SHOWN
            more = f" {hidden} more errors are not listed." if hidden > 0 else ""
            raise CommandError(f"{refusal}{more}") from refusal
        except (OSError, EOFError, zlib.error) as error:
            raise CommandError(f"{file} cannot be read: {cause(error)}.") from error
        except (NotATable, operations.PartnerUnknown, operations.UnableToEnrol) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(done)

    def load(self, partner_id: int, content: bytes, now: datetime) -> str:
        """Import the table; return what it did, in words."""
        raise NotImplementedError  # each command loads its own kind of table


def _content(file: Path) -> bytes:
    """Return what a file holds, unpacked; a file beyond the limit of the interface is refused without reading on."""
    limit: int = settings.REQUEST_BODY_LIMIT_BYTES
    with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as table:
        content = table.read(limit + 1)
    if len(content) > limit:
        raise CommandError(f"{file} has more than {limit} bytes, unpacked. Split it into several files.")
    return content
