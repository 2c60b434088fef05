"""Calling a peer: one request, or a page of a list. Nothing is retried here; callers know what may be."""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import urljoin, urlsplit

from aggregator.core.http import Response
from assets.ocpi.parties import host_of
from assets.ocpi.wire import Envelope, PeerFault, authorization, next_page, read_envelope, total_count

PAGE_SIZE = 1_000
"""Sessions of about 1 kB: a page stays well under the largest answer that is read (16 MB)."""


class AddressRefused(ValueError):
    """A peer named an address that it may not send us to."""


class Sends(Protocol):
    """What is needed of an HTTP client."""

    def request(self, *, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None) -> Response:
        """Send one request; raises as `aggregator.core.http.HttpClient.request` does."""
        ...


@dataclass(frozen=True, slots=True)
class Routing:
    """Who a request to a functional module is from and for (transport_and_format, message routing)."""

    from_country_code: str
    from_party_id: str
    to_country_code: str
    to_party_id: str

    def headers(self) -> dict[str, str]:
        """Return the four headers."""
        return {
            "OCPI-from-country-code": self.from_country_code,
            "OCPI-from-party-id": self.from_party_id,
            "OCPI-to-country-code": self.to_country_code,
            "OCPI-to-party-id": self.to_party_id,
        }


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a list: the address of the one that follows, None on the last, and how many objects all have."""

    documents: list[Any]
    following: str | None
    total: int | None


@dataclass(frozen=True, slots=True)
class Peer:
    """A peer's platform. Only `host` is ever called: addresses come from outside."""

    http: Sends
    host: str
    token: str = field(repr=False)
    plain_http_hosts: frozenset[str] = frozenset()
    sends_raw_token: bool = False
    routing: Routing | None = None

    def get(self, url: str) -> Any:
        """Return the data at an address. Raises `PeerFault`, `AddressRefused`, and as the HTTP client does."""
        return self._call("GET", url)[0].data

    def send(self, method: str, url: str, document: Any) -> Any:
        """Send a document and return the data of the answer. Raises as `get`."""
        return self._call(method, url, json.dumps(document, separators=(",", ":")).encode())[0].data

    def page(self, url: str) -> Page:
        """Return a page of a list. Raises as `get`."""
        envelope, headers = self._call("GET", url)
        if not isinstance(envelope.data, list):
            raise PeerFault(f"GET {url}: data is no list", http_status=200)
        return Page(envelope.data, _following(url, next_page(headers)), total_count(headers))

    def headers(self, *, has_body: bool) -> dict[str, str]:
        """Return the headers of one request."""
        headers = {
            "Authorization": authorization(self.token, is_raw=self.sends_raw_token),
            "X-Request-ID": str(uuid.uuid4()),
            "X-Correlation-ID": str(uuid.uuid4()),
        }
        if has_body:
            headers["Content-Type"] = "application/json"
        return headers | (self.routing.headers() if self.routing else {})

    def check(self, url: str) -> None:
        """Raise `AddressRefused` unless the address is of the peer's own host, and encrypted where it must be."""
        if host_of(url) != self.host:
            raise AddressRefused(f"{url} is not on {self.host}, where this peer registered.")
        if urlsplit(url).scheme != "https" and self.host not in self.plain_http_hosts:
            raise AddressRefused(f"{url} is not encrypted. OCPI needs https.")

    def _call(self, method: str, url: str, body: bytes | None = None) -> tuple[Envelope, Mapping[str, str]]:
        self.check(url)
        answer = self.http.request(method=method, url=url, headers=self.headers(has_body=body is not None), body=body)
        return (
            read_envelope(http_status=answer.status_code, body=answer.body, what=f"{method} {url}"),
            answer.headers,
        )


def _following(url: str, link: str | None) -> str | None:
    """Return the address of the page that a link on another page leads to; None without a link."""
    if link is None:
        return None
    try:
        address = urljoin(url, link)
    except ValueError as error:
        raise PeerFault(f"GET {url}: the next page {link!r} is no address", http_status=200) from error
    if not address.isprintable():
        raise PeerFault(f"GET {url}: the next page {link!r} is no address", http_status=200)
    return address
