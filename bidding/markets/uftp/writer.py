"""Values to XML text. Everything is checked on the way out as it is on the way in.

All data sit in attributes, so writing is filling in text; building a tree of 100 elements only to print it would cost
three times as much. Lists are written column by column, as they are read.
"""

from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Any

from bidding.markets.uftp.fields import NotAllowed
from bidding.markets.uftp.problems import InvalidMessage, Problem, misfit
from bidding.markets.uftp.tables import Branch, Column, Table


def write_element(table: Table, row: Any, name: str) -> bytes:
    """Return `row` as XML with root `name`; raise `InvalidMessage` with every problem found.

    Attributes at their default are written out: not every receiver reads the schema to learn what a gap means.
    """
    writer = _Writer()
    text = writer.write_one(table, row, name, name)
    if writer.problems:
        raise InvalidMessage(writer.problems)
    return text.encode()


class _Writer:
    """Writes one document and collects what is wrong with it."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def write_one(self, table: Table, row: Any, name: str, place: str) -> str:
        attributes = "".join([self._attribute(c, getattr(row, c.field), place) for c in table.columns])
        self._report_later(table, (row,), place)
        if not table.branches:
            return f"<{name}{attributes}/>"
        children = [self._write_branch(b, getattr(row, b.field), f"{place}/{b.name}") for b in table.branches]
        return f"<{name}{attributes}>{''.join(children)}</{name}>"

    def _write_branch(self, branch: Branch, rows: Sequence[Any], place: str) -> str:
        table, name = branch.table, branch.name
        if len(rows) < branch.minimum:
            self.problems.append(Problem(place, "is missing", f"give at least {branch.minimum}"))
        strangers = set(map(type, rows)) - {table.row_type}
        if strangers:
            names = ", ".join(sorted(stranger.__name__ for stranger in strangers))
            self.problems.append(Problem(place, f"holds {names}", f"give only {table.row_type.__name__}"))
            return ""
        if len(rows) == 1:
            return self.write_one(table, rows[0], name, place)
        if table.branches:
            return "".join(self.write_one(table, row, name, f"{place}[{n}]") for n, row in enumerate(rows, start=1))
        columns = [self._attributes(column, rows, place) for column in table.columns]
        self._report_later(table, rows, place)
        return "".join([f"<{name}{attributes}/>" for attributes in map("".join, zip(*columns, strict=True))])

    def _attributes(self, column: Column, rows: Sequence[Any], place: str) -> list[str]:
        values = list(map(attrgetter(column.field), rows))
        try:
            return [f' {column.name}="{text}"' for text in column.write_all(values)]
        except (NotAllowed, TypeError):  # a value is wrong or absent: find out which
            return [self._attribute(column, value, f"{place}[{n}]") for n, value in enumerate(values, start=1)]

    def _attribute(self, column: Column, value: Any, place: str) -> str:
        if value is None and not column.required:
            return ""
        try:
            return f' {column.name}="{column.write(value)}"'
        except (NotAllowed, TypeError):
            self.problems.append(misfit(place, column.name, value, column.looks_like))
            return ""

    def _report_later(self, table: Table, rows: Iterable[Any], place: str) -> None:
        for column in table.later:
            if any(getattr(row, column.field) is not None for row in rows):
                problem = Problem(f"{place}@{column.name}", "does not exist in this version", "leave it None")
                self.problems.append(problem)
