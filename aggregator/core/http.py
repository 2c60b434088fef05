"""The one HTTP client. Every outgoing call goes through it or, many at once, through `http_many`, under its rules.

Addresses come from partners and counterparties, so they are untrusted: http(s) only, no private or loopback
addresses unless the host is allowed by name, no redirects, a time limit, and a cap on what is read back. Where a name
leads is looked at once more when the connection stands, before anything is sent: its owner may have changed it.
"""

import ipaddress
import socket
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Protocol
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import HTTPError

from aggregator.core.guarded_connections import SILENCES, AnswerTooSlow, GuardedAdapter, NotConnected

CONNECT_TIMEOUT_SECONDS = 5.0
READ_TIMEOUT_SECONDS = 30.0
LONGEST_REQUEST = timedelta(seconds=CONNECT_TIMEOUT_SECONDS + SILENCES * READ_TIMEOUT_SECONDS)
LARGEST_RESPONSE_BYTES = 16 * 1024 * 1024
_CHUNK_BYTES = 64 * 1024


class RequestRefused(ValueError):
    """The address may not be called: wrong scheme, no host, or a private network that is not allowed."""


@dataclass(frozen=True, slots=True)
class Response:
    """What came back."""

    status_code: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def is_success(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status_code < 300  # noqa: PLR2004 - the HTTP class of success

    @property
    def can_be_retried(self) -> bool:
        """Whether the same request may succeed later (RFC 9110: 408, 425, 429, 5xx; 423 is a lock on a resource)."""
        return self.status_code in {408, 423, 425, 429} or self.status_code >= 500  # noqa: PLR2004 - server errors

    def asks_to_wait(self, now: datetime) -> timedelta:
        """Return how long the other side wants to be left alone (Retry-After with 429 or 503); zero: not at all."""
        if self.status_code not in {429, 503}:  # those it goes with in RFC 9110 and 6585
            return timedelta(0)
        said = next((text.strip() for name, text in self.headers.items() if name.lower() == "retry-after"), "")
        try:
            if said.isascii() and said.isdecimal():
                return timedelta(seconds=int(said))
            return max(parsedate_to_datetime(said) - now, timedelta(0))
        except (ValueError, OverflowError, TypeError):  # the last of a date without zone
            return timedelta(0)


class RequestFailed(RuntimeError):
    """No usable answer came back: refused, timed out, broken off or too large. Trying again may help.

    `answer` is what came instead, where something did. Unless `may_have_arrived`, nothing was sent.
    """

    def __init__(self, text: str, answer: Response | None = None, *, may_have_arrived: bool = True) -> None:
        super().__init__(text)
        self.answer = answer
        self.may_have_arrived = may_have_arrived


class SendsRequests(Protocol):
    """What delivery needs of a client."""

    def request(self, *, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Response:
        """Send one request; raises as `HttpClient.request` does."""
        ...


class HttpClient:
    """Keeps connections open per thread; safe to share."""

    def __init__(
        self,
        *,
        allowed_private_hosts: frozenset[str] = frozenset(),
        read_timeout_seconds: float = READ_TIMEOUT_SECONDS,
    ) -> None:
        self._allowed_private_hosts = allowed_private_hosts
        self._read_timeout_seconds = read_timeout_seconds
        self._local = threading.local()

    def request(
        self,
        *,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        timeout_seconds: float | None = None,
    ) -> Response:
        """Send one request and return the answer, whatever its status.

        The other side may be silent for `timeout_seconds`, and take twice as long in all for its answer.

        Raises `RequestRefused` before anything is sent when the address may not be called, and `RequestFailed` when
        no usable answer came.
        """
        self.check_address(url)
        silence_seconds = timeout_seconds or self._read_timeout_seconds
        try:
            with self._session().request(
                method,
                url,
                headers=dict(headers or {}),
                data=body,
                timeout=(CONNECT_TIMEOUT_SECONDS, silence_seconds),
                allow_redirects=False,
                stream=True,
            ) as answer:
                return Response(answer.status_code, dict(answer.headers), _read_capped(answer, url))
        except RequestRefused:  # by where its host turned out to lead
            raise
        except NotConnected as error:
            raise RequestFailed(f"{method} {url} was not sent: {error}", may_have_arrived=False) from error
        except AnswerTooSlow as slow:
            raise RequestFailed(
                f"{url} sent its answer too slowly; after {SILENCES * silence_seconds:.0f} s it was not complete."
            ) from slow
        except (requests.RequestException, HTTPError, ValueError) as error:  # the last of a redirect to no address
            raise RequestFailed(f"{method} {url} failed: {error}") from error

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = self._local.session = requests.Session()
            session.trust_env = False  # a proxy or .netrc of the machine must not see or change market messages
            for scheme in ("http://", "https://"):
                session.mount(scheme, GuardedAdapter(self.check_reached))
        return session

    def check_address(self, url: str) -> None:
        """Raise `RequestRefused` when an address may not be called, `RequestFailed` when it cannot be looked up."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port or parts.scheme
        except ValueError as error:
            raise RequestRefused(f"{url!r} is not an address to call: {error}. Correct it.") from error
        if parts.scheme not in {"http", "https"} or not host:
            raise RequestRefused(f"{url!r} is not an address to call: give http:// or https:// with a host.")
        if host in self._allowed_private_hosts:
            return
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except UnicodeError as error:
            raise RequestRefused(
                f"{url!r} is not an address to call: no host is named like that. Correct it."
            ) from error
        except OSError as error:
            raise RequestFailed(f"The host of {url} cannot be looked up: {error}", may_have_arrived=False) from error
        for *_, address in found:
            self.check_reached(host, str(address[0]))

    def check_reached(self, host: str, address: str) -> None:
        """Raise `RequestRefused` when a host that is not allowed leads to an IP address on a private network."""
        if host in self._allowed_private_hosts or ipaddress.ip_address(address.partition("%")[0]).is_global:
            return
        raise RequestRefused(
            f"{host} is on a private network ({address}). Name it in HTTP_ALLOWED_PRIVATE_HOSTS if it is yours."
        )


def _read_capped(answer: requests.Response, url: str) -> bytes:
    body = bytearray()
    while chunk := answer.raw.read1(_CHUNK_BYTES, decode_content=True):  # what has come in, without waiting for more
        body += chunk
        if len(body) > LARGEST_RESPONSE_BYTES:
            raise RequestFailed(f"{url} answered with more than {LARGEST_RESPONSE_BYTES} bytes; the rest was not read.")
    return bytes(body)
