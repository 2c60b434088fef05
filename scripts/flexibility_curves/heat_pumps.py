"""Heat pumps with and without payback."""

from pathlib import Path

import numpy as np

from bidding.flexibility.corridor import Corridor
from bidding.flexibility.gpolymatroid import deliverable
from bidding.flexibility.heat_pump import Homes, heat_pump_plan
from bidding.flexibility.rebound import max_reduce_with_rebound_kw
from bidding.flexibility.window import Window
from scripts.flexibility_curves.markdown import row, table


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
    table(
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
        row(
            f"{outdoor:g}",
            f"{baseline[0]:.0f}",
            f"{free.reduce_kw:.1f}",
            *(f"{value:.1f}" for value in capped),
            f"{free.increase_kw:.1f}",
        )
