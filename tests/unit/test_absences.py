"""What is not there skips a test, and fails it for who said that it must be there."""

from contextlib import contextmanager

import pytest

from scripts.peer_environment import PeerUnavailable, peer_python
from tests.peers import do_without
from tests.shared_data import shared_path

SKIPPED, FAILED = pytest.skip.Exception, pytest.fail.Exception


@contextmanager
def ends(outcome, text):
    """The block skips or fails its test; a plain `raises` would let the wrong one skip this test too."""
    with pytest.raises((SKIPPED, FAILED), match=text) as ended:
        yield
    assert ended.type is outcome


@pytest.mark.parametrize(
    ("switch", "outcome", "text"),
    [
        (None, SKIPPED, "no UFTP peer: cannot install it"),
        ("0", SKIPPED, "no UFTP peer: cannot install it"),
        ("required", FAILED, "no UFTP peer, and PEER_TESTS=required: cannot install it"),
    ],
)
def test_a_peer_that_cannot_be_installed(monkeypatch, switch, outcome, text):
    monkeypatch.delenv("PEER_TESTS", raising=False)
    if switch:
        monkeypatch.setenv("PEER_TESTS", switch)
    with ends(outcome, text):
        do_without("UFTP", PeerUnavailable("cannot install it"))


def test_only_switched_off_peers_are_not_installed(monkeypatch):
    monkeypatch.setenv("PEER_TESTS", "0")
    with pytest.raises(PeerUnavailable, match="PEER_TESTS=0"):
        peer_python("uftp")


def test_reference_data_that_is_absent(monkeypatch, tmp_path):
    monkeypatch.delenv("SHARED_DIR", raising=False)
    with ends(SKIPPED, "reference data absent: nowhere"):
        shared_path("nowhere")
    monkeypatch.setenv("SHARED_DIR", str(tmp_path))
    with ends(SKIPPED, "reference data absent: nowhere"):
        shared_path("nowhere")
    monkeypatch.setenv("SHARED_DIR", str(tmp_path / "mistyped"))
    with ends(FAILED, "which is no folder"):
        shared_path("nowhere")
