"""UL and ours against the linear programme, on fleets drawn at random."""

import sys
from pathlib import Path

import numpy as np

from bidding.flexibility import lp
from bidding.flexibility.corridor import Corridor
from bidding.flexibility.deliverable import deliverable_reduce_kw
from bidding.flexibility.gpolymatroid import deliverable
from bidding.flexibility.ul import ul_vectors


def exactness(_: Path) -> None:
    """UL against the linear programme on random one-way fleets, and on two-way fleets with rising baselines."""
    random = np.random.default_rng(0)
    _one_way(random)
    _two_way(random)


def _one_way(random: np.random.Generator) -> None:
    worst = 0.0
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
    sys.stdout.write(f"one-way, 200 fleets: largest |UL - LP| = {worst:.1e} kW\n")


def _two_way(random: np.random.Generator) -> None:
    ours_worst = 0.0
    ratios: dict[str, list[float]] = {"rising": [], "flat": [], "falling": []}
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
    for name, values in ratios.items():
        low, middle, high = np.quantile(values, [0, 0.5, 1])
        sys.stdout.write(f"two-way, {name} baseline, 100 fleets: UL / LP = {low:.3f} / {middle:.3f} / {high:.3f} ")
        sys.stdout.write("(least / median / most)\n")
    sys.stdout.write(f"two-way, all 300: largest |ours - LP| = {ours_worst:.1e} kW\n")
