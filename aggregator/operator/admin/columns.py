"""How fields are shown in lists and on pages: kilowatts, euros and Dutch time instead of raw values."""

from collections.abc import Callable, Sequence
from functools import cache
from operator import attrgetter
from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import get_fields_from_path
from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import FieldDoesNotExist
from django.db import models
from django.utils.html import format_html
from django.utils.text import capfirst

from aggregator.operator.display import MISSING, TO, clock_time, day, euros, kilo, moment, time_of_day
from aggregator.operator.spelling import spelled

Column = str | Callable[[Any], Any]


_UNITS: tuple[tuple[str, str, Callable[[Any], str]], ...] = (
    ("_wh", "kWh", kilo),
    ("_w", "kW", kilo),
    ("_eur", "€", euros),
    ("_eur_per_mwh", "per MWh", euros),
    ("_eur_per_kwh", "per kWh", "€ {:.4f}".format),
)
_TIMES: tuple[tuple["type[models.Field[Any, Any]]", Callable[[Any], str]], ...] = (
    (models.DateTimeField, moment),
    (models.DateField, day),  # after moments, which Django holds for dates too
    (models.TimeField, time_of_day),
)


def readable(model: type[models.Model], names: Sequence[Column]) -> list[Column]:
    """Return the columns with every power, energy, amount and instant in a form people read; others unchanged."""
    return [_readable(model, name) if isinstance(name, str) else name for name in names]


@admin.display(description="Window", ordering="starts_at")
def window(row: Any) -> str:
    """Show `starts_at` and `ends_at` as one period."""
    same_day = moment(row.starts_at)[:10] == moment(row.ends_at)[:10]
    end = clock_time(row.ends_at) if same_day else moment(row.ends_at)
    return format_html('<span class="op-nowrap">{}{}{}</span>', moment(row.starts_at), TO, end)


@cache
def _readable(model: type[models.Model], name: str) -> Column:
    try:
        field = get_fields_from_path(model, name)[-1]
    except FieldDoesNotExist:
        return name
    for ending, unit, write in _UNITS:
        if field.name.endswith(ending):
            return _column(name, field, field.name.removesuffix(ending), unit, write)
    for kind, write in _TIMES:
        if isinstance(field, kind):
            return _column(name, field, field.name, "", write)
    return _column(name, field, field.name, "", _words) if "__" in name else name  # Django would head it with the path


def _words(value: object) -> str:
    return MISSING if value is None else str(value)


def _column(path: str, field: Any, title: str, unit: str, write: Callable[[Any], str]) -> Column:
    words = capfirst(spelled(title))
    value_of = attrgetter(path.replace("__", "."))

    @admin.display(description=f"{words} ({unit})" if unit else words, ordering=path)
    def column(row: models.Model) -> str:
        value = value_of(row)
        if value is not None and isinstance(field, ArrayField):
            return ", ".join(map(write, value)) or MISSING
        return format_html('<span class="op-nowrap">{}</span>', write(value))

    column.__name__ = f"{path}_readable"
    return column
