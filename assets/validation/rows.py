"""Read rows into columns by rules: fast when all is well, exact about every bad row when it is not."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from assets.validation.rules import Rule, Unacceptable, boolean

Columns = dict[str, list[Any]]


@dataclass(frozen=True, slots=True, order=True)
class RowError:
    """What is wrong with one field of one row; rows are counted from 0."""

    index: int
    field: str
    code: str
    message: str


class InvalidRows(ValueError):
    """Rows were refused, so none of them was stored; `errors` says which, why, and how to fix them."""

    def __init__(self, errors: Iterable[RowError]) -> None:
        self.errors = sorted(errors)
        rows = len({error.index for error in self.errors})
        super().__init__(f"{rows} row{'s are' if rows > 1 else ' is'} not acceptable; nothing was stored.")


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a kind of row. An absent or null field takes `default`, unless it is required.

    `repeats` says that few distinct texts fill the column, so that each is judged once; `is_number` that text files
    write it in digits.
    """

    name: str
    rule: Rule
    required: bool = False
    default: Any = None
    repeats: bool = False
    is_number: bool = False


@dataclass(frozen=True, slots=True)
class RowKind:
    """The fields of a kind of row, and the rules between fields of one row or between rows."""

    fields: tuple[Field, ...]
    checks: tuple[Callable[[Columns], Iterable[RowError]], ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The field names, in order."""
        return tuple(field.name for field in self.fields)

    def read(self, rows: Sequence[Mapping[str, Any]]) -> Columns:
        """Return one list per field, all as long as `rows`; raise `InvalidRows` naming every bad field."""
        if isinstance(rows, JudgedRows) and rows.kind is self:
            errors = [error for check in self.checks for error in check(rows.columns)]
            if errors:
                raise InvalidRows(errors)
            return rows.columns
        errors = list(_shape_errors(rows, self.names))
        if any(error.code == "not-an-object" for error in errors):
            raise InvalidRows(errors)
        columns: Columns = {}
        for field in self.fields:
            values = [row.get(field.name) for row in rows]
            try:
                columns[field.name] = _accepted(field, values)
            except (Unacceptable, TypeError):  # TypeError: a list or object where a repeating text belongs
                errors.extend(_errors(field, values))
        if not errors:
            for check in self.checks:
                errors.extend(check(columns))
        if errors:
            raise InvalidRows(errors)
        return columns


class JudgedRows(Sequence[Mapping[str, Any]]):
    """Rows of a kind whose fields were judged on the way in, kept as columns (see `assets.validation.decoding`)."""

    def __init__(self, kind: RowKind, columns: Columns) -> None:
        self.kind = kind
        self.columns = columns

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def __getitem__(self, index: Any) -> Any:
        """Return a row, for whoever reads it by row."""
        return {name: values[index] for name, values in self.columns.items()}


def _accepted(field: Field, values: list[Any]) -> list[Any]:
    """Apply the field's rule to a whole column; raise at the first value it refuses."""
    rule, default = field.rule, field.default
    if field.required and None in values:
        raise Unacceptable("required", "missing")
    if field.repeats:
        known = {value: rule(value) for value in set(values) if value is not None}
        known[None] = default
        return [known[value] for value in values]
    return [default if value is None else rule(value) for value in values]


def _errors(field: Field, values: list[Any]) -> Iterable[RowError]:
    for index, value in enumerate(values):
        if value is None:
            if field.required:
                yield RowError(index, field.name, "required", f"{field.name} is missing. Every row needs it.")
            continue
        try:
            field.rule(value)
        except Unacceptable as error:
            yield RowError(index, field.name, error.code, error.message)


def _shape_errors(rows: Sequence[Any], names: tuple[str, ...]) -> Iterable[RowError]:
    known = frozenset(names)
    for index, row in enumerate(rows):
        if not isinstance(row, Mapping):
            yield RowError(
                index, "", "not-an-object", "The row is not an object. Write each row as {…} with named fields."
            )
        elif not row.keys() <= known:
            for stranger in sorted(map(str, row.keys() - known)):
                yield RowError(index, stranger[:64], "unknown-field", unknown_field(stranger, names))


_OTHER_UNITS = {
    "_kwh": ("_wh", "watt-hour", "11 kWh is 11000"),
    "_mwh": ("_wh", "watt-hour", "11 MWh is 11000000"),
    "_kw": ("_w", "watt", "11 kW is 11000"),
    "_mw": ("_w", "watt", "11 MW is 11000000"),
}


def unknown_field(stranger: str, names: Sequence[str]) -> str:
    """Return why a field is refused and which one was probably meant."""
    for ending, (base, unit, example) in _OTHER_UNITS.items():
        meant = stranger.lower().removesuffix(ending) + base
        if stranger.lower().endswith(ending) and meant in names:
            return (
                f"{stranger[:64]} is in a unit that is not used here. "
                f"Give {meant} as a whole number of {unit}: {example}."
            )
    close = get_close_matches(stranger, names, n=1)
    hint = f"Did you mean {close[0]}?" if close else f"Known fields: {', '.join(names)}."
    return f"{stranger[:64]} is not a field here, and what is not understood is not ignored. {hint}"


def rows_from_text(rows: Iterable[Mapping[str, str]], kind: RowKind) -> list[dict[str, Any]]:
    """Return rows of a text file as typed rows: empty means absent, digits become numbers where a number belongs.

    What cannot be typed stays text, so that the field's own rule refuses it in its own words.
    """
    numbers = {field.name for field in kind.fields if field.is_number}
    switches = {field.name for field in kind.fields if field.rule is boolean}
    typed: list[dict[str, Any]] = []
    for row in rows:
        values: dict[str, Any] = {name: value for name, value in row.items() if value}
        for name in numbers & values.keys():
            values[name] = _number(values[name])
        for name in switches & values.keys():
            values[name] = {"true": True, "false": False}.get(values[name].lower(), values[name])
        typed.append(values)
    return typed


def _number(value: str) -> int | str:
    digits = value.strip()
    body = digits.removeprefix("-")
    return int(digits) if body.isascii() and body.isdigit() and len(body) <= 18 else value  # noqa: PLR2004 - 64 bits
