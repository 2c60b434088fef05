"""Elements to values. Lists are read column by column, all values of an attribute at once.

A day has 96 ISPs with three attributes each: going through them value by value costs more than parsing and verifying
the whole message.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from itertools import repeat
from typing import Any

from lxml import etree

from bidding.markets.uftp.fields import NotAllowed
from bidding.markets.uftp.problems import InvalidMessage, Problem, misfit, shown
from bidding.markets.uftp.tables import Column, Table

_SCHEMA_HINTS = frozenset(
    f"{{http://www.w3.org/2001/XMLSchema-instance}}{name}" for name in ("schemaLocation", "noNamespaceSchemaLocation")
)
_all_text = etree.XPath("string()", smart_strings=False)


def read_element(table: Table, root: etree._Element) -> Any:
    """Return `root` as an instance of the table's class; raise `InvalidMessage` with every problem found."""
    reader = _Reader()
    if (len(root) or root.text) and str(_all_text(root)).strip():
        reader.problems.append(Problem(root.tag, "contains text between its tags", "put all data in attributes"))
    row = reader.read_one(table, root, root.tag)
    if reader.problems:
        raise InvalidMessage(reader.problems)
    return row


class _Reader:
    """Reads one document and collects what is wrong with it."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def read_one(self, table: Table, element: etree._Element, place: str) -> Any:
        row: Any = object.__new__(table.row_type)
        for fill, default in table.defaults:
            fill(row, default)
        missing = table.required
        steps = table.steps
        texts: list[tuple[str, str]] = element.items()  # type: ignore[assignment] # bytes only in the stubs' Python 2
        for name, text in texts:
            if name not in steps:
                self._report_unknown([name], place)
                continue
            read, fill, required = steps[name]
            missing -= required
            try:
                fill(row, read(text))
            except NotAllowed:
                self.problems.append(misfit(place, name, text, table.column(name).looks_like))
        if missing:
            self._report_missing(table, element, place)
        if table.branches:
            self._read_children(table, row, element, place)
        elif len(element):
            self._report_children(table, place)
        return row

    def read_all(self, table: Table, elements: Sequence[etree._Element], place: str) -> list[Any]:
        if len(elements) == 1:
            return [self.read_one(table, elements[0], place)]
        if table.branches:
            return [self.read_one(table, element, f"{place}[{n}]") for n, element in enumerate(elements, start=1)]
        rows: list[Any] = list(map(object.__new__, repeat(table.row_type, len(elements))))
        texts_by_name = _texts_by_name(elements)
        for column in table.columns:
            texts = texts_by_name.pop(column.name, None)
            values: Iterable[Any]
            if texts is None and not column.required:
                values = repeat(column.default)
            else:
                try:
                    values = column.read_all(texts)
                except (NotAllowed, TypeError):  # a text is wrong or missing: find out which
                    values = self._read_one_by_one(column, texts or [None] * len(rows), place)
            deque(map(column.fill, rows, values), 0)
        for column in table.later:
            deque(map(column.fill, rows, repeat(None)), 0)
        self._report_unknown(texts_by_name, place)
        if any(map(len, elements)):
            self._report_children(table, place)
        return rows

    def _read_one_by_one(self, column: Column, texts: Sequence[str | None], place: str) -> Sequence[Any]:
        values = [column.default] * len(texts)
        for index, text in enumerate(texts):
            if text is None and not column.required:
                continue
            try:
                values[index] = column.read(text)
            except (NotAllowed, TypeError):
                self.problems.append(misfit(f"{place}[{index + 1}]", column.name, text, column.looks_like))
        return values

    def _report_missing(self, table: Table, element: etree._Element, place: str) -> None:
        for column in table.columns:
            if column.required and column.name not in element.attrib:
                self.problems.append(misfit(place, column.name, None, column.looks_like))

    def _report_unknown(self, left_over: Iterable[str], place: str) -> None:
        for name in left_over:
            if name not in _SCHEMA_HINTS:
                problem = Problem(f"{place}@{shown(name)}", "is no attribute of this version", "leave it out")
                self.problems.append(problem)

    def _read_children(self, table: Table, row: object, element: etree._Element, place: str) -> None:
        found = list(element)
        tags = [child.tag for child in found]
        in_order: list[str] = []
        for branch in table.branches:
            first, count = len(in_order), tags.count(branch.name)
            if count < branch.minimum:
                self.problems.append(Problem(f"{place}/{branch.name}", "is missing", f"give at least {branch.minimum}"))
            in_order += [branch.name] * count
            inside = f"{place}/{branch.name}"
            branch.fill(row, tuple(self.read_all(branch.table, found[first : first + count], inside)))
        if tags != in_order:
            self._report_children(table, place)

    def _report_children(self, table: Table, place: str) -> None:
        names = ", then ".join(branch.name for branch in table.branches) or "none"
        self.problems.append(Problem(place, "has other child elements than expected", f"give, in order: {names}"))


def _texts_by_name(elements: Sequence[etree._Element]) -> dict[str, Sequence[str | None]]:
    if not elements:
        return {}
    names: list[str] = elements[0].keys()  # type: ignore[assignment] # bytes only in the stubs' Python 2
    if [element.keys() for element in elements].count(names) == len(elements):
        return dict(zip(names, zip(*[element.values() for element in elements], strict=True), strict=True))
    every_name = {str(name) for element in elements for name in element.attrib}
    return {name: [element.get(name) for element in elements] for name in every_name}
