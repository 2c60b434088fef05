"""Code that nobody here wrote plays the aggregator: the PyPI package shapeshifter-uftp against our market."""

import json
import subprocess
from pathlib import Path

import pytest
import requests

from bidding.markets.uftp.keys import key_from_seed
from scripts.peer_environment import PeerUnavailable, peer_python
from tests.integration.mock_gopacs.market_process import free_port, utc, wait_until
from tests.integration.mock_gopacs.test_uftp_calls import LIFE_CYCLE, settled
from tests.integration.mock_gopacs.uftp_aggregator import (
    AGR,
    CLIENT_ID,
    CLIENT_SECRET,
    DSO,
    TOKEN_PATH,
    Aggregator,
    Stage,
    uftp_scenario,
)
from tests.peers import do_without

PROGRAM = Path(__file__).with_name("peer_aggregator.py")


@pytest.fixture
def peer_stage(market_process):
    """A market whose one aggregator is the peer, already listening."""
    try:
        python = peer_python("uftp")
    except PeerUnavailable as reason:
        do_without("UFTP", reason)
    port = free_port()
    settings = {
        "market": market_process.address, "domain": AGR, "dso": DSO, "port": port,
        "private_key": key_from_seed(b"a" * 32).to_text(), "other_key": key_from_seed(b"o" * 32).to_text(),
        "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET,
    }  # fmt: skip
    unused = Aggregator()
    unused.server_close()
    document = uftp_scenario(unused)
    document["uftp_participants"][1]["endpoint"] = f"http://127.0.0.1:{port}/shapeshifter/api/v3/message"
    market_process.set_clock(utc(14, 40))
    market_process.load(document)
    command = [str(python), str(PROGRAM), json.dumps(settings)]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert wait_until(lambda: _listens(port), timeout_seconds=30)
        yield Stage(market_process, unused), process
    finally:
        process.kill()
        process.wait(timeout=10)
        process.stdin.close()
        process.stdout.close()


def _listens(port):
    try:
        return requests.get(f"http://127.0.0.1:{port}/", timeout=5).status_code == 404
    except requests.ConnectionError:
        return False


def test_the_peer_is_called_offers_and_takes_the_order(peer_stage):
    stage, process = peer_stage
    with stage.market.clockwork():
        stage.call()
        assert settled(stage) == "CONFIRMED"
    messages = stage.messages()
    assert [(message["direction"], message["element"]) for message in messages] == LIFE_CYCLE
    assert {message["state"] for message in messages} == {"delivered", "accepted"}
    # when it stops and tries what the broker must refuse
    output, _ = process.communicate("", timeout=30)
    report = json.loads(output.splitlines()[-1])
    # then
    assert sorted(report["met"]) == ["FlexOfferResponse Accepted", "FlexOrder", "FlexRequest"]
    assert report["first"] == "taken"
    assert report["again"] == "400 Duplicate message"
    assert report["forged"].startswith("401 The signature is not by any known key")
    # and every client of it asked for one token and kept it
    log = stage.market.control("GET", "log", params={"path": TOKEN_PATH})
    assert [entry["status"] for entry in log] == [200] * 4
