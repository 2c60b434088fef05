"""Comma-separated tables with a line of column names."""

import csv
import io

_OTHER_SEPARATORS = {";": "semicolons", "\t": "tabs"}


class NotATable(ValueError):
    """The bytes are not a comma-separated table in UTF-8 with a name for each column and a value under each."""


def read_table(content: bytes) -> list[dict[str, str]]:
    """Return the rows of a table as text by column name, without blank lines.

    Raises `NotATable`, also where two columns have one name or a row has more or fewer values than there are columns.
    """
    try:
        reader = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True)
        names = next(reader, [])
        _check_names(names)
        rows = []
        for values in filter(None, reader):
            if len(values) != len(names):
                raise NotATable(
                    f"Line {reader.line_num} has {len(values)} values for {len(names)} columns. Write one for each, "
                    "empty where there is none. A decimal comma makes two of one; a last line too short was cut off."
                )
            rows.append(dict(zip(names, values, strict=True)))
    except (UnicodeDecodeError, csv.Error) as error:
        raise NotATable(f"This is not a comma-separated table in UTF-8: {error}.") from error
    return rows


def _check_names(names: list[str]) -> None:
    for separator, called in _OTHER_SEPARATORS.items():
        if len(names) == 1 and separator in names[0]:
            raise NotATable(f"The columns are separated by {called}. Separate them by commas.")
    twice = next((name for name in names if name and names.count(name) > 1), None)
    if twice is not None:
        raise NotATable(f"The column {twice[:64]} is there twice. Keep the one that is meant.")
