"""Reading outdoor temperatures: CSV with `utc` (start of the hour, ISO 8601) and `celsius`."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal

from bidding.forecast.timed_values import ValueColumn, read_values

TEMPERATURES = ValueColumn(
    header="celsius",
    noun="temperature",
    example="3.5",
    grid=timedelta(hours=1),
    off_grid="not the start of an hour",
    least=Decimal(-60),
    greatest=Decimal(60),
    unit=" °C",
)


def read_temperatures(lines: Iterable[str]) -> dict[datetime, Decimal]:
    """Return the temperature [°C] of each hour. Raises `timed_values.ValuesInvalid`."""
    return read_values(lines, TEMPERATURES)
