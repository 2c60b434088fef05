"""Bringing prices and temperatures in: all or nothing, each row with the moment it was known."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import transaction

from aggregator.core.locks import AdvisoryLock, take
from bidding.models.timed_values import TimedValue

_IMPORTS = 2  # beside the announcements' key of the same lock


@dataclass(frozen=True, slots=True)
class Stored:
    """How many periods were new or corrected, and how many were known with the same value."""

    stored: int
    unchanged: int


@transaction.atomic
def store_values(model: type[TimedValue], *, values: Mapping[datetime, Decimal], source: str, now: datetime) -> Stored:
    """Keep what is new or differs from what was known; storing the same again changes nothing.

    Args:
        model: what the values are.
        values: by the start of their period.
        source: where they come from.
        now: the moment from which they are known.
    """
    take(AdvisoryLock.BIDDING, _IMPORTS)
    told = {starts_at: model.rounded(value) for starts_at, value in sorted(values.items())}
    known = dict(
        model.objects.filter(starts_at__in=told)
        .order_by("starts_at", "-known_at")
        .distinct("starts_at")
        .values_list("starts_at", model.VALUE)
    )
    fresh = [
        model(starts_at=starts_at, known_at=now, source=source, **{model.VALUE: value})
        for starts_at, value in told.items()
        if known.get(starts_at) != value
    ]
    model.objects.bulk_create(fresh)
    return Stored(len(fresh), len(told) - len(fresh))
