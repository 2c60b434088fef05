"""Vectors of the two published cars."""

import sys
from pathlib import Path

from bidding.flexibility.ul import ul_vectors


def vectors(_: Path) -> None:
    """Vectors of the two published cars."""
    for low, high, least, most in ((0, 20, 15, 25), (5, 10, 20, 30)):
        found = ul_vectors(
            power_min_kw=low, power_max_kw=high, energy_min_kwh=least, energy_max_kwh=most, steps=3, step_hours=1.0
        )
        sys.stdout.write(
            f"P {low}..{high}, E {least}..{most}: u = {found.u_kwh.tolist()}, l = {found.l_kwh.tolist()}\n"
        )
