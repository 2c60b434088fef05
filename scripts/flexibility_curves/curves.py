"""Chargers needed for a bid, per category, kind of car and window."""

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bidding.flexibility.gpolymatroid import subset_bounds
from bidding.flexibility.stays import stay_vectors
from bidding.flexibility.storage import storage
from bidding.flexibility.subsets import subset_sizes, subset_sums
from bidding.flexibility.ul import Floats
from bidding.flexibility.window import Sessions, Window, arrival_baseline_kwh
from scripts.flexibility_curves.history import SETS, History, read_history
from scripts.flexibility_curves.markdown import row, table

ONE_WAY_EFFICIENCY = 0.87**0.5
DRAWS = 300
CHARGERS = np.unique(np.round(np.geomspace(20, 6000, 40)).astype(int))
KINDS = ("one-way", "6 A floor", "V2G")
WORKPLACE_HOURS_EARLIER = 9
WINDOWS = {
    "15 min": (18, Window(steps=1)),
    "1 h": (18, Window(steps=4)),
    "4 h": (17, Window(steps=8, step_hours=0.5)),
}


def floor_kw(power_kw: Floats) -> Floats:
    """6 A by the phases a power suggests: one up to 7.4 kW, three from 11 kW."""
    return np.where(power_kw < 8.0, 1.38, 4.14)  # noqa: PLR2004 - between 7.4 and 11 kW


@dataclass(frozen=True, slots=True)
class Rooms:
    """What each charger could reduce in each set of steps on each day: (charger-days, 2^T), and who was present."""

    room_kwh: Floats
    present: list[NDArray[np.int64]]


def rooms(history: History, *, hour: int, window: Window, kind: str) -> Rooms:
    """Aggregate every charger and weekday by itself, so that any portfolio is a sum of rows.

    A day counts when at least half as many chargers exist as at the busiest time of the set.
    """
    starts = [history.instant_s(day, hour) for day in history.weekdays()]
    days = [_day_rooms(history, start, window=window, kind=kind) for start in starts]
    seen = [
        (history.arrival_s[history.charger == one].min(), history.departure_s[history.charger == one].max())
        for one in range(history.chargers)
    ]
    first, last = np.array(seen).T
    present = [
        place * history.chargers + np.flatnonzero((first <= start) & (start <= last))
        for place, start in enumerate(starts)
    ]
    most = max(len(cells) for cells in present)
    return Rooms(room_kwh=np.concatenate(days), present=[cells for cells in present if len(cells) >= most / 2])


def _day_rooms(history: History, start: float, *, window: Window, kind: str) -> Floats:
    """Stays are rounded outwards to steps, as in the published method."""
    index = np.flatnonzero((history.departure_s > start) & (history.arrival_s < start + window.hours * 3600))
    step = window.step_hours
    arrival = np.floor((history.arrival_s[index] - start) / 3600 / step) * step
    departure = np.ceil((history.departure_s[index] - start) / 3600 / step) * step
    power = history.power_kw[index]
    charged = np.minimum(history.energy_kwh[index], power * np.maximum(-arrival, 0.0))
    sessions = Sessions(
        arrival_hours=arrival,
        departure_hours=departure,
        energy_needed_kwh=history.energy_kwh[index] - charged,
        power_max_kw=power,
        power_floor_kw=floor_kw(power) if kind == "6 A floor" else 0.0,
        scenario=history.charger[index],
        scenarios=history.chargers,
    )
    if kind == "V2G":
        corridor = storage(
            stored_kwh=charged * ONE_WAY_EFFICIENCY,
            stored_min_kwh=0.0,
            stored_max_kwh=history.energy_kwh[index] * ONE_WAY_EFFICIENCY,
            charge_max_kw=power,
            discharge_max_kw=power,
            arrival_hours=arrival,
            departure_hours=sessions.departure_hours,
            target_kwh=history.energy_kwh[index] * ONE_WAY_EFFICIENCY,
            window=window,
        )
        bounds = subset_bounds(
            corridor, step_hours=window.step_hours, group=history.charger[index], groups=history.chargers
        )
    else:
        bounds = stay_vectors(sessions, window).bounds()
    return subset_sums(arrival_baseline_kwh(sessions, window)) - bounds.least_kwh


def bootstrap(found: Rooms, *, window: Window, seed: int, whole_days: bool) -> Floats:
    """Deliverable power (draws, sizes) of portfolios drawn with replacement.

    With `whole_days` all chargers of a draw come from one random day, so what days have in common stays in; without,
    each charger brings a day of its own, as in a portfolio whose parts have nothing in common.
    """
    random = np.random.default_rng(seed)
    sizes = subset_sizes(window.steps)[1:] * window.step_hours
    anywhere = np.concatenate(found.present)
    result = np.empty((DRAWS, len(CHARGERS)))
    for draw in range(DRAWS):
        cells = found.present[random.integers(len(found.present))] if whole_days else anywhere
        chosen = found.room_kwh[random.choice(cells, CHARGERS[-1])][:, 1:]
        sums = np.add.reduceat(chosen, np.concatenate(([0], CHARGERS[:-1])), axis=0).cumsum(axis=0)
        result[draw] = (sums / sizes).min(axis=1)
    return result


def chargers_needed(powers: Floats, bid_kw: float) -> str:
    """Smallest portfolios tried that reach the bid with 90, 95 and 99 % probability."""
    needed = []
    for reliability in (0.9, 0.95, 0.99):
        enough = np.flatnonzero((powers >= bid_kw).mean(axis=0) >= reliability)
        needed.append(f"{CHARGERS[enough[0]]:,}" if enough.size else f"> {CHARGERS[-1]:,}")
    return " / ".join(needed)


def curves(data: Path) -> None:
    """Chargers needed for a bid, per category, kind of car and window, and the no-pause factor."""
    table(
        "set",
        "window",
        "cars",
        "kW per charger at 100: median / P90 / P95 / P99",
        "50 kW at 90/95/99 %",
        "100 kW",
        "200 kW",
        "100 kW, common days",
    )
    at_hundred = int(np.argmin(np.abs(CHARGERS - 100)))
    factors: dict[tuple[str, str], str] = {}
    for name in SETS:
        history = read_history(data, name)
        earlier = WORKPLACE_HOURS_EARLIER if name.startswith("workplace") else 0
        for label, (evening, window) in WINDOWS.items():
            medians = {}
            for kind in KINDS:
                found = rooms(history, hour=evening - earlier, window=window, kind=kind)
                powers = bootstrap(found, window=window, seed=1, whole_days=False)
                common = bootstrap(found, window=window, seed=1, whole_days=True)
                levels = np.quantile(powers[:, at_hundred] / CHARGERS[at_hundred], [0.5, 0.1, 0.05, 0.01])
                medians[kind] = levels[0]
                row(
                    name,
                    f"{evening - earlier}:00, {label}",
                    kind,
                    " / ".join(f"{max(level, 0.0):.2f}" for level in levels),
                    *(chargers_needed(powers, bid) for bid in (50, 100, 200)),
                    chargers_needed(common, 100),
                )
            factors[name, label] = f"{max(medians['6 A floor'], 0.0) / medians['one-way']:.2f}"
    sys.stdout.write("\nNo-pause factor (median with a floor over median without):\n\n")
    table("set", *WINDOWS)
    for name in SETS:
        row(name, *(factors[name, label] for label in WINDOWS))
