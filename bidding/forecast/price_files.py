"""Reading day-ahead prices: CSV with `utc` (start of the period, ISO 8601) and `eur_per_mwh`."""

import csv
import math
from collections.abc import Iterable
from datetime import datetime

import numpy as np

from bidding.forecast.baselines import PTU_S, PriceCurve

PRICE_COLUMNS = ("utc", "eur_per_mwh")


class PriceFileInvalid(ValueError):
    """The file holds no usable price curve."""


def read_prices(lines: Iterable[str]) -> PriceCurve:
    """Read a price curve; each price holds until the next, the last as long as the one before it.

    Raises:
        PriceFileInvalid: a column is missing, a time has no offset or is off the quarter hour, a price is no number,
            two rows start together, or there are fewer than two rows.
    """
    reader = csv.DictReader(lines)
    missing = [name for name in PRICE_COLUMNS if name not in (reader.fieldnames or ())]
    if missing:
        raise PriceFileInvalid(f"Missing column {', '.join(missing)} in the price file; it needs utc, eur_per_mwh.")
    by_start: dict[int, float] = {}
    for number, row in enumerate(reader, start=1):
        try:
            start = datetime.fromisoformat(row["utc"])
            price = float(row["eur_per_mwh"])
        except (TypeError, ValueError):
            raise PriceFileInvalid(f"Price row {number} is not a time and a number: {row}.") from None
        if start.tzinfo is None or start.timestamp() % PTU_S or not math.isfinite(price):
            raise PriceFileInvalid(f"Price row {number} needs a quarter hour with an offset and a price: {row}.")
        instant_s = int(start.timestamp())
        if instant_s in by_start:
            raise PriceFileInvalid(f"Price row {number} starts with an earlier one: {row['utc']}.")
        by_start[instant_s] = price
    if len(by_start) < 2:  # noqa: PLR2004 - one row does not say how long it holds
        raise PriceFileInvalid("The price file needs at least two rows.")
    starts = np.array(sorted(by_start), dtype=np.int64)
    lasts = np.diff(starts, append=2 * starts[-1] - starts[-2]) // PTU_S
    prices = np.array([by_start[int(start)] for start in starts])
    return PriceCurve(starts_s=int(starts[0]), eur_per_mwh=np.repeat(prices, lasts))
