# noqa: INP001 - run with -m, imported by nobody
"""Write the sessions of some of a set's chargers: `python -m scripts.fleet_part SESSIONS.csv[.gz] PART.csv --part 0`.

A charger belongs to the part that a byte of the SHA-256 of its name says, modulo the number of parts: `--byte 1` (the
first) and `--parts 2`, evens and odds, unless told otherwise. So parts do not overlap, and nobody has chosen them.
"""

import argparse
import csv
import gzip
from hashlib import sha256
from pathlib import Path


def main() -> None:
    """Copy the rows of the part, with their header."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("sessions", type=Path)
    parser.add_argument("destination", type=Path)
    parser.add_argument("--byte", type=int, choices=range(1, 33), default=1, metavar="1..32")
    parser.add_argument("--parts", type=int, default=2)
    parser.add_argument("--part", type=int, required=True, help="from 0")
    given = parser.parse_args()
    if not 0 <= given.part < given.parts:
        parser.error(f"of {given.parts} parts the last is {given.parts - 1}")
    opened = gzip.open if given.sessions.suffix == ".gz" else open
    with (
        opened(given.sessions, "rt", encoding="utf-8-sig", newline="") as lines,
        given.destination.open("w", encoding="utf-8", newline="") as part,
    ):
        rows = csv.DictReader(lines)
        kept = csv.DictWriter(part, rows.fieldnames or ())
        kept.writeheader()
        kept.writerows(
            row
            for row in rows
            if sha256(row["charger_id"].encode()).digest()[given.byte - 1] % given.parts == given.part
        )


if __name__ == "__main__":
    main()
