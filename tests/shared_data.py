"""Where tests find the reference data and schemas that live beside the project, and what they do without them."""

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent


def shared_directory() -> Path:
    """Return the folder of reference data: `SHARED_DIR`, or `../shared` beside the checkout."""
    return Path(os.environ.get("SHARED_DIR", REPOSITORY.parent / "shared"))


def shared_path(relative: str) -> Path:
    """Return a file or folder of the reference data, or skip the calling test with the reason.

    Who names a folder in SHARED_DIR wants its tests to run: they fail when that folder is not there.
    """
    path = shared_directory() / relative
    if "SHARED_DIR" in os.environ and not shared_directory().is_dir():
        pytest.fail(f"SHARED_DIR names {shared_directory()}, which is no folder: correct it, or unset it to skip.")
    if not path.exists():
        pytest.skip(f"reference data absent: {relative} (set SHARED_DIR to the folder that holds it)")
    return path
