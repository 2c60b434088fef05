"""Loaded before Django (see `-p` in pyproject.toml): tests keep their servers' files apart from everything else."""

import os

from aggregator import embedded

os.environ.setdefault("AGGREGATOR_VAR", str(embedded.CHECKOUT / "var" / "test"))
