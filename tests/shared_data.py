"""Where tests find the reference data and schemas that live beside the project, and how they skip without them."""

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent


def shared_directory() -> Path:
    """Return the folder of reference data: `SHARED_DIR`, or `../shared` beside the checkout."""
    return Path(os.environ.get("SHARED_DIR", REPOSITORY.parent / "shared"))


def shared_path(relative: str) -> Path:
    """Return a file or folder of the reference data, or skip the calling test with the reason."""
    path = shared_directory() / relative
    if not path.exists():
        pytest.skip(f"reference data absent: {relative} (set SHARED_DIR to the folder that holds it)")
    return path
