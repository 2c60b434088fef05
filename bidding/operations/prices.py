"""Bringing day-ahead prices in: all or nothing, each row with the moment it was known."""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from itertools import pairwise

from django.db import transaction

from aggregator.core.locks import AdvisoryLock, take
from aggregator.core.ptu import PTU, ptu_start
from bidding.models import DayAheadPrice

COLUMNS = ("utc", "eur_per_mwh")
HOUR = timedelta(hours=1)
LEAST, GREATEST = Decimal(-10_000), Decimal(10_000)  # beyond the harmonised limits of the day-ahead auction
SHOWN_ERRORS = 20
_DAY_AHEAD = 2  # beside the announcements' key of the same lock


class PricesInvalid(ValueError):
    """The file cannot be taken; the text names each row that is wrong and how to mend it."""


@dataclass(frozen=True, slots=True)
class PricesStored:
    """How many quarter hours were new or corrected, and how many were known with the same price."""

    stored: int
    unchanged: int


def read_prices(lines: Iterable[str]) -> dict[datetime, Decimal]:
    """Return the price of each quarter hour in a CSV with `utc` (ISO 8601 with an offset) and `eur_per_mwh`.

    Rows are quarter hours or hours, alike through the file; an hour fills its four quarters. Raises `PricesInvalid`.
    """
    reader = csv.DictReader(lines)
    missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
    if missing:
        raise PricesInvalid(f"The first line lacks {', '.join(missing)}: it must name the columns utc,eur_per_mwh.")
    rows: dict[datetime, Decimal] = {}
    errors = []
    for row in reader:
        try:
            starts_at, price = _read_row(row)
        except PricesInvalid as error:
            errors.append(f"line {reader.line_num}: {error}")
            continue
        if starts_at in rows:
            errors.append(f"line {reader.line_num}: {row['utc']} stands in an earlier line too; keep one of them.")
        rows[starts_at] = price
    if errors:
        more = f" … and {len(errors) - SHOWN_ERRORS} more" if len(errors) > SHOWN_ERRORS else ""
        raise PricesInvalid("; ".join(errors[:SHOWN_ERRORS]) + more)
    if not rows:
        raise PricesInvalid("The file has no prices below its first line.")
    length = _length_of_rows(sorted(rows))
    return {starts_at + n * PTU: price for starts_at, price in rows.items() for n in range(length // PTU)}


@transaction.atomic
def store_prices(*, prices: dict[datetime, Decimal], source: str, now: datetime) -> PricesStored:
    """Keep what is new or differs from what was known; storing the same again changes nothing."""
    take(AdvisoryLock.BIDDING, _DAY_AHEAD)
    known = dict(
        DayAheadPrice.objects.filter(starts_at__in=prices)
        .order_by("starts_at", "-known_at")
        .distinct("starts_at")
        .values_list("starts_at", "price_eur_per_mwh")
    )
    fresh = [
        DayAheadPrice(starts_at=starts_at, price_eur_per_mwh=price, known_at=now, source=source)
        for starts_at, price in sorted(prices.items())
        if known.get(starts_at) != price
    ]
    DayAheadPrice.objects.bulk_create(fresh)
    return PricesStored(len(fresh), len(prices) - len(fresh))


def _read_row(row: dict[str, str]) -> tuple[datetime, Decimal]:
    try:
        starts_at = datetime.fromisoformat(row["utc"] or "")
        price = Decimal(row["eur_per_mwh"] or "")
    except (ValueError, TypeError, InvalidOperation):
        raise PricesInvalid(
            f"{row.get('utc')!r}, {row.get('eur_per_mwh')!r} is not a time and a price; "
            "write 2026-01-14T16:00:00Z,83.21."
        ) from None
    if starts_at.tzinfo is None:
        raise PricesInvalid(f"{row['utc']} has no offset, so it could mean two instants; add Z or +01:00.")
    starts_at = starts_at.astimezone(UTC)
    if ptu_start(starts_at) != starts_at:
        raise PricesInvalid(f"{row['utc']} is not on a quarter hour.")
    if not price.is_finite() or not LEAST <= price <= GREATEST or price != round(price, 2):
        raise PricesInvalid(f"{price} is not a price between {LEAST} and {GREATEST} with at most two decimals.")
    return starts_at, price


def _length_of_rows(starts: list[datetime]) -> timedelta:
    """Return how long every row holds: a quarter hour or an hour, told by the shortest step."""
    steps = {after - before for before, after in pairwise(starts)}
    if PTU in steps:
        return PTU
    if steps and min(steps) == HOUR and not any(start.minute for start in starts):
        return HOUR
    raise PricesInvalid(
        "The rows are neither consecutive quarter hours nor consecutive hours; give at least two in a row."
    )
