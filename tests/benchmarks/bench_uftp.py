"""Sealing and opening a FlexOffer beside the raw floor and beside the PyPI package shapeshifter-uftp.

The floor is lxml and pynacl alone: it verifies and parses, and reads all attributes, those of ISPs as numbers; or it
builds the same elements from ready texts and signs them. It checks nothing. Ours does the same and checks everything
the schema demands; a last row adds the semantic rules. Against the floor, rounds alternate and the best of each counts.
The peer measures itself in its own process, one thing at a time, and so are we measured for its rows.
"""

import base64
import time
from collections.abc import Callable, Mapping
from typing import Any

from lxml import etree
from nacl.bindings import crypto_sign, crypto_sign_open

from bidding.markets.uftp.case import Agreement, Records
from bidding.markets.uftp.codec import parse, serialise
from bidding.markets.uftp.envelope import open_envelope, read_envelope, seal
from bidding.markets.uftp.keys import key_from_seed
from bidding.markets.uftp.messages import FlexOffer, PayloadMessage
from bidding.markets.uftp.semantics import rejection_reasons
from bidding.markets.uftp.vocabulary import Role
from scripts.peer_environment import PeerUnavailable
from tests.benchmarks.report import Report
from tests.conformance.uftp.peer import Peer
from tests.conformance.uftp.samples import AGR, DSO, NOW, REQUEST, offer_of

ROUNDS, QUICK_ROUNDS = 1000, 20
PEER_TARGETS = {96: ">= 5x", 8: ">= 3x"}
FLOOR_TARGET = "<= 1.5x"
KEY = key_from_seed(b"k" * 32)
PUBLIC_KEY = KEY.public_key


def run(report: Report) -> None:
    """Measure both directions at 96 and at 8 ISPs; skip the peer's rows where it cannot be installed."""
    rounds = QUICK_ROUNDS if report.quick else ROUNDS
    for isps, peer_target in PEER_TARGETS.items():
        offer = offer_of(isps)
        body = send(offer)
        if body != floor_send(offer, texts_of(offer)) or receive(body) != offer:
            raise AssertionError("ours and the floor must do the same work")
        incoming = alternate(
            rounds,
            ours=lambda body=body: receive(body),
            judged=lambda body=body: judge(receive(body)),
            floor=lambda body=body: floor_receive(body),
        )
        texts = texts_of(offer)
        outgoing = alternate(
            rounds,
            ours=lambda offer=offer: send(offer),
            floor=lambda offer=offer, texts=texts: floor_send(offer, texts),
        )
        floor, what = "floor (lxml + pynacl, unchecked)", f"FlexOffer, {isps} ISPs"
        peers = measure_peer(body, rounds, report)
        alone = {
            "in_s": alternate(rounds, ours=lambda body=body: receive(body))["ours"],
            "out_s": alternate(rounds, ours=lambda offer=offer: send(offer))["ours"],
        }
        for name, seconds, peer_key in (
            ("verify + parse + validate", incoming, "in_s"),
            ("seal + serialise", outgoing, "out_s"),
        ):
            ours = seconds["ours"]
            report.row(name=f"{name}, {what}", ours_s=ours, peer=floor, peer_s=seconds["floor"], target=FLOOR_TARGET)
            if peers:
                report.row(
                    name=f"{name}, {what}",
                    ours_s=alone[peer_key],
                    peer="shapeshifter-uftp 2.4.0",
                    peer_s=peers[peer_key],
                    target=peer_target,
                )
        report.row(
            name=f"the same + semantic rules, {what}",
            ours_s=incoming["judged"],
            peer=floor,
            peer_s=incoming["floor"],
        )


def send(offer: FlexOffer) -> bytes:
    return seal(serialise(offer), sender_domain=AGR, sender_role=Role.AGR, private_key=KEY)


def receive(body: bytes) -> PayloadMessage:
    return parse(open_envelope(read_envelope(body), public_keys=[PUBLIC_KEY]))


def judge(message: PayloadMessage) -> None:
    reasons = rejection_reasons(
        message,
        sender_domain=AGR,
        sender_role=Role.AGR,
        agreement=Agreement(recipient_domains={DSO}),
        records=Records(reference=REQUEST),
        now=NOW,
    )
    if reasons:
        raise AssertionError(reasons)


def floor_receive(body: bytes) -> tuple[list[dict[Any, Any]], list[tuple[int, int, int]]]:
    sealed = base64.b64decode(etree.fromstring(body).get("Body"))
    root = etree.fromstring(crypto_sign_open(sealed, PUBLIC_KEY.raw))
    isps = [
        (int(isp.get("Power")), int(isp.get("Start")), int(isp.get("Duration"))) for option in root for isp in option
    ]
    return [dict(root.items()), *(dict(option.items()) for option in root)], isps


Texts = tuple[dict[str, str], dict[str, str], list[dict[str, str]]]


def texts_of(offer: FlexOffer) -> Texts:
    """Return the attributes of an offer with one option as the floor needs them: texts already."""
    root = etree.fromstring(serialise(offer))
    return dict(root.attrib), dict(root[0].attrib), [dict(isp.attrib) for isp in root[0]]


def floor_send(offer: FlexOffer, texts: Texts) -> bytes:
    root = etree.Element("FlexOffer", texts[0])
    option = etree.SubElement(root, "OfferOption", texts[1])
    for isp in texts[2]:
        etree.SubElement(option, "ISP", isp)
    sealed = crypto_sign(etree.tostring(root), KEY.raw)
    body = base64.b64encode(sealed).decode()
    return etree.tostring(
        etree.Element("SignedMessage", {"SenderDomain": offer.sender_domain, "SenderRole": "AGR", "Body": body})
    )


def alternate(rounds: int, /, **work: Callable[[], object]) -> Mapping[str, float]:
    """Return the best time of each piece of work, taken in turns so that noise hits all alike."""
    best = dict.fromkeys(work, float("inf"))
    for _ in range(rounds):
        for name, piece in work.items():
            start = time.perf_counter()
            piece()
            best[name] = min(best[name], time.perf_counter() - start)
    return best


def measure_peer(body: bytes, rounds: int, report: Report) -> Mapping[str, float]:
    try:
        with Peer() as peer:
            return peer.ask("measure", body=body, public_key=str(PUBLIC_KEY), repeats=rounds)
    except PeerUnavailable as reason:
        report.skip(f"beside shapeshifter-uftp: {reason}")
        return {}
