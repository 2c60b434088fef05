"""Values to elements. Everything is checked on the way out as it is on the way in."""

from collections.abc import Sequence
from typing import Any

from lxml import etree

from bidding.markets.uftp.fields import NotAllowed
from bidding.markets.uftp.problems import InvalidMessage, Problem, misfit
from bidding.markets.uftp.tables import Branch, Table


def write_element(table: Table, row: Any, name: str) -> bytes:
    """Return `row` as XML with root `name`; raise `InvalidMessage` with every problem found.

    Attributes at their default are written out: not every receiver reads the schema to learn what a gap means.
    """
    writer = _Writer()
    root = etree.Element(name)
    writer.write(table, row, root, name)
    if writer.problems:
        raise InvalidMessage(writer.problems)
    return bytes(etree.tostring(root, encoding="utf-8"))


class _Writer:
    """Writes one document and collects what is wrong with it."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def write(self, table: Table, row: Any, element: etree._Element, place: str) -> None:
        for column in table.columns:
            value = getattr(row, column.field)
            if value is None and not column.required:
                continue
            try:
                element.set(column.name, column.write(value))
            except NotAllowed:
                self.problems.append(misfit(place, column.name, value, column.looks_like))
        self.problems.extend(
            Problem(f"{place}@{column.name}", "does not exist in this version", "leave it None")
            for column in table.later
            if getattr(row, column.field) is not None
        )
        for branch in table.branches:
            self._write_children(branch, getattr(row, branch.field), element, f"{place}/{branch.name}")

    def _write_children(self, branch: Branch, rows: Sequence[Any], element: etree._Element, place: str) -> None:
        if len(rows) < branch.minimum:
            self.problems.append(Problem(place, "is missing", f"give at least {branch.minimum}"))
        expected = branch.table.row_type
        for number, row in enumerate(rows, start=1):
            if type(row) is expected:
                self.write(branch.table, row, etree.SubElement(element, branch.name), f"{place}[{number}]")
            else:
                fix = f"give a {expected.__name__}"
                self.problems.append(Problem(f"{place}[{number}]", f"is a {type(row).__name__}", fix))
