# noqa: INP001 - a folder of programs, not a package
"""Where the measured sessions lie, and the sets of them that tables are made of."""

import os
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("SHARED_DIR", REPOSITORY.parent / "shared")) / "data"

UK = "ev_uk_public_workplace"
SETS = {
    "Norway residential": ("ev_no_residential/sessions.csv.gz", "residential", "Europe/Oslo"),
    "Dundee public AC": (f"{UK}/sessions_dundee.csv.gz", "public_ac", "Europe/London"),
    "Dundee workplace": (f"{UK}/sessions_dundee.csv.gz", "workplace_council", "Europe/London"),
    "Perth public AC": (f"{UK}/sessions_perth.csv.gz", "public_ac", "Europe/London"),
    "Perth workplace": (f"{UK}/sessions_perth.csv.gz", "workplace_council", "Europe/London"),
    "NL public stations": ("ev_nl_public_stations/sessions.csv.gz", "public_ac", "Europe/Amsterdam"),
}
"""Name to file, category and time zone."""
