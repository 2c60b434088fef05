"""Many requests at once, for partners that want one for each asset: on one thread, over connections that stay open.

The same rules hold as for a single request (`aggregator.core.http`): where a request may go, no redirects, time limits,
and a cap on what is read back. A thread per request would spend most of its time waiting for its turn.
"""

import asyncio
import socket
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import ResolveResult

from aggregator.core.guarded_connections import SILENCES
from aggregator.core.http import (
    CONNECT_TIMEOUT_SECONDS,
    LARGEST_RESPONSE_BYTES,
    READ_TIMEOUT_SECONDS,
    HttpClient,
    RequestFailed,
    RequestRefused,
    Response,
)

AT_ONCE = 32
"""Requests under way at a time, to all hosts together: enough to keep one core busy while peers think."""
FAILURES_IN_A_ROW = 5
"""After so many a host is asked nothing more in the same round, which would else take a time limit for each request."""

Outcome = Response | RequestFailed | RequestRefused


@dataclass(frozen=True, slots=True)
class Request:
    """One request to send."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None


def exchange_all(
    http: HttpClient, requests: Sequence[Request], *, silence_seconds: float = READ_TIMEOUT_SECONDS
) -> list[Outcome]:
    """Send all requests and return what came of each, in their order; one that fails stops no other.

    But a host that does not answer several in a row is not asked for the rest: those fail without being sent.

    `http` decides where requests may go. Not to be called from a running event loop.
    """
    return asyncio.run(_exchange_all(http, requests, silence_seconds)) if requests else []


async def _exchange_all(http: HttpClient, requests: Sequence[Request], silence_seconds: float) -> list[Outcome]:
    outcomes: list[Outcome | None] = [None] * len(requests)
    failures: Counter[str] = Counter()
    waiting = iter(range(len(requests)))
    allowed = _Addresses(http)
    timeout = aiohttp.ClientTimeout(
        total=SILENCES * silence_seconds,
        sock_connect=CONNECT_TIMEOUT_SECONDS,
        sock_read=silence_seconds,
    )
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=AT_ONCE, resolver=_CheckedNames(http)),
        timeout=timeout,
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,  # a proxy or .netrc of the machine must not see or change what we send
        skip_auto_headers=["User-Agent"],
    ) as session:

        async def work() -> None:
            for index in waiting:
                url = requests[index].url
                host = urlsplit(url).netloc
                if failures[host] >= FAILURES_IN_A_ROW:
                    outcomes[index] = RequestFailed(f"{host} did not answer just before, so {url} was not asked.")
                    continue
                outcome = outcomes[index] = await _exchange(session, requests[index], allowed)
                failures[host] = failures[host] + 1 if isinstance(outcome, RequestFailed) else 0

        await asyncio.gather(*(work() for _ in range(min(AT_ONCE, len(requests)))))
    return [outcome for outcome in outcomes if outcome is not None]


async def _exchange(session: aiohttp.ClientSession, request: Request, allowed: "_Addresses") -> Outcome:
    try:
        allowed.check(request.url)
        async with session.request(
            request.method, request.url, headers=request.headers, data=request.body, allow_redirects=False
        ) as answer:
            return Response(answer.status, dict(answer.headers), await _read_capped(answer, request.url))
    except (RequestFailed, RequestRefused) as error:
        return error
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        return RequestFailed(f"{request.method} {request.url} failed: {error!r}")


async def _read_capped(answer: aiohttp.ClientResponse, url: str) -> bytes:
    body = bytearray()
    async for chunk in answer.content.iter_any():
        body += chunk
        if len(body) > LARGEST_RESPONSE_BYTES:
            raise RequestFailed(f"{url} answered with more than {LARGEST_RESPONSE_BYTES} bytes; no more was read.")
    return bytes(body)


class _CheckedNames(aiohttp.ThreadedResolver):
    """Looks names up for connections, which go to no address that a request may not reach."""

    def __init__(self, http: HttpClient) -> None:
        super().__init__()
        self._http = http

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await super().resolve(host, port, family)
        for one in found:
            self._http.check_reached(host, one["host"])
        return found


class _Addresses:
    """Asks once per host of a round whether it may be called."""

    def __init__(self, http: HttpClient) -> None:
        self._http = http
        self._known: dict[tuple[str, str], RequestFailed | RequestRefused | None] = {}

    def check(self, url: str) -> None:
        parts = urlsplit(url)
        key = (parts.scheme, parts.netloc)
        if key not in self._known:
            self._known[key] = None
            try:
                self._http.check_address(url)
            except (RequestFailed, RequestRefused) as error:
                self._known[key] = error
        found = self._known[key]
        if found is not None:
            raise found
