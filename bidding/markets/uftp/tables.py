"""The attribute table of a class under one version of the specification, made once from its annotations."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from functools import cache
from typing import Any, get_type_hints

from bidding.markets.uftp.fields import Children

Rules = tuple[int, int]
V3_0: Rules = (3, 0)
V3_1: Rules = (3, 1)


def rules_of(version: str) -> Rules:
    """Return which attribute rules a message's Version follows: 3.0.x those of 3.0.0, any other those of 3.1.0."""
    return V3_0 if version.startswith("3.0.") else V3_1


@dataclass(frozen=True, slots=True)
class Column:
    """One attribute. `fill` sets it on a new instance that nobody else knows yet, frozen as its class may be."""

    field: str
    name: str
    looks_like: str
    read: Callable[[Any], Any]
    read_all: Callable[[Any], list[Any]]
    write: Callable[[Any], str]
    write_all: Callable[[Sequence[Any]], list[str]]
    required: bool
    default: Any
    fill: Callable[[object, Any], None]


@dataclass(frozen=True, slots=True)
class Branch:
    """The child elements of one name."""

    field: str
    name: str
    minimum: int
    table: "Table"
    fill: Callable[[object, Any], None]


Fill = Callable[[object, Any], None]
Step = tuple[Callable[[Any], Any], Fill, bool]


@dataclass(frozen=True, slots=True)
class Table:
    """A class's attributes and children."""

    row_type: type
    columns: tuple[Column, ...]
    later: tuple[Column, ...]
    """Attributes that only newer versions know."""
    steps: Mapping[Any, Step]
    """What reading needs of a column, by attribute name."""
    defaults: tuple[tuple[Fill, Any], ...]
    """What absent attributes mean."""
    required: int
    """How many attributes must be there."""
    branches: tuple[Branch, ...]

    def column(self, name: str) -> Column:
        """Return the column of an attribute."""
        return next(column for column in self.columns if column.name == name)


def table_of(row_type: Any, rules: Rules) -> Table:
    """Return the table of a class whose fields are annotated with `Attribute` or `Children`."""
    return _table_of(row_type, rules)


@cache
def _table_of(row_type: Any, rules: Rules) -> Table:
    hints = get_type_hints(row_type, include_extras=True)
    columns: list[Column] = []
    later: list[Column] = []
    branches: list[Branch] = []
    for field in fields(row_type):
        (entry,) = hints[field.name].__metadata__
        fill = getattr(row_type, field.name).__set__
        if isinstance(entry, Children):
            branches.append(Branch(field.name, entry.name, entry.minimum, table_of(entry.row, rules), fill))
            continue
        known = rules >= entry.since
        required = known and (field.default is MISSING or rules < entry.required_before)
        column = Column(
            field=field.name,
            name=entry.name,
            looks_like=entry.kind.looks_like,
            read=entry.kind.read,
            read_all=entry.kind.read_all,
            write=entry.kind.write,
            write_all=entry.kind.write_all,
            required=required,
            default=None if required else field.default,
            fill=fill,
        )
        (columns if known else later).append(column)
    return Table(
        row_type=row_type,
        columns=tuple(columns),
        later=tuple(later),
        steps={column.name: (column.read, column.fill, column.required) for column in columns},
        defaults=tuple((column.fill, column.default) for column in (*columns, *later) if not column.required),
        required=sum(column.required for column in columns),
        branches=tuple(branches),
    )
