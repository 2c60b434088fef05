"""What every OCPI message shares: instants, the envelope, status codes, and the token in the header. Pure."""

import base64
import contextlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
from math import isfinite
from typing import Any

from aggregator.core.storable import storable

VERSION = "2.2.1"
LONGEST_INSTANT = 40
"""Read leniently: the specification allows 25 characters, and peers send more digits."""

DEEPEST_NESTING = 32
LONGEST_COUNT = 18
_NOT_STORABLE = re.compile("[\x00\ud800-\udfff]")
_PRINTABLE = re.compile(r"[\x21-\x7e]{1,64}")
_NEXT_LINK = re.compile(r'<([^>]+)>\s*;[^,]*\brel="?next"?', re.IGNORECASE)


class Status(IntEnum):
    """OCPI status codes (status_codes), apart from the status of HTTP."""

    SUCCESS = 1000
    CLIENT_ERROR = 2000
    INVALID_PARAMETERS = 2001
    NOT_ENOUGH_INFORMATION = 2002
    UNKNOWN_LOCATION = 2003
    SERVER_ERROR = 3000
    UNUSABLE_CLIENT_API = 3001
    UNSUPPORTED_VERSION = 3002
    NO_MATCHING_ENDPOINTS = 3003


class InvalidObject(ValueError):
    """A document breaks the specification; `code` is the OCPI status it is answered with."""

    def __init__(self, message: str, code: Status = Status.INVALID_PARAMETERS) -> None:
        super().__init__(message)
        self.code = code


class PeerFault(RuntimeError):
    """The peer answered, and not with what was asked for; `status` is its OCPI status, where it gave one."""

    def __init__(self, message: str, *, http_status: int, status: int | None = None) -> None:
        super().__init__(message)
        self.http_status = http_status
        self.status = status


@dataclass(frozen=True, slots=True)
class Envelope:
    """The body of an answer (transport_and_format, response format)."""

    data: Any
    status: int
    message: str


def text_of(instant: datetime) -> str:
    """Return an OCPI DateTime: UTC, `Z`, at most 25 characters ("+00:00 is not the same as UTC").

    >>> text_of(datetime(2026, 1, 14, 16, 0, tzinfo=UTC))
    '2026-01-14T16:00:00Z'
    """
    precision = "milliseconds" if instant.microsecond else "seconds"
    return instant.astimezone(UTC).isoformat(timespec=precision).replace("+00:00", "Z")


def instant_of(value: Any, *, field: str) -> datetime:
    """Return the instant of a DateTime; one without a zone is UTC. Raises `InvalidObject`."""
    if not isinstance(value, str) or len(value) > LONGEST_INSTANT:
        raise InvalidObject(f"{field} is not a DateTime. Write it like 2026-01-14T16:00:00Z.")
    try:
        parsed = datetime.fromisoformat(value)
        return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise InvalidObject(f"{field} is not a DateTime. Write it like 2026-01-14T16:00:00Z.") from error


def require_storable(document: Any) -> None:
    """Raise `InvalidObject` for what JSON can hold and no database: NUL, half characters, infinity, endless nesting."""
    pending = [(document, 0)]
    while pending:
        value, depth = pending.pop()
        if depth > DEEPEST_NESTING:
            raise InvalidObject(f"The object is nested more than {DEEPEST_NESTING} deep.")
        if isinstance(value, dict):
            pending += [(one, depth + 1) for pair in value.items() for one in pair]
        elif isinstance(value, list):
            pending += [(one, depth + 1) for one in value]
        elif isinstance(value, str) and _NOT_STORABLE.search(value):
            raise InvalidObject("A text holds a NUL or half a character. Send printable characters only.")
        elif isinstance(value, float) and not isfinite(value):
            raise InvalidObject("A number is beyond what can be kept.")


def envelope(*, data: Any, now: datetime, status: int = Status.SUCCESS, message: str = "") -> dict[str, Any]:
    """Return the body of an answer; `data` None leaves it out, as in answers to pushes."""
    body: dict[str, Any] = {} if data is None else {"data": data}
    body["status_code"] = int(status)
    if message:
        body["status_message"] = message
    return body | {"timestamp": text_of(now)}


def read_envelope(*, http_status: int, body: bytes, what: str) -> Envelope:
    """Return a peer's successful answer; raise `PeerFault` for anything else.

    HTTP 200 with a status of 2000 or more is a failure too.
    """
    is_http_success = 200 <= http_status < 300  # noqa: PLR2004 - the HTTP class of success
    try:
        document = json.loads(body)
        status, message = int(document["status_code"]), storable(str(document.get("status_message") or ""))
    except (ValueError, OverflowError, KeyError, TypeError, RecursionError) as error:
        # What a body of success holds is about drivers, and this text is logged.
        shown = f"{len(body)} bytes" if is_http_success else storable(body[:200].decode("utf-8", "replace"))
        raise PeerFault(f"{what}: HTTP {http_status} without an OCPI body: {shown}", http_status=http_status) from error
    if not is_http_success or status // 1000 != 1:
        raise PeerFault(
            f"{what}: HTTP {http_status}, status {status} {message[:200]}", http_status=http_status, status=status
        )
    return Envelope(document.get("data"), status, message)


def authorization(token: str, *, is_raw: bool = False) -> str:
    """Return the Authorization header: the token in base64 (RFC 4648), or as it is for peers that expect that."""
    return f"Token {token if is_raw else base64.b64encode(token.encode()).decode()}"


def tokens_in(header: str) -> list[str]:
    """Return what the token in a header may be: decoded first, then as it stands (many peers send it so).

    The specification's own example decodes to a token with a line feed behind it: white space is cut off.
    """
    scheme, _, given = header.partition(" ")
    given = given.strip()
    if scheme.lower() != "token" or not given:
        return []
    candidates = []
    with contextlib.suppress(ValueError):  # not base64: a raw token
        candidates.append(base64.b64decode(given, validate=True).decode("ascii").strip())
    return [*candidates, given]


def is_token(value: Any) -> bool:
    """Tell whether a value is a token: 1 to 64 printable ASCII characters without spaces (credentials)."""
    return isinstance(value, str) and _PRINTABLE.fullmatch(value) is not None


def next_page(headers: Mapping[str, str]) -> str | None:
    """Return the address of the next page; None on the last one, also where the header is there but empty."""
    found = _NEXT_LINK.search(_header(headers, "link"))
    return found.group(1) if found else None


def total_count(headers: Mapping[str, str]) -> int | None:
    """Return how many objects all pages of a list have together; None where that is not told."""
    text = _header(headers, "x-total-count").strip()
    return int(text) if text.isdecimal() and len(text) <= LONGEST_COUNT else None


def _header(headers: Mapping[str, str], name: str) -> str:
    return {given.lower(): value for given, value in headers.items()}.get(name, "")


def joined(url: str, *parts: str) -> str:
    """Return an address with path segments behind it, with exactly one slash between them."""
    return "/".join([url.rstrip("/"), *parts])
