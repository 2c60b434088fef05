# noqa: INP001 - run with -m, imported by nobody
"""Measure how well dispatch foresees departures, by how many samples a car has: `python -m scripts.departure_surprise`.

Walks through every reference set after 60 days: every day at 17:00 and 18:00 local time the cars plugged in, which have
followed their baseline and tell what they still want, are judged by the sessions completed by then. Prints the mean
logarithmic loss of "leaves within" half an hour, one, two, three and five hours (no knowledge at all: 0.69).
`--samples 24 48 88 128`, `--data FOLDER` (or SHARED_DIR, or ../shared beside).
"""

import argparse
import gzip
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bidding.dispatch.allocation.expectations import Samples, fitting_samples
from bidding.dispatch.allocation.view import DispatchView
from bidding.forecast.local_time import DAY_S, HOUR_S, local_seconds, utc_seconds
from bidding.forecast.outlook import FEWEST_SAMPLES, SAMPLES, OutlookModel
from bidding.forecast.session_files import read_sessions
from bidding.forecast.sessions import SessionTable
from scripts.reference_data import DATA, SETS
from scripts.stay_calibration import KW_UNKNOWN, WARM_UP_DAYS

HOURS = (17, 18)
WITHIN_H = (0.5, 1.0, 2.0, 3.0, 5.0)
LEAST_CHANCE = 1e-4
PTU_H = 0.25


def instants(sessions: SessionTable, timezone: str) -> list[int]:
    """Instants of the walk, UTC seconds."""
    first, last = (int(local_seconds(at_s, timezone=timezone)) // DAY_S for at_s in sessions.plug_in_s[[0, -1]])
    days = range(first + WARM_UP_DAYS, last)
    return [int(utc_seconds(day * DAY_S + hour * HOUR_S, timezone=timezone)) for day in days for hour in HOURS]


def samples_of(
    sessions: SessionTable, model: OutlookModel, rows: NDArray[np.intp], *, now_s: int, each: int
) -> Samples:
    """Return what dispatch would expect of the cars in some rows."""
    elapsed_h = (now_s - sessions.plug_in_s[rows]) / HOUR_S
    energy_in_kwh = np.minimum(sessions.energy_kwh[rows], sessions.power_kw[rows] * elapsed_h)
    nothing = np.zeros(len(rows))
    return fitting_samples(
        DispatchView(
            ptu_h=PTU_H,
            left_in_window_h=PTU_H,
            elapsed_h=elapsed_h,
            power_kw=sessions.power_kw[rows],
            takes_kw=sessions.power_kw[rows],
            floor_kw=nothing,
            v2g=nothing > 0,
            energy_in_kwh=energy_in_kwh,
            left_kwh=sessions.energy_kwh[rows] - energy_in_kwh,
            planned_kwh=None,
            outlook=model.of(rows, now_s=now_s, samples_at_once=each * len(rows)),
        )
    )


def surprise(sessions: SessionTable, *, timezone: str, each: int) -> tuple[int, float]:
    """Return how many cars were judged, and the mean loss."""
    model = OutlookModel(sessions, timezone=timezone)
    losses = []
    for now_s in instants(sessions, timezone):
        rows = sessions.rows_present(now_s, now_s + 1)
        if not len(rows):
            continue
        samples = samples_of(sessions, model, rows, now_s=now_s, each=each)
        left_h = (sessions.plug_out_s[rows] - now_s) / HOUR_S
        for within_h in WITHIN_H:
            chance = np.clip(samples.chance(samples.left_h < within_h), LEAST_CHANCE, 1 - LEAST_CHANCE)
            losses.append(-np.log(np.where(left_h < within_h, chance, 1 - chance)))
    loss = np.concatenate(losses)
    return len(loss) // len(WITHIN_H), float(loss.mean())


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--samples", nargs="+", type=int, default=[FEWEST_SAMPLES, 48, 88, SAMPLES])
    parser.add_argument("--data", type=Path, default=DATA)
    options = parser.parse_args()
    out = sys.stdout
    out.write(f"| set | cars | {' | '.join(f'{each} samples' for each in options.samples)} |\n")
    out.write("|---" * (2 + len(options.samples)) + "|\n")
    for name, (file, category, timezone) in SETS.items():
        with gzip.open(options.data / file, "rt") as lines:
            read = read_sessions(lines, default_power_kw=KW_UNKNOWN, category=category, skip_invalid=True)
        scores = [surprise(read.table, timezone=timezone, each=each) for each in options.samples]
        out.write(f"| {name} | {scores[0][0]:,} | {' | '.join(f'{loss:.3f}' for _, loss in scores)} |\n")
        out.flush()


if __name__ == "__main__":
    main()
