"""What a test does without the foreign implementation it wants to talk to."""

import os
from typing import NoReturn

import pytest

from scripts.peer_environment import SWITCH, PeerUnavailable


def do_without(peer: str, reason: PeerUnavailable) -> NoReturn:
    """Skip the calling test with the reason, or fail it where peers are required."""
    if os.environ.get(SWITCH) == "required":
        pytest.fail(f"no {peer} peer, and {SWITCH}=required: {reason}")
    pytest.skip(f"no {peer} peer: {reason}")
