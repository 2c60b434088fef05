"""Comma-separated tables with a line of column names."""

import csv
import io


class NotATable(ValueError):
    """The bytes are not a comma-separated table in UTF-8 with a name for each column."""


def read_table(content: bytes) -> list[dict[str, str | None]]:
    """Return the rows of a table as text by column name; raise `NotATable`, also where two columns have one name."""
    try:
        lines = io.StringIO(content.decode("utf-8-sig"), newline="")
        reader = csv.DictReader(lines, restkey="too_many_columns", strict=True)
        names = list(filter(None, reader.fieldnames or ()))
        rows = list(reader)
    except (UnicodeDecodeError, csv.Error) as error:
        raise NotATable(f"This is not a comma-separated table in UTF-8: {error}.") from error
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise NotATable(f"The column {twice[:64]} is there twice. Keep the one that is meant.")
    return rows
