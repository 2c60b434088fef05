# noqa: INP001 - run with -m, imported by nobody
"""Measure the forecasts of departure and energy out of sample: `python -m scripts.stay_calibration`.

Walks through every reference set after 60 days: every other day at 9:00, 13:00, 17:00 and 21:00 local time the cars
plugged in are forecast from the sessions completed by then, and judged by what became of them. Prints the table of
docs/forecast.md. `--models nearest forests`, `--only TEXT`, `--data FOLDER` (or SHARED_DIR, or ../shared beside).
"""

import argparse
import gzip
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bidding.forecast.local_time import DAY_S, HOUR_S, local_seconds, utc_seconds
from bidding.forecast.session_files import read_sessions
from bidding.forecast.sessions import PluggedIn, SessionTable
from bidding.forecast.stay_models import NAMES, stay_models
from bidding.forecast.stays import StayForecaster, StayModels
from scripts.reference_data import DATA, SETS

Floats = NDArray[np.float64]

LEVELS = np.array([0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95])
WARM_UP_DAYS = 60
HOURS = (9, 13, 17, 21)
UNSEEN_CHARGER = 2**30
KW_UNKNOWN = 7.4


@dataclass(slots=True)
class Score:
    """Forecast quantiles beside outcomes."""

    quantiles: list[Floats]
    outcomes: list[Floats]

    def cells(self) -> list[str]:
        """Shares below the 5, 10, 50, 90 and 95 % quantile, and the mean pinball loss over all levels."""
        quantiles, outcomes = np.concatenate(self.quantiles), np.concatenate(self.outcomes)[:, None]
        below = (outcomes <= quantiles + 1e-9).mean(axis=0)
        miss = outcomes - quantiles
        loss = np.maximum(LEVELS * miss, (LEVELS - 1) * miss).mean()
        shares = " / ".join(f"{100 * below[list(LEVELS).index(level)]:.0f}" for level in (0.05, 0.1, 0.5, 0.9, 0.95))
        return [shares, f"{loss:.2f}"]


def instants(sessions: SessionTable, timezone: str) -> Iterator[int]:
    """Instants of the walk, UTC seconds."""
    first_day = int(local_seconds(sessions.plug_in_s[0], timezone=timezone)) // DAY_S
    last_day = int(local_seconds(sessions.plug_in_s[-1], timezone=timezone)) // DAY_S
    for day in range(first_day + WARM_UP_DAYS, last_day, 2):
        for hour in HOURS:
            yield int(utc_seconds(day * DAY_S + hour * HOUR_S, timezone=timezone))


def as_newcomers(cars: PluggedIn) -> PluggedIn:
    """The same cars on chargers nobody has seen."""
    return replace(cars, charger=np.full(len(cars), UNSEEN_CHARGER, dtype=np.int32))


def walk(sessions: SessionTable, models: StayModels, *, timezone: str, newcomers: bool) -> tuple[int, Score, Score]:
    """Cars forecast, and the scores of their remaining hours and of their energy."""
    hours, energy, cars = Score([], []), Score([], []), 0
    for now_s in instants(sessions, timezone):
        rows = sessions.rows_present(now_s, now_s + 1)
        here = sessions.plugged_in_at(now_s)
        if not len(here):
            continue
        history = sessions.completed_before(now_s)
        forecaster = StayForecaster(history, models=models, timezone=timezone, now_s=now_s)
        stays = forecaster.forecast(as_newcomers(here) if newcomers else here)
        kept = stays.is_known != newcomers
        hours.quantiles.append((stays.departure_quantiles_s(LEVELS)[kept] - now_s) / HOUR_S)
        hours.outcomes.append((sessions.plug_out_s[rows][kept] - now_s) / HOUR_S)
        energy.quantiles.append(stays.energy_quantiles_kwh(LEVELS)[kept])
        energy.outcomes.append(sessions.energy_kwh[rows][kept])
        cars += int(kept.sum())
    return cars, hours, energy


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--models", nargs="+", choices=NAMES, default=list(NAMES))
    parser.add_argument("--only", default="", help="part of the name of a set")
    parser.add_argument("--data", type=Path, default=DATA)
    options = parser.parse_args()
    out = sys.stdout
    out.write("| set | cars are | model | cars | hours left: below P5 / P10 / P50 / P90 / P95 | loss h | ")
    out.write("energy: below P5 / P10 / P50 / P90 / P95 | loss kWh |\n|---|---|---|---|---|---|---|---|\n")
    for name, (file, category, timezone) in SETS.items():
        if options.only not in name:
            continue
        with gzip.open(options.data / file, "rt") as lines:
            read = read_sessions(lines, default_power_kw=KW_UNKNOWN, category=category, skip_invalid=True)
        for newcomers in (False, True):
            for model in options.models:
                cars, hours, energy = walk(read.table, stay_models(model), timezone=timezone, newcomers=newcomers)
                cells = [name, "taken for newcomers" if newcomers else "known", model, f"{cars:,}"]
                out.write(f"| {' | '.join(cells + hours.cells() + energy.cells())} |\n")
                out.flush()


if __name__ == "__main__":
    main()
