"""Reading day-ahead prices: CSV with `utc` (start of the period, ISO 8601) and `eur_per_mwh`."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import numpy as np

from bidding.forecast.baselines import PTU_S, PriceCurve
from bidding.forecast.timed_values import ValueColumn, ValuesInvalid, read_values

PTU = timedelta(seconds=PTU_S)
HOUR = timedelta(hours=1)

PRICES = ValueColumn(
    header="eur_per_mwh",
    noun="price",
    example="83.21",
    grid=PTU,
    off_grid="not on a quarter hour",
    least=Decimal(-10_000),
    greatest=Decimal(10_000),  # beyond the harmonised limits of the day-ahead auction
    decimals=2,
)


def read_prices(lines: Iterable[str]) -> dict[datetime, Decimal]:
    """Return the price of each quarter hour.

    Rows are quarter hours or hours, alike through the file; an hour fills its four quarters. Raises `ValuesInvalid`.
    """
    rows = read_values(lines, PRICES)
    length = _length_of_rows(sorted(rows))
    return {starts_at + n * PTU: price for starts_at, price in rows.items() for n in range(length // PTU)}


def price_curve(prices: Mapping[datetime, Decimal]) -> PriceCurve:
    """Return prices as a curve without gaps: each holds until the next that is known."""
    starts_s = np.array([int(starts_at.timestamp()) for starts_at in sorted(prices)], dtype=np.int64)
    lasts = np.diff(starts_s, append=starts_s[-1] + PTU_S) // PTU_S
    eur_per_mwh = np.array([float(prices[starts_at]) for starts_at in sorted(prices)])
    return PriceCurve(starts_s=int(starts_s[0]), eur_per_mwh=np.repeat(eur_per_mwh, lasts))


def _length_of_rows(starts: list[datetime]) -> timedelta:
    """Return how long every row holds: a quarter hour or an hour, told by the shortest step."""
    steps = {after - before: before for before, after in pairwise(starts)}
    if PTU in steps:
        if HOUR in steps:
            raise ValuesInvalid(
                f"One row is followed an hour later, that from {steps[HOUR].isoformat()}, others are quarter hours: it "
                "is the price of an hour, or three rows are missing. Give hours in a file of their own, or those rows."
            )
        return PTU
    if steps and min(steps) == HOUR and not any(start.minute for start in starts):
        return HOUR
    raise ValuesInvalid(
        "The rows are neither consecutive quarter hours nor consecutive hours; give at least two in a row."
    )
