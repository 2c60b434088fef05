"""UFTP messages over HTTP, from sealed bytes to 200, beside the FastAPI service of the package shapeshifter-uftp.

Ours, gunicorn as in docker-compose.yml, looks the sender up, verifies, parses, validates, counts, and commits the exact
bytes to PostgreSQL before it answers. The peer verifies and parses, and stores nothing. Both get one process, then two;
the same connections post the same offers to each in turns; the median round counts. Every offer is good, and ours must
take each; the peer refuses one now and then, which is counted and told.
"""

import os
import subprocess
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from bidding.markets.uftp.codec import serialise
from bidding.markets.uftp.envelope import seal
from bidding.markets.uftp.keys import key_from_seed
from bidding.markets.uftp.transport import CONTENT_TYPE, MESSAGE_PATH
from bidding.markets.uftp.vocabulary import Role
from scripts.peer_environment import PeerUnavailable, peer_python
from tests.benchmarks.posting import Posted, post_all, request_of
from tests.benchmarks.report import Report
from tests.benchmarks.served import bench_database, free_port, message_door, wait_for
from tests.conformance.uftp import samples

KEY = key_from_seed(b"k" * 32)
CLIENTS, MESSAGES, ROUNDS = 16, 500, 5
PEER_PROGRAM = Path(samples.__file__).with_name("peer_service.py")


def run(report: Report) -> None:
    """Measure one and two processes, at 96 and at 8 ISPs."""
    messages, rounds = (48, 1) if report.quick else (MESSAGES, ROUNDS)
    os.environ |= {"UFTP_DOMAIN": samples.DSO, "UFTP_REQUESTS_PER_MINUTE": str(10**9)}
    with bench_database():
        _know_the_sender()
        for processes in (1, 2):
            with ExitStack() as running:
                ports = {"ours": [running.enter_context(message_door(workers=processes))]}
                try:
                    ports["peer"] = [running.enter_context(_peer()) for _ in range(processes)]
                except PeerUnavailable as reason:
                    report.skip(f"beside shapeshifter-uftp: {reason}")
                for isps in (96, 8):
                    posted = _measure(ports, isps, messages, rounds)
                    _report(report, f"{isps} ISPs, {processes} each", posted, messages)


def _measure(ports: dict[str, list[int]], isps: int, messages: int, rounds: int) -> dict[str, list[Posted]]:
    """Return the rounds of each."""
    posted: dict[str, list[Posted]] = {name: [] for name in ports}
    for turn in range(rounds + 1):  # the first one warms up
        bodies = [_body(isps) for _ in range(messages)]
        requests = [request_of(body, path=MESSAGE_PATH, content_type=CONTENT_TYPE) for body in bodies]
        for name, served_at in ports.items():
            took = post_all(ports=served_at, requests=requests, connections=CLIENTS)
            posted[name] += [took] if turn else []
        _check(bodies)
    return posted


def _report(report: Report, what: str, posted: dict[str, list[Posted]], messages: int) -> None:
    seconds = {name: median(took.seconds for took in rounds) for name, rounds in posted.items()}
    refused = {name: sum(len(took.refused) for took in rounds) for name, rounds in posted.items()}
    report.row(
        name=f"FlexOffer over HTTP, stored: {what}",
        ours_s=seconds["ours"] / messages,
        peer="shapeshifter-uftp 2.4.0 (stores nothing)" if "peer" in seconds else None,
        peer_s=seconds["peer"] / messages if "peer" in seconds else None,
        target=">= 1x" if "peer" in seconds else None,
        note=", ".join(
            f"{name} {messages / took:,.0f}/s" + (f" ({refused[name]} refused)" if refused[name] else "")
            for name, took in seconds.items()
        ),
    )


def _body(isps: int) -> bytes:
    offer = replace(samples.offer_of(isps), message_id=str(uuid.uuid4()))
    return seal(serialise(offer), sender_domain=samples.AGR, sender_role=Role.AGR, private_key=KEY)


def _check(bodies: Sequence[bytes]) -> None:
    from aggregator.core.models import InboxMessage  # noqa: PLC0415 - Django is set up by now

    stored = {bytes(body) for body in InboxMessage.objects.values_list("body", flat=True)}
    if stored != set(bodies):
        raise AssertionError("what was answered with 200 must be stored, byte for byte")
    InboxMessage.objects.all().delete()


def _know_the_sender() -> None:
    from bidding.uftp.address_book import remember_by_hand  # noqa: PLC0415 - same

    remember_by_hand(
        domain=samples.AGR,
        role=Role.AGR,
        public_key=KEY.public_key,
        endpoint="",
        version="3.0.0",
        now=datetime(2026, 1, 1, tzinfo=UTC),
    )


@contextmanager
def _peer() -> Iterator[int]:
    port = free_port()
    command = [str(peer_python("uftp")), str(PEER_PROGRAM), str(port), str(KEY.public_key)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        try:
            wait_for(port)
            yield port
        finally:
            process.kill()
