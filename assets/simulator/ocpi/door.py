"""The platform's endpoints: which request means what. The server hands over what comes under /ocpi/{partner key}/."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

from aggregator.core.clock import Clock
from assets.ocpi.wire import Status, envelope
from assets.simulator.ocpi.platform import OcpiPlatform
from assets.simulator.ocpi.profiles import InvalidProfile
from assets.simulator.ocpi.store import LARGEST_PAGE, Store


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of the platform."""

    status: HTTPStatus
    document: dict[str, Any]
    headers: Mapping[str, str]


class _Unacceptable(ValueError):
    """A parameter or body cannot be used."""


Door = Callable[[str, str, str, bytes], Answer]
"""Method, path and query, Authorization header, body -> answer."""


def door_of(platform: OcpiPlatform, clock: Clock) -> Door:
    """Return what answers requests to a platform."""

    def door(method: str, target: str, authorization: str, body: bytes) -> Answer:
        return _answer(platform, method, target, authorization, body, clock.now())

    return door


def _answer(  # noqa: PLR0911, PLR0917 - one line per endpoint, on what a request is made of
    platform: OcpiPlatform, method: str, target: str, authorization: str, body: bytes, now: datetime
) -> Answer:
    def said(data: Any, status: Status = Status.SUCCESS, message: str = "") -> Answer:
        return Answer(HTTPStatus.OK, envelope(data=data, now=now, status=status, message=message), {})

    if not platform.is_called_with(authorization):
        refusal = envelope(data=None, now=now, status=Status.CLIENT_ERROR, message="No valid token.")
        return Answer(HTTPStatus.UNAUTHORIZED, refusal, {"WWW-Authenticate": "Token"})
    parts = urlsplit(target)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    match method, parts.path.strip("/").split("/"):
        case "GET", ["versions"]:
            return said(platform.versions())
        case "GET", ["2.2.1"]:
            return said(platform.details())
        case "GET", ["2.2.1", ("sessions" | "locations") as name]:
            store: Store = getattr(platform, name)
            return _listed(store, query, f"{platform.url}/2.2.1/{name}", now)
        case (("PUT" | "GET" | "DELETE"), ["2.2.1", "chargingprofiles", session_id]):
            try:
                return said(_profile(platform, method, unquote(session_id), query, body))
            except (InvalidProfile, _Unacceptable) as error:
                return said(None, Status.INVALID_PARAMETERS, str(error))
    missing = envelope(data=None, now=now, status=Status.CLIENT_ERROR, message=f"Nothing at {parts.path}.")
    return Answer(HTTPStatus.NOT_FOUND, missing, {})


def _profile(
    platform: OcpiPlatform, method: str, session_id: str, query: Mapping[str, str], body: bytes
) -> dict[str, Any]:
    if method == "PUT":
        try:
            return platform.set_profile(session_id, json.loads(body))
        except json.JSONDecodeError as error:
            raise _Unacceptable(f"The body is no JSON: {error}") from error
    if "response_url" not in query:
        raise _Unacceptable("response_url is missing.")
    if method == "DELETE":
        return platform.clear_profile(session_id, query["response_url"])
    return platform.ask_profile(session_id, query["response_url"])


def _listed(store: Store, query: Mapping[str, str], url: str, now: datetime) -> Answer:
    dates = {name: query.get(name, "") for name in ("date_from", "date_to")}
    offset, limit = (int(query.get(name, default)) for name, default in (("offset", 0), ("limit", LARGEST_PAGE)))
    page = store.page(**dates, offset=offset, limit=limit)
    headers = {"X-Total-Count": str(page.total), "X-Limit": str(page.limit)}
    if page.next_offset is not None:
        following = urlencode({**dates, "offset": page.next_offset, "limit": page.limit})
        headers["Link"] = f'<{url}?{following}>; rel="next"'
    return Answer(HTTPStatus.OK, envelope(data=page.rows, now=now), headers)
