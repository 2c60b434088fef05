"""Steps that fall due: found from the rows, done in order of time, skipped when another process was first."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.core.exceptions import ObjectDoesNotExist
from django.db.models import QuerySet


@dataclass(frozen=True, slots=True)
class Step:
    """Something the market did."""

    at: datetime
    event: str
    subject: str


@dataclass(frozen=True, slots=True)
class Due:
    """The row of the next step and its moment; `do` does the step unless another process was first."""

    at: datetime
    row: Any
    action: Callable[[Any, datetime, datetime], Step | None]

    def do(self, now: datetime) -> Step | None:
        """Do the step; return nothing when there was nothing left to do."""
        try:
            return self.action(self.row, self.at, now)
        except ObjectDoesNotExist:
            return None  # a new scenario has just replaced every row


def first(
    rows: "QuerySet[Any]",
    moment: str,
    action: Callable[[Any, datetime, datetime], Step | None],
    *,
    lead: timedelta = timedelta(0),
) -> Due | None:
    """Return the row whose `moment` comes first, due `lead` before it."""
    row = rows.order_by(moment, "pk").first()
    return None if row is None else Due(getattr(row, moment) - lead, row, action)


def is_still(row: Any, **expected: str) -> bool:
    """Tell whether the row, read again under the market's lock, is as expected; another process may have been first."""
    return bool(type(row).objects.filter(pk=row.pk, **expected).exists())
