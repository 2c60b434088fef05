# noqa: INP001 - run by its path, imported by nobody
"""Fit the session profiles of the simulated CPO from open data; writes assets/simulator/profiles/*.json.

    python scripts/fit_session_profiles.py --data ../shared/data

Only facts leave the data: shares of arrivals by quarter hour, quantiles of stays and energies by arrival block,
plug-ins per charger and day, power classes. No row is copied. Measured sets give the shapes; ElaadNL's Dutch averages
by arrival time give the levels, because the British and Norwegian cars of 2016-2019 were older than a Dutch fleet.
"""

import argparse
import csv
import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from aggregator.core.interval import Interval
from assets.simulator.local_time import DAY, HOUR, is_weekend, wall_clock
from assets.simulator.session_profiles import (
    BLOCK_HOURS,
    DAY_TYPES,
    QUANTILES,
    STAY_CLASSES,
    draw_sessions,
    profile_from_document,
)

Floats = npt.NDArray[np.float64]
PROFILES = Path(__file__).resolve().parent.parent / "assets" / "simulator" / "profiles"
BLOCKS = 24 // BLOCK_HOURS
QUARTERS = 96
LONGEST_STAY_HOURS = 72.0
FEWEST_SESSIONS = 40
"""A block with fewer takes the table of the whole day: a quantile of a handful is noise."""

NORWAY = {
    "name": "Norwegian residential sessions (Sorensen et al., Data in Brief 2024, 10.1016/j.dib.2024.110883)",
    "licence": "CC BY 4.0",
}
SCOTLAND = {
    "name": "Perth & Kinross Council and Dundee City Council charging sessions (ChargePlace Scotland network)",
    "licence": "Open Government Licence v3.0: contains public sector information",
}
HAMBURG = {
    "name": "Elektro Ladestandorte Hamburg (BVM, Freie und Hansestadt Hamburg; Adenaw and Krapf, WEVJ 13(4) 56)",
    "licence": "Datenlizenz Deutschland Namensnennung 2.0",
}
ELAAD = {"name": "ElaadNL charging distributions 2018-2020, as shipped in ev2gym 2.0.0", "licence": "MIT"}


@dataclass(frozen=True, slots=True)
class Measured:
    """Sessions of one kind of place: local seconds, stays, energies (NaN where none) and plug-ins per charger-day."""

    plug_in: npt.NDArray[np.int64]
    stay_hours: Floats
    energy_kwh: Floats
    charger: npt.NDArray[np.str_]

    def block(self) -> npt.NDArray[np.int64]:
        """Return the arrival block of each session."""
        blocks: npt.NDArray[np.int64] = self.plug_in % DAY // (BLOCK_HOURS * HOUR)
        return blocks

    def per_charger_day(self) -> Floats:
        """Return plug-ins per charger and present day, by day type; present from its first to its last session."""
        sessions = np.zeros(2)
        days = np.zeros(2)
        for name in np.unique(self.charger):
            starts = np.sort(self.plug_in[self.charger == name])
            present = np.arange(starts[0] // DAY, starts[-1] // DAY + 1) * DAY
            sessions += np.bincount(is_weekend(starts).astype(np.int64), minlength=2)
            days += np.bincount(is_weekend(present).astype(np.int64), minlength=2)
        return sessions / np.maximum(days, 1)


@dataclass(frozen=True, slots=True)
class Recipe:
    """Which sets give what for one category of the portfolio."""

    stays: Measured
    energies: Measured
    elaad_column: int
    sources: Sequence[Mapping[str, str]]


def main() -> None:
    """Fit and write all profiles."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--data", type=Path, required=True, help="folder that holds ev_no_residential, nl_elaad_profiles …"
    )
    data: Path = parser.parse_args().data
    scotland = [data / "ev_uk_public_workplace" / f"sessions_{town}.csv.gz" for town in ("perth", "dundee")]
    home = read([data / "ev_no_residential" / "sessions.csv.gz"], "residential", "Europe/Oslo")
    on_street = read([data / "ev_de_hamburg_public" / "sessions.csv.gz"], "public_ac", "Europe/Berlin")
    public = read(scotland, "public_ac", "Europe/London")
    work = read(scotland, "workplace_council", "Europe/London")
    recipes = {
        "home": Recipe(home, home, 1, [{**NORWAY, "used_for": "stays, energies, plug-ins a day"}]),
        "public": Recipe(
            on_street,
            public,
            2,
            [
                {**HAMBURG, "used_for": "stays, plug-ins a day"},
                {**SCOTLAND, "used_for": "shape of energies by arrival and stay"},
            ],
        ),
        "workplace": Recipe(work, work, 3, [{**SCOTLAND, "used_for": "stays, energies, plug-ins a day"}]),
    }
    for category, recipe in recipes.items():
        document = calibrated(fit(data / "nl_elaad_profiles", recipe))
        (PROFILES / f"{category}.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def read(paths: Sequence[Path], category: str, zone: str) -> Measured:
    """Return the sessions of a category, in local time."""
    rows = []
    for path in paths:
        with gzip.open(path, "rt", encoding="utf-8", newline="") as lines:
            rows += [row for row in csv.DictReader(lines) if row["category"] == category]
    seconds = [
        [int(datetime.fromisoformat(row[name]).timestamp()) for name in ("plug_in_utc", "plug_out_utc")] for row in rows
    ]
    starts, ends = np.array(seconds, dtype=np.int64).T
    return Measured(
        plug_in=wall_clock(starts, ZoneInfo(zone)),
        stay_hours=np.minimum((ends - starts) / HOUR, LONGEST_STAY_HOURS),
        energy_kwh=np.array([float(row.get("energy_kwh") or "nan") for row in rows]),
        charger=np.array([row["charger_id"] for row in rows]),
    )


def fit(elaad: Path, recipe: Recipe) -> dict[str, Any]:
    """Return the profile document, with plug-ins per day not yet corrected for taken chargers."""
    column = recipe.elaad_column
    stay_level = _by_block(elaad / "mean_connection_by_arrival.csv", column)
    energy_level = _by_block(elaad / "mean_energy_by_arrival.csv", column)
    rate = recipe.stays.per_charger_day()
    weekday = _elaad_arrivals(elaad / "arrival_weekday.csv", column)
    # ElaadNL has no weekend arrivals at workplaces; the few there are follow the weekdays.
    weekend = weekday if column == 3 else _elaad_arrivals(elaad / "arrival_weekend.csv", column)  # noqa: PLR2004 - workplace
    powers, shares = _power_classes(elaad / "max_power_quantiles.csv")
    return {
        "made_with": "scripts/fit_session_profiles.py",
        "sources": [*recipe.sources, {**ELAAD, "used_for": "arrivals, level of stays and energies, power classes"}],
        "target_sessions_per_day": _rounded(rate),
        "arrivals_per_day": _rounded(rate),
        "arrival_share": _rounded(np.array([weekday, weekend]), 5),
        "stay_hours": _rounded(_stays(recipe.stays, stay_level)),
        "energy_kwh": _rounded(_energies(recipe.energies, energy_level)),
        "power_kw": powers,
        "power_share": shares,
    }


def calibrated(document: dict[str, Any]) -> dict[str, Any]:
    """Return the document with the tried plug-ins a day that leave the measured number where chargers are taken."""
    period = Interval(datetime(2026, 1, 5, tzinfo=UTC), datetime(2026, 1, 5, tzinfo=UTC) + timedelta(weeks=4))
    target = np.array(document["target_sessions_per_day"])
    chargers = np.arange(400)
    days = np.array([20, 8]) * len(chargers)
    for _ in range(8):
        drawn = draw_sessions(
            profile=profile_from_document(document),
            assets=chargers,
            max_power_kw=np.full(len(chargers), 11.04),
            period=period,
            generator=np.random.default_rng(0),
        )
        started = drawn.plug_in >= period.starts_at.timestamp()
        weekend = is_weekend(wall_clock(drawn.plug_in[started], ZoneInfo("Europe/Amsterdam"))).astype(np.int64)
        got = np.bincount(weekend, minlength=2) / days
        tried = np.array(document["arrivals_per_day"]) * target / np.maximum(got, 1e-6)
        document = {**document, "arrivals_per_day": _rounded(tried)}
    return document


def _stays(measured: Measured, level: Floats) -> Floats:
    """Return stay quantiles (day type, block, quantile), moved to the Dutch mean of their block where one is known."""
    table = np.empty((len(DAY_TYPES), BLOCKS, QUANTILES))
    day_type, block = is_weekend(measured.plug_in), measured.block()
    for kind in range(len(DAY_TYPES)):
        for number in range(BLOCKS):
            chosen = _enough(measured, (day_type == bool(kind)) & (block == number), block == number)
            stays = measured.stay_hours[chosen]
            factor = level[number] / stays.mean() if np.isfinite(level[number]) else 1.0
            table[kind, number] = _quantiles(np.minimum(stays * factor, LONGEST_STAY_HOURS))
    return table


def _energies(measured: Measured, level: Floats) -> Floats:
    """Return energy quantiles (block, quarter of the stays, quantile), moved to the Dutch mean of their block."""
    table = np.empty((BLOCKS, STAY_CLASSES, QUANTILES))
    block = measured.block()
    for number in range(BLOCKS):
        chosen = _enough(measured, block == number, np.ones(len(block), dtype=bool))
        energy, stay = measured.energy_kwh[chosen], measured.stay_hours[chosen]
        factor = level[number] / energy.mean() if np.isfinite(level[number]) else 1.0
        stay_class = np.minimum(np.argsort(np.argsort(stay)) * STAY_CLASSES // len(stay), STAY_CLASSES - 1)
        for quarter in range(STAY_CLASSES):
            table[number, quarter] = _quantiles(energy[stay_class == quarter] * factor)
    return table


def _enough(measured: Measured, wanted: npt.NDArray[np.bool_], wider: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    for chosen in (wanted, wider):
        if chosen.sum() >= FEWEST_SESSIONS:
            return chosen
    return np.ones(len(measured.plug_in), dtype=bool)


def _quantiles(values: Floats) -> Floats:
    """Return evenly spaced quantiles; the ends are the 0.5 and 99.5 % points, so that no single session shows."""
    ranks = np.clip(np.linspace(0, 1, QUANTILES), 0.005, 0.995)
    return np.asarray(np.quantile(values, ranks), dtype=np.float64)


def _table(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.reader(lines))[1:]


def _elaad_arrivals(path: Path, column: int) -> Floats:
    shares = np.zeros(QUARTERS)
    for row in _table(path):
        hour, minute = row[0].split(":")[:2]
        shares[int(hour) * 4 + int(minute) // 15] = float(row[column])
    normalised: Floats = shares / shares.sum()
    return normalised


def _by_block(path: Path, column: int) -> Floats:
    """Return the plain mean per arrival block of the half hours that are filled in; NaN for a block without any."""
    values: list[list[float]] = [[] for _ in range(BLOCKS)]
    for row in _table(path):
        if len(row) > column and row[column]:
            values[int(row[0].split(":")[0]) // BLOCK_HOURS].append(float(row[column]))
    return np.array([np.mean(block) if block else np.nan for block in values])


def _power_classes(path: Path) -> tuple[list[float], list[float]]:
    """Return the classes 1x16 A, 1x32 A and 3x16 A with the share of events of 2020 that reached each."""
    exceeded = np.array([[float(row[0]), float(row[3])] for row in _table(path)])
    above_5, above_8 = (float((exceeded[:, 1] > limit).mean()) for limit in (5.0, 8.0))
    return [3.68, 7.36, 11.04], [round(1 - above_5, 4), round(above_5 - above_8, 4), round(above_8, 4)]


def _rounded(values: Floats, digits: int = 3) -> Any:
    return np.round(values, digits).tolist()


if __name__ == "__main__":
    main()
