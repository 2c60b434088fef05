"""The shared session sets, read once and alike for every reproduction."""

import csv
import gzip
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from bidding.flexibility.ul import Floats

UK_AC_KW = 7.0
UNKNOWN_KW = 7.4
MOST_HOURS = 36.0


SETS = {
    "residential (NO)": ("ev_no_residential/sessions.csv.gz", "residential", "Europe/Oslo"),
    "public (Dundee)": ("ev_uk_public_workplace/sessions_dundee.csv.gz", "public_ac", "Europe/London"),
    "workplace (Dundee)": ("ev_uk_public_workplace/sessions_dundee.csv.gz", "workplace_council", "Europe/London"),
    "public (NL, 4 busy sockets)": ("ev_nl_public_stations/sessions.csv.gz", "public_ac", "Europe/Amsterdam"),
}


GAP_WITHOUT_DATA = (date(2017, 12, 2), date(2018, 2, 21))


@dataclass(frozen=True, slots=True)
class History:
    """Sessions of one category; times in UTC seconds, chargers by number, and the local days that have data."""

    arrival_s: Floats
    departure_s: Floats
    energy_kwh: Floats
    power_kw: Floats
    charger: NDArray[np.int64]
    zone: ZoneInfo

    @property
    def chargers(self) -> int:
        """Number of chargers ever seen."""
        return int(self.charger.max()) + 1

    def weekdays(self) -> list[date]:
        """Local weekdays with data, without the first two, whose evenings may have begun before the set."""
        first = datetime.fromtimestamp(self.arrival_s.min(), self.zone).date()
        last = datetime.fromtimestamp(self.arrival_s.max(), self.zone).date()
        days = (first + timedelta(days=count) for count in range(2, (last - first).days))
        gap = GAP_WITHOUT_DATA if self.zone.key == "Europe/London" else (date.max, date.min)
        return [day for day in days if day.weekday() < 5 and not gap[0] <= day <= gap[1]]  # noqa: PLR2004 - Saturday

    def instant_s(self, day: date, hour: int) -> float:
        """UTC seconds of a local hour."""
        return datetime(day.year, day.month, day.day, hour, tzinfo=self.zone).timestamp()


def read_history(data: Path, name: str) -> History:
    """Sessions of one set and category, stays cut at 36 h, power enough for the energy."""
    file, category, zone = SETS[name]
    rows = []
    with gzip.open(data / file, "rt", newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["category"] == category]
    arrival = np.array([utc_seconds(row["plug_in_utc"]) for row in rows])
    departure = np.minimum([utc_seconds(row["plug_out_utc"]) for row in rows], arrival + MOST_HOURS * 3600)
    energy = np.array([float(row["energy_kwh"]) for row in rows])
    rated = np.array([float(row["max_power_kw"] or UNKNOWN_KW) for row in rows])
    if zone == "Europe/London":
        rated = np.minimum(rated, UK_AC_KW)
    power = np.maximum(rated, energy / np.maximum((departure - arrival) / 3600, 0.05))
    _, charger = np.unique([row["charger_id"] for row in rows], return_inverse=True)
    return History(arrival, departure, energy, power, charger.astype(np.int64), ZoneInfo(zone))


def utc_seconds(text: str) -> float:
    """UTC seconds of an instant."""
    return datetime.fromisoformat(text).astimezone(UTC).timestamp()
