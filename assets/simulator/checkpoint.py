"""What the simulator writes down, so that a killed process goes on where it was.

A checkpoint is only made of a moment up to which everything is reported; what came after is simulated and reported
again, with the same content, which the aggregator recognises.
"""

import io
import json
from pathlib import Path

import numpy as np
import numpy.typing as npt

from assets.simulator.inbox import write_durably

Arrays = dict[str, npt.NDArray[np.generic]]


class ForeignState(ValueError):
    """The state directory belongs to a run with another configuration."""


class StateDirectory:
    """The simulator's files; `identity` describes the run they belong to."""

    def __init__(self, path: Path, *, identity: str) -> None:
        """Open or create the directory; raise `ForeignState`."""
        path.mkdir(parents=True, exist_ok=True)
        self._path = path
        owner = path / "run.json"
        if not owner.exists():
            write_durably(owner, json.dumps({"identity": identity}).encode())
        elif json.loads(owner.read_text(encoding="utf-8"))["identity"] != identity:
            raise ForeignState(
                f"{path} holds the state of a run with another period, fleet or session file. "
                "Delete it, or name another state_directory."
            )

    @property
    def batches(self) -> Path:
        """Where received batches are kept."""
        return self._path / "batches"

    @property
    def report(self) -> Path:
        """The report as a file."""
        return self._path / "report.json"

    def save(self, arrays: Arrays) -> None:
        """Replace the checkpoint."""
        content = io.BytesIO()
        np.savez(content, **arrays)  # type: ignore[arg-type]  # numpy's stub reads the keywords as allow_pickle
        write_durably(self._path / "checkpoint.npz", content.getvalue())

    def load(self) -> Arrays | None:
        """Return the last checkpoint, or None before the first."""
        file = self._path / "checkpoint.npz"
        if not file.exists():
            return None
        with np.load(file) as saved:
            return {name: saved[name] for name in saved.files}
