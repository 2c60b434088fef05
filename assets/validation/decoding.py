"""The fast way in for rows that are all well: decoded and judged in C, column by column.

It knows no rule of its own. Each kind of row is turned into a decoder from its fields, the rules judge every distinct
text once, and whatever is not plainly right makes the answer None: then the slow way (`RowKind.read`) reads the body
again and says exactly what is wrong.
"""

import csv
import io
from collections.abc import Sequence
from functools import lru_cache
from typing import Annotated, Any

import msgspec

from assets.validation.rows import Field, JudgedRows, RowKind
from assets.validation.rules import (
    LARGEST_INTEGER,
    Rule,
    Unacceptable,
    boolean,
    integer,
    non_negative_integer,
    percentage,
)

_JUDGED_IN_C: dict[Rule, Any] = {
    non_negative_integer: Annotated[int, msgspec.Meta(ge=0, le=LARGEST_INTEGER)],
    integer: Annotated[int, msgspec.Meta(ge=-LARGEST_INTEGER, le=LARGEST_INTEGER)],
    boolean: bool,
}
"""The rules that a decoder can apply itself, as it understands them."""

_READ_AS: dict[Rule, Any] = {percentage: float}
"""What the other rules judge after decoding, where that is neither text nor a whole number."""

_DIGITS = frozenset("-0123456789")
_SURELY_SMALL = len(str(LARGEST_INTEGER)) - 1
"""Numbers of so many characters are within every limit."""


def judged_json(body: bytes, kind: RowKind, name: str) -> JudgedRows | None:
    """Return the rows of `{name: [{…}, …]}`, or None when anything about them is not plainly right."""
    try:
        rows = getattr(_decoder(kind, name).decode(body), name)
        columns = {field.name: _judged(field, [getattr(row, field.name) for row in rows]) for field in kind.fields}
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, Unacceptable):
        return None
    return JudgedRows(kind, columns)


def judged_csv(body: bytes, kind: RowKind) -> JudgedRows | None:
    """Return the rows of a comma-separated table, or None when anything about them is not plainly right."""
    try:
        heading, *rows = csv.reader(io.StringIO(body.decode("utf-8-sig"), newline=""), strict=True)
        texts = dict(zip(heading, zip(*rows, strict=True), strict=True))
        if len(texts) < len(heading) or not texts.keys() <= set(kind.names):
            return None
        absent = [""] * len(rows)
        columns = {
            field.name: _judged(field, _typed(field, texts.get(field.name, absent)), is_from_text=True)
            for field in kind.fields
        }
    except (ValueError, csv.Error):  # Unacceptable and UnicodeDecodeError are ValueErrors
        return None
    return JudgedRows(kind, columns)


@lru_cache
def _decoder(kind: RowKind, name: str) -> msgspec.json.Decoder[Any]:
    fields: list[Any] = []
    for field in kind.fields:
        wire = _JUDGED_IN_C.get(field.rule) or _READ_AS.get(field.rule, int if field.is_number else str)
        fields.append((field.name, wire) if field.required else (field.name, wire | None, None))
    row = msgspec.defstruct("Row", fields, kw_only=True, forbid_unknown_fields=True, gc=False)
    # `list` cannot be subscripted with a class made at run time in the checker's eyes; msgspec reads it all the same.
    body = msgspec.defstruct("Body", [(name, list[row])], forbid_unknown_fields=True)  # type: ignore[valid-type]
    return msgspec.json.Decoder(body)


def _judged(field: Field, values: list[Any], *, is_from_text: bool = False) -> list[Any]:
    """Return what is kept of each value; raise `Unacceptable`."""
    if field.rule in _JUDGED_IN_C and not is_from_text:
        return values if field.required else [field.default if value is None else value for value in values]
    kept = {value: field.rule(value) for value in set(values) if value is not None}
    if not field.required:
        kept[None] = field.default
    try:
        return [kept[value] for value in values]
    except KeyError:
        raise Unacceptable("required", f"{field.name} is missing.") from None


def _typed(field: Field, texts: Sequence[str]) -> list[Any]:
    """Return texts as what they stand for, None for an empty one; raise ValueError for what is not plainly a number."""
    if field.rule is boolean:
        meaning = {"true": True, "false": False, "": None}
        try:
            return [meaning[text] for text in texts]
        except KeyError:
            raise Unacceptable("not-a-boolean", "") from None
    if not field.is_number:
        return [text or None for text in texts]
    if max(map(len, texts), default=0) > _SURELY_SMALL or not set("".join(texts)) <= _DIGITS:
        raise Unacceptable("not-an-integer", "")
    return [int(text) if text else None for text in texts]
