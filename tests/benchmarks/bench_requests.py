"""One request for each asset, where a partner wants that: 10,000 charging profiles over loopback.

The floor is aiohttp's client alone, sending the same bodies over as many connections. Ours is the way that messages to
many assets leave (`aggregator.core.http_many`), and the whole path of OCPI: claimed in the database, worded, sent, and
the answers kept. The peer is a process of its own. Rounds alternate; the best one counts.
"""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp

from aggregator.core.http import HttpClient
from aggregator.core.http_many import AT_ONCE, Request, exchange_all
from tests.benchmarks.report import Report
from tests.benchmarks.served import bench_database

REQUESTS, ROUNDS = 10_000, 3
NOW = datetime(2026, 1, 14, 15, 52, tzinfo=UTC)
PROFILE = {
    "start_date_time": "2026-01-14T16:00:00Z",
    "duration": 10_800,
    "charging_rate_unit": "W",
    "charging_profile_period": [{"start_period": 0, "limit": 0.0}, {"start_period": 9_900, "limit": 11_040.0}],
}
HEADERS = {"Authorization": "Token dG9rZW4=", "Content-Type": "application/json"}


def run(report: Report) -> None:
    """Measure the sending alone, and the whole path."""
    count, rounds = (500, 1) if report.quick else (REQUESTS, ROUNDS)
    http = HttpClient(allowed_private_hosts=frozenset({"127.0.0.1"}))
    with _peer() as url, bench_database():
        body = json.dumps({"charging_profile": PROFILE, "response_url": f"{url}/results/1"}).encode()
        addresses = [f"{url}/chargingprofiles/S{number}" for number in range(count)]
        requests = [Request("PUT", address, HEADERS, body) for address in addresses]
        prepare, send = _ocpi(url, count, http)
        floor_s = ours_s = path_s = float("inf")
        for _ in range(rounds):
            floor_s = min(floor_s, _time(lambda: asyncio.run(_floor(addresses, body))))
            ours_s = min(ours_s, _time(lambda: exchange_all(http, requests)))
            prepare()
            path_s = min(path_s, _time(send))
    for name, seconds, target in (
        ("sent and answered", ours_s, "<= 1.43x"),
        ("from stored commands to stored answers, over OCPI", path_s, None),
    ):
        report.row(
            name=f"{count:,} requests, one for each asset, {name}",
            ours_s=seconds,
            peer="aiohttp's client alone",
            peer_s=floor_s,
            target=target,
            note=f"{count / seconds:,.0f}/s beside {count / floor_s:,.0f}/s: {100 * floor_s / seconds:.0f} %",
        )


def _time(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


async def _floor(addresses: list[str], body: bytes) -> None:
    waiting = iter(addresses)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=AT_ONCE)) as session:

        async def work() -> None:
            for address in waiting:
                async with session.put(address, data=body, headers=HEADERS) as answer:
                    await answer.read()

        await asyncio.gather(*(work() for _ in range(AT_ONCE)))


@contextmanager
def _peer() -> Iterator[str]:
    script = Path(__file__).with_name("answering_peer.py")
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        finally:
            process.terminate()


def _ocpi(url: str, count: int, http: HttpClient) -> tuple[Callable[[], object], Callable[[], object]]:
    """Return what stores a command for each session of a partner, and what sends them."""
    from django.conf import settings  # noqa: PLC0415 - needs Django set up

    from aggregator.core.clock import SystemClock  # noqa: PLC0415 - same
    from assets.models import OcpiConnection, OcpiEvse, OcpiParty, OcpiSession, ProfileCommand  # noqa: PLC0415 - same
    from assets.ocpi import tokens  # noqa: PLC0415 - same
    from assets.ocpi.sending import send_commands  # noqa: PLC0415 - same
    from tests.field_side import charger, make_assets, make_partner  # noqa: PLC0415 - same

    settings.HTTP_ALLOWED_PRIVATE_HOSTS = ["127.0.0.1"]
    settings.PUBLIC_URL = "https://aggregator.example"
    partner = make_partner("Bench")
    connection = OcpiConnection.objects.create(
        partner=partner,
        versions_url=f"{url}/versions",
        endpoints={"chargingprofiles/RECEIVER": f"{url}/chargingprofiles"},
        peer_token_sealed=tokens.sealed("token"),
        registered_at=NOW,
    )
    OcpiParty.objects.create(connection=connection, country_code="NL", party_id="BEN")
    rows = [charger(f"NL-UTR-{number:06d}") for number in range(count)]
    assets = [one for start in range(0, count, 5_000) for one in make_assets(partner, rows[start : start + 5_000])]
    evses = OcpiEvse.objects.bulk_create(
        OcpiEvse(
            connection=connection, asset=asset, key=f"e{number}", status="CHARGING", phases=3,
            is_profile_capable=True, defines_asset=False, last_updated=NOW,
        )
        for number, asset in enumerate(assets)
    )  # fmt: skip
    sessions = OcpiSession.objects.bulk_create(
        OcpiSession(
            connection=connection, evse=evse, key=f"nl*ben*s{number}", session_id=f"S{number}", status="ACTIVE",
            last_updated=NOW,
        )
        for number, evse in enumerate(evses)
    )  # fmt: skip

    def prepare() -> None:
        ProfileCommand.objects.all().delete()
        now = SystemClock().now()
        ProfileCommand.objects.bulk_create(
            ProfileCommand(
                session=session, kind="set", reference=f"r{number}", profile=PROFILE, created_at=now,
                next_attempt_at=now, deadline_at=now + timedelta(hours=3),
            )
            for number, session in enumerate(sessions)
        )  # fmt: skip

    def send() -> None:
        sent = send_commands(clock=SystemClock(), http=http)
        assert sent.accepted == count, sent

    return prepare, send
