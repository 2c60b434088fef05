"""Bringing outdoor temperatures in: all or nothing, each row with the moment it was known."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from django.db import transaction

from aggregator.core.locks import AdvisoryLock, take
from bidding.models import OutdoorTemperature

_TEMPERATURES = 3  # beside the other keys of the same lock
_TENTH = Decimal("0.1")


@dataclass(frozen=True, slots=True)
class TemperaturesStored:
    """How many hours were new or corrected, and how many were known with the same temperature."""

    stored: int
    unchanged: int


@transaction.atomic
def store_temperatures(*, hours_c: Mapping[int, float], source: str, now: datetime) -> TemperaturesStored:
    """Keep what is new or differs from what was known; storing the same again changes nothing.

    Args:
        hours_c: temperature [°C] by the start of its hour, UTC epoch seconds.
        source: where they come from.
        now: the moment from which they are known.
    """
    take(AdvisoryLock.BIDDING, _TEMPERATURES)
    told = {
        datetime.fromtimestamp(starts_s, UTC): Decimal(celsius).quantize(_TENTH)
        for starts_s, celsius in hours_c.items()
    }
    known = dict(
        OutdoorTemperature.objects.filter(starts_at__in=told)
        .order_by("starts_at", "-known_at")
        .distinct("starts_at")
        .values_list("starts_at", "celsius")
    )
    fresh = [
        OutdoorTemperature(starts_at=starts_at, celsius=celsius, known_at=now, source=source)
        for starts_at, celsius in sorted(told.items())
        if known.get(starts_at) != celsius
    ]
    OutdoorTemperature.objects.bulk_create(fresh)
    return TemperaturesStored(len(fresh), len(told) - len(fresh))
