"""Recompute the figures quoted in docs/flexibility.md: `python -m scripts.flexibility_curves [section ...]`.

Needs the folder of reference data (`--data`, or SHARED_DIR, or ../shared beside the checkout) for the sections on real
sessions. Prints Markdown. Figures are simulated on measured sessions: what perfect knowledge of every session could
have delivered, not what a bid made beforehand would have kept.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from scripts.flexibility_curves.curves import curves
from scripts.flexibility_curves.exactness import exactness
from scripts.flexibility_curves.heat_pumps import heat_pumps
from scripts.flexibility_curves.lead_time import lead_time
from scripts.flexibility_curves.offered import offered
from scripts.flexibility_curves.secondary_peaks import secondary_peaks
from scripts.flexibility_curves.vectors import vectors
from scripts.reference_data import DATA

SECTIONS: dict[str, Callable[[Path], None]] = {
    "vectors": vectors,
    "exactness": exactness,
    "offered": offered,
    "curves": curves,
    "lead-time": lead_time,
    "heat-pumps": heat_pumps,
    "secondary-peaks": secondary_peaks,
}


def main() -> None:
    """Print the sections asked for, or all."""
    parser = argparse.ArgumentParser(prog="python -m scripts.flexibility_curves", description=__doc__)
    parser.add_argument("sections", nargs="*", metavar="section", help=f"of {', '.join(SECTIONS)}; all without any")
    parser.add_argument("--data", type=Path, default=DATA)
    options = parser.parse_args()
    for name in options.sections or SECTIONS:
        sys.stdout.write(f"\n## {name}\n\n")
        SECTIONS[name](options.data)


if __name__ == "__main__":
    main()
