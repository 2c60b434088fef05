"""The pieces of a panel: cells with a text, a link and a tone."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db.models import Model
from django.urls import reverse

from aggregator.core.units import kilowatt
from aggregator.operator.display import (
    MISSING,
    duration,
)


def cell(text: str, *, href: str = "", tone: str = "", note: str = "") -> dict[str, str]:
    """Return one table cell; `tone` is good, bad, warn, info or nothing."""
    return {"text": text, "href": href, "tone": tone, "note": note}


def table(caption: str, headers: str, rows: Sequence[Sequence[dict[str, str]]]) -> dict[str, Any]:
    """Return a table; `headers` are separated by commas, and a # before one marks a column of numbers."""
    names = headers.split(",")
    is_number = [name.startswith("#") for name in names]
    return {
        "caption": caption,
        "headers": [
            {"text": name.removeprefix("#"), "is_number": number} for name, number in zip(names, is_number, strict=True)
        ],
        "rows": [list(zip(row, is_number, strict=True)) for row in rows],
    }


def list_of(model: type[Model], query: str = "") -> str:
    """Return the address of a model's list."""
    options = model._meta  # noqa: SLF001 - Django's documented API
    address = reverse(f"admin:{options.app_label}_{options.model_name}_changelist")
    return f"{address}?{query}" if query else address


def page_of(row: Model) -> str:
    """Return the address of a row's page."""
    options = row._meta  # noqa: SLF001 - Django's documented API
    return reverse(f"admin:{options.app_label}_{options.model_name}_change", args=[row.pk])


def blank(number: int) -> list[dict[str, str]]:
    """Return cells that say that there is nothing to say."""
    return [cell(MISSING)] * number


def kw_or_gap(power_w: int | None) -> float | None:
    """Return a chart's value: what is not known stays a gap."""
    return None if power_w is None else kilowatt(power_w)


def until(instant: datetime, now: datetime) -> str:
    """Return how long it is from now to an instant."""
    return duration(instant - now) if instant > now else "no time"
