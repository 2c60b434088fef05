# noqa: INP001 - run with -m, imported by nobody
"""Recompute the figures quoted in docs/flexibility.md: `python -m scripts.flexibility_curves [section ...]`.

Needs the folder of reference data (`--data`, or SHARED_DIR, or ../shared beside the checkout) for the sections on real
sessions. Prints Markdown. Figures are simulated on measured sessions: what perfect knowledge of every session could
have delivered, not what a bid made beforehand would have kept.
"""

import argparse
import csv
import gzip
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from bidding.flexibility import lp
from bidding.flexibility.corridor import Corridor
from bidding.flexibility.deliverable import deliverable_reduce_kw
from bidding.flexibility.gpolymatroid import deliverable, subset_bounds, window_bounds, window_corridor
from bidding.flexibility.heat_pump import Homes, heat_pump_plan
from bidding.flexibility.price_plan import plan_by_price
from bidding.flexibility.rebound import max_reduce_with_rebound_kw
from bidding.flexibility.stays import stay_vectors
from bidding.flexibility.storage import storage
from bidding.flexibility.subsets import subset_sizes, subset_sums
from bidding.flexibility.ul import Floats, ul_vectors
from bidding.flexibility.window import Sessions, Window, arrival_baseline_kwh

ONE_WAY_EFFICIENCY = 0.87**0.5
UK_AC_KW = 7.0
UNKNOWN_KW = 7.4
MOST_HOURS = 36.0
SOLVER_KWH = 1e-5
DRAWS = 300
CHARGERS = np.unique(np.round(np.geomspace(20, 6000, 40)).astype(int))
KINDS = ("one-way", "6 A floor", "V2G")
WORKPLACE_HOURS_EARLIER = 9
WINDOWS = {
    "15 min": (18, Window(steps=1)),
    "1 h": (18, Window(steps=4)),
    "4 h": (17, Window(steps=8, step_hours=0.5)),
}
SETS = {
    "residential (NO)": ("ev_no_residential/sessions.csv.gz", "residential", "Europe/Oslo"),
    "public (Dundee)": ("ev_uk_public_workplace/sessions_dundee.csv.gz", "public_ac", "Europe/London"),
    "workplace (Dundee)": ("ev_uk_public_workplace/sessions_dundee.csv.gz", "workplace_council", "Europe/London"),
    "public (NL, 4 busy sockets)": ("ev_nl_public_stations/sessions.csv.gz", "public_ac", "Europe/Amsterdam"),
}
LEAD_SETS = ("residential (NO)", "workplace (Dundee)")
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
    arrival = np.array([_seconds(row["plug_in_utc"]) for row in rows])
    departure = np.minimum([_seconds(row["plug_out_utc"]) for row in rows], arrival + MOST_HOURS * 3600)
    energy = np.array([float(row["energy_kwh"]) for row in rows])
    rated = np.array([float(row["max_power_kw"] or UNKNOWN_KW) for row in rows])
    if zone == "Europe/London":
        rated = np.minimum(rated, UK_AC_KW)
    power = np.maximum(rated, energy / np.maximum((departure - arrival) / 3600, 0.05))
    _, charger = np.unique([row["charger_id"] for row in rows], return_inverse=True)
    return History(arrival, departure, energy, power, charger.astype(np.int64), ZoneInfo(zone))


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).astimezone(UTC).timestamp()


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
    _table(
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
                _row(
                    name,
                    f"{evening - earlier}:00, {label}",
                    kind,
                    " / ".join(f"{max(level, 0.0):.2f}" for level in levels),
                    *(chargers_needed(powers, bid) for bid in (50, 100, 200)),
                    chargers_needed(common, 100),
                )
            factors[name, label] = f"{max(medians['6 A floor'], 0.0) / medians['one-way']:.2f}"
    sys.stdout.write("\nNo-pause factor (median with a floor over median without):\n\n")
    _table("set", *WINDOWS)
    for name in SETS:
        _row(name, *(factors[name, label] for label in WINDOWS))


def vectors(_: Path) -> None:
    """Vectors of the two published cars."""
    for low, high, least, most in ((0, 20, 15, 25), (5, 10, 20, 30)):
        found = ul_vectors(
            power_min_kw=low, power_max_kw=high, energy_min_kwh=least, energy_max_kwh=most, steps=3, step_hours=1.0
        )
        sys.stdout.write(
            f"P {low}..{high}, E {least}..{most}: u = {found.u_kwh.tolist()}, l = {found.l_kwh.tolist()}\n"
        )


def exactness(_: Path) -> None:
    """UL against the linear programme on random one-way fleets, and on two-way fleets with rising baselines."""
    random = np.random.default_rng(0)
    worst = ours_worst = 0.0
    ratios: dict[str, list[float]] = {"rising": [], "flat": [], "falling": []}
    for _fleet in range(200):
        steps, cars = int(random.integers(2, 9)), int(random.integers(1, 30))
        power = random.choice([3.7, 7.4, 11.0], cars)
        least, most = np.sort(random.uniform(0, 1, (2, cars)), axis=0) * power * steps * 0.25
        baseline = random.uniform(0, 0.8, steps) * power.sum()
        found = ul_vectors(
            power_min_kw=0.0,
            power_max_kw=power,
            energy_min_kwh=least,
            energy_max_kwh=most,
            steps=steps,
            step_hours=0.25,
        )
        ours = float(deliverable_reduce_kw(baseline_kw=baseline, vectors=found, step_hours=0.25))
        fleet = Corridor.of(
            power_min_kw=0.0,
            power_max_kw=power[:, None],
            energy_min_kwh=least[:, None] * (np.arange(steps) == steps - 1),
            energy_max_kwh=most[:, None],
            shape=(cars, steps),
        )
        worst = max(worst, abs(ours - lp.max_reduce_kw(corridor=fleet, baseline_kw=baseline, step_hours=0.25)))
    for _fleet in range(100):
        steps, cars = 8, 20
        give = random.uniform(0.5, 3.0, cars)[:, None]
        take = random.uniform(5.0, 20.0, cars)[:, None]
        fleet = Corridor.of(
            power_min_kw=-11.0, power_max_kw=11.0, energy_min_kwh=-give, energy_max_kwh=take, shape=(cars, steps)
        )
        shape = np.sort(random.uniform(0, 0.5, steps)) * 11.0 * cars
        for name, baseline in (("rising", shape), ("flat", np.full(steps, shape.mean())), ("falling", shape[::-1])):
            exact = lp.max_reduce_kw(corridor=fleet, baseline_kw=baseline, step_hours=0.25)
            found = ul_vectors(
                power_min_kw=-11.0,
                power_max_kw=11.0,
                energy_min_kwh=-give[:, 0],
                energy_max_kwh=np.minimum(take[:, 0], 11.0 * steps * 0.25),
                steps=steps,
                step_hours=0.25,
            )
            ul = float(deliverable_reduce_kw(baseline_kw=baseline, vectors=found, step_hours=0.25))
            ratios[name].append(ul / exact)
            ours = deliverable(corridor=fleet, baseline_kw=baseline, step_hours=0.25).reduce_kw
            ours_worst = max(ours_worst, abs(ours - exact))
    sys.stdout.write(f"one-way, 200 fleets: largest |UL - LP| = {worst:.1e} kW\n")
    for name, values in ratios.items():
        low, middle, high = np.quantile(values, [0, 0.5, 1])
        sys.stdout.write(f"two-way, {name} baseline, 100 fleets: UL / LP = {low:.3f} / {middle:.3f} / {high:.3f} ")
        sys.stdout.write("(least / median / most)\n")
    sys.stdout.write(f"two-way, all 300: largest |ours - LP| = {ours_worst:.1e} kW\n")


def prices_of(data: Path, day: date, hours: int, zone: ZoneInfo) -> Floats:
    """Dutch day-ahead prices from a local noon on."""
    found = _all_prices(data)
    start = datetime(day.year, day.month, day.day, 12, tzinfo=zone).timestamp()
    return np.array([found.get(start + 3600 * hour, 80.0) for hour in range(hours)])


_PRICES: dict[float, float] = {}


def _all_prices(data: Path) -> dict[float, float]:
    if not _PRICES:
        with gzip.open(data / "nl_day_ahead/day_ahead_2015_2023.csv.gz", "rt", newline="") as stream:
            _PRICES.update((_seconds(row["utc"]), float(row["eur_per_mwh"])) for row in csv.DictReader(stream))
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


def lead_losses(data: Path, name: str) -> dict[tuple[str, str], Floats]:
    """KW per charger lost by knowing of a one-hour reduction one hour ahead instead of a day, by cars and baseline.

    Each (24,), by start hour from noon; the mean of 25 weekdays.
    """
    hours, leads = 48, (1, 24)
    history = read_history(data, name)
    random = np.random.default_rng(2)
    days = [history.weekdays()[place] for place in random.choice(len(history.weekdays()), 25, replace=False)]
    found = {}
    for kind, plan in (("one-way", "price"), ("V2G", "price"), ("one-way", "arrival"), ("V2G", "arrival")):
        losses = np.zeros(24)
        for day in days:
            fleet = noon_fleet(history, day, hours=hours, two_way=kind == "V2G")
            if not fleet.devices:
                continue
            price = (
                np.arange(float(hours))
                if plan == "arrival"
                else prices_of(data, shifted_years(day), hours, history.zone)
            )
            own = lp.solve_fleet(corridor=fleet, step_hours=1.0, cost=price).profile_kw
            for hour in range(24):
                short, long = (_one_hour_reduction(fleet, own, hour=hour, lead=min(lead, hour)) for lead in leads)
                losses[hour] += (long - short) / history.chargers / len(days)
        found[kind, plan] = losses
    return found


def lead_time(data: Path) -> None:
    """Loss of one-hour reduction when it is known one hour ahead instead of a day, by start hour (local)."""
    _table("set", "cars", "baseline", *(f"{(12 + hour) % 24}" for hour in range(24)))
    for name in LEAD_SETS:
        for (kind, plan), losses in lead_losses(data, name).items():
            _row(name, kind, plan, *(f"{loss:.2f}" for loss in losses))


def _one_hour_reduction(fleet: Corridor, own: Floats, *, hour: int, lead: int) -> float:
    folded = window_corridor(
        _loosened(fleet), start=hour, stop=hour + 1, step_hours=1.0, lead_steps=lead, baseline_kw=own
    )
    bounds = window_bounds(folded, step_hours=1.0).total()
    return float(bounds.deliverable_reduce_kw(baseline_kw=own[:, hour : hour + 1].sum(axis=0), step_hours=1.0))


def _loosened(fleet: Corridor) -> Corridor:
    """Room for the solver's rounding, which would put a fixed start outside its own bounds."""
    return Corridor(
        power_min_kw=fleet.power_min_kw,
        power_max_kw=fleet.power_max_kw,
        energy_min_kwh=fleet.energy_min_kwh - SOLVER_KWH,
        energy_max_kwh=fleet.energy_max_kwh + SOLVER_KWH,
    )


def heat_pumps(_: Path) -> None:
    """A hundred homes for two hours: payback free, capped, and none."""
    random = np.random.default_rng(3)
    homes = Homes(
        time_constant_hours=random.uniform(40, 100, 100),
        resistance_k_per_kw=random.uniform(3.5, 7.0, 100),
        set_point_c=np.full(100, 20.0),
        comfort_band_k=np.full(100, 0.5),
        power_max_kw=np.full(100, 3.5),
        power_min_running_kw=np.full(100, 0.6),
        min_run_hours=0.1,
        min_off_hours=0.1,
    )
    window = Window(steps=32)
    _table(
        "outdoor °C", "baseline kW", "reduce, 2 h, payback free", "payback <= 100 %", "<= 30 %", "none", "increase, 2 h"
    )
    for outdoor in (-8.0, -4.0, 2.0, 8.0):
        plan = heat_pump_plan(homes=homes, outdoor_c=outdoor, window=window)
        baseline = plan.baseline_kw.sum(axis=0)
        short = heat_pump_plan(homes=homes, outdoor_c=outdoor, window=Window(steps=8))
        free = deliverable(corridor=short.corridor, baseline_kw=baseline[:8], step_hours=0.25)
        energy_min = plan.corridor.energy_min_kwh.copy()
        energy_min[:, -1] = np.cumsum(plan.baseline_kw, axis=1)[:, -1] * 0.25
        restored = Corridor(
            power_min_kw=plan.corridor.power_min_kw,
            power_max_kw=plan.corridor.power_max_kw,
            energy_min_kwh=energy_min,
            energy_max_kwh=plan.corridor.energy_max_kwh,
        )
        capped = (
            max_reduce_with_rebound_kw(
                corridor=restored, baseline_kw=baseline, step_hours=0.25, window=slice(0, 8), rebound_share=share
            )
            for share in (1.0, 0.3, 0.0)
        )
        _row(
            f"{outdoor:g}",
            f"{baseline[0]:.0f}",
            f"{free.reduce_kw:.1f}",
            *(f"{value:.1f}" for value in capped),
            f"{free.increase_kw:.1f}",
        )


def secondary_peaks(data: Path) -> None:
    """Daily peaks of price-optimised charging beside charging on arrival, without and with a cap."""
    hours, random = 48, np.random.default_rng(4)
    _table(
        "set",
        "days",
        "arrival peak, kW/charger",
        "price / arrival, median",
        "P90",
        "hour of price peak",
        "capped at the arrival peak: extra cost",
    )
    for name in ("residential (NO)", "public (Dundee)", "workplace (Dundee)"):
        history = read_history(data, name)
        ratios, peaks, at, extra = [], [], [], []
        for place in random.choice(len(history.weekdays()), 60, replace=False):
            day = history.weekdays()[place]
            fleet = noon_fleet(history, day, hours=hours, two_way=False)
            if fleet.devices < 5:  # noqa: PLR2004 - a handful of cars has no peak worth a ratio
                continue
            arrival = plan_by_price(corridor=fleet, price=np.arange(float(hours)), step_hours=1.0).sum(axis=0)
            price = prices_of(data, shifted_years(day), hours, history.zone)
            free = plan_by_price(corridor=fleet, price=price, step_hours=1.0).sum(axis=0)
            capped = plan_by_price(corridor=fleet, price=price, step_hours=1.0, cap_kw=arrival.max() * (1 + 1e-6)).sum(
                axis=0
            )
            peaks.append(arrival.max() / history.chargers)
            ratios.append(free.max() / arrival.max())
            at.append((12 + int(np.argmax(free))) % 24)
            saved = arrival @ price - free @ price
            extra.append((capped @ price - free @ price) / saved if saved > 0 else 0.0)
        hour = int(np.bincount(at, minlength=24).argmax())
        _row(
            name,
            str(len(ratios)),
            f"{np.median(peaks):.2f}",
            f"{np.median(ratios):.2f}",
            f"{np.quantile(ratios, 0.9):.2f}",
            f"{hour}:00",
            f"{100 * np.median(extra):.1f} % of the saving",
        )


def _table(*headings: str) -> None:
    _row(*headings)
    _row(*("---" for _ in headings))


def _row(*cells: str) -> None:
    sys.stdout.write(f"| {' | '.join(cells)} |\n")
    sys.stdout.flush()


SECTIONS: dict[str, Callable[[Path], None]] = {
    "vectors": vectors,
    "exactness": exactness,
    "curves": curves,
    "lead-time": lead_time,
    "heat-pumps": heat_pumps,
    "secondary-peaks": secondary_peaks,
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the sections asked for, or all."""
    parser = argparse.ArgumentParser(prog="python -m scripts.flexibility_curves", description=__doc__)
    parser.add_argument("sections", nargs="*", metavar="section", help=f"of {', '.join(SECTIONS)}; all without any")
    beside = Path(__file__).resolve().parent.parent.parent / "shared"
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("SHARED_DIR", beside)) / "data")
    options = parser.parse_args(arguments)
    _run(options.sections or list(SECTIONS), options.data)


def _run(names: Iterable[str], data: Path) -> None:
    for name in names:
        sys.stdout.write(f"\n## {name}\n\n")
        SECTIONS[name](data)


if __name__ == "__main__":
    main()
