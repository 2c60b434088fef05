"""Fleets and prices from noon to noon, hour by hour."""

import csv
import gzip
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np

from bidding.flexibility.corridor import Corridor
from bidding.flexibility.ul import Floats
from scripts.flexibility_curves.history import History, utc_seconds


def prices_of(data: Path, day: date, hours: int, zone: ZoneInfo) -> Floats:
    """Dutch day-ahead prices from a local noon on."""
    found = _all_prices(data)
    start = datetime(day.year, day.month, day.day, 12, tzinfo=zone).timestamp()
    return np.array([found.get(start + 3600 * hour, 80.0) for hour in range(hours)])


_PRICES: dict[float, float] = {}


def _all_prices(data: Path) -> dict[float, float]:
    if not _PRICES:
        with gzip.open(data / "nl_day_ahead/day_ahead_2015_2023.csv.gz", "rt", newline="") as stream:
            _PRICES.update((utc_seconds(row["utc"]), float(row["eur_per_mwh"])) for row in csv.DictReader(stream))
    return _PRICES


def noon_fleet(history: History, day: date, *, hours: int, two_way: bool) -> Corridor:
    """Sessions that begin in the 24 h from noon, hour by hour; two-way ones never below their arrival charge."""
    start = history.instant_s(day, 12)
    index = np.flatnonzero((history.arrival_s >= start) & (history.arrival_s < start + 24 * 3600))
    arrival = np.floor((history.arrival_s[index] - start) / 3600)[:, None]
    departure = np.minimum(np.ceil((history.departure_s[index] - start) / 3600), hours)[:, None]
    grid = np.arange(hours)
    connected = (grid >= arrival) & (grid < departure)
    power = history.power_kw[index][:, None]
    need = np.minimum(history.energy_kwh[index][:, None], power * connected.sum(axis=1, keepdims=True))
    return Corridor.of(
        power_min_kw=np.where(connected, -power, 0.0) if two_way else 0.0,
        power_max_kw=np.where(connected, power, 0.0),
        energy_min_kwh=np.where(grid + 1 >= departure, need, 0.0),
        energy_max_kwh=need,
        shape=connected.shape,
    )


def shifted_years(day: date) -> date:
    """The like weekday of 2023, whose prices vary over the day as they now do."""
    like = date(2023, day.month, min(day.day, 28))
    return like + timedelta(days=(day.weekday() - like.weekday()) % 7)
