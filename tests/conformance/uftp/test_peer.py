"""Ours and the PyPI package shapeshifter-uftp read each other, and both refuse a bad signature."""

import base64
from collections.abc import Iterator

import pytest

from bidding.markets.uftp.codec import parse, serialise
from bidding.markets.uftp.envelope import SignatureRefused, open_envelope, read_envelope, seal
from bidding.markets.uftp.keys import PublicKey, key_from_seed
from bidding.markets.uftp.messages import PayloadMessage
from bidding.markets.uftp.problems import InvalidMessage
from scripts.peer_environment import PeerUnavailable
from tests.conformance.uftp.peer import Peer
from tests.conformance.uftp.samples import OFFER, SAMPLES, in_version
from tests.peers import do_without

OUR_KEY = key_from_seed(b"o" * 32)
every_sample_in_both_versions = [in_version(sample, version) for sample in SAMPLES for version in ("3.0.0", "3.1.0")]


@pytest.fixture(scope="module")
def peer() -> Iterator[Peer]:
    try:
        with Peer() as running:
            yield running
    except PeerUnavailable as reason:
        do_without("UFTP", reason)


def label(message: PayloadMessage) -> str:
    return f"{message.element}-{message.version}"


def our_body(message: PayloadMessage) -> bytes:
    document = serialise(message)
    return seal(document, sender_domain=message.sender_domain, sender_role=min(message.sent_by), private_key=OUR_KEY)


@pytest.mark.parametrize("message", every_sample_in_both_versions, ids=label)
def test_peer_verifies_and_reads_what_we_send(peer, message):
    answer = peer.ask("open_envelope", body=our_body(message), public_key=str(OUR_KEY.public_key))
    assert answer["type"] == type(message).__name__
    if message.element != "TestMessageResponse":  # the peer adds a Result to it, against the schema: see below
        assert parse(base64.b64decode(answer["xml"])) == message


@pytest.mark.parametrize("message", every_sample_in_both_versions, ids=label)
def test_we_verify_and_read_what_the_peer_sends(peer, message):
    peer_key = PublicKey.from_text(peer.ask("public_key")["public_key"])
    answer = peer.ask("seal", xml=serialise(message), role=min(message.sent_by).value)
    document = open_envelope(read_envelope(base64.b64decode(answer["body"])), public_keys=[peer_key])
    if message.element == "TestMessageResponse":
        with pytest.raises(InvalidMessage, match="TestMessageResponse@Result: is no attribute of this version"):
            parse(document)
    else:
        assert parse(document) == message


def test_peer_refuses_our_message_under_another_key(peer):
    other_key = key_from_seed(b"x" * 32).public_key
    answer = peer.ask("open_envelope", body=our_body(OFFER), public_key=str(other_key))
    assert answer == {"refused": "signature"}


def test_we_refuse_the_peers_message_under_another_key(peer):
    envelope = read_envelope(base64.b64decode(peer.ask("seal", xml=serialise(OFFER), role="AGR")["body"]))
    with pytest.raises(SignatureRefused, match=r"agr\.example\.com \(AGR\)"):
        open_envelope(envelope, public_keys=[OUR_KEY.public_key])
