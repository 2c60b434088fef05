"""What short notice costs."""

from pathlib import Path

import numpy as np

from bidding.flexibility import lp
from bidding.flexibility.corridor import Corridor
from bidding.flexibility.gpolymatroid import window_bounds, window_corridor
from bidding.flexibility.ul import Floats
from scripts.flexibility_curves.history import read_history
from scripts.flexibility_curves.markdown import row, table
from scripts.flexibility_curves.noon import noon_fleet, prices_of, shifted_years

SOLVER_KWH = 1e-5
LEAD_SETS = ("residential (NO)", "workplace (Dundee)")


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
    table("set", "cars", "baseline", *(f"{(12 + hour) % 24}" for hour in range(24)))
    for name in LEAD_SETS:
        for (kind, plan), losses in lead_losses(data, name).items():
            row(name, kind, plan, *(f"{loss:.2f}" for loss in losses))


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
