"""Comma-separated tables with a line of column names."""

import csv
import io


class NotATable(ValueError):
    """The bytes are not a comma-separated table in UTF-8."""


def read_table(content: bytes) -> list[dict[str, str | None]]:
    """Return the rows of a table as text by column name; raise `NotATable`."""
    try:
        lines = io.StringIO(content.decode("utf-8-sig"), newline="")
        return list(csv.DictReader(lines, restkey="too_many_columns", strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise NotATable(f"This is not a comma-separated table in UTF-8: {error}.") from error
