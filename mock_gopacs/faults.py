"""Misbehaviour on demand: which switch a request meets, and what it does to the answer."""

import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import F
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase

from mock_gopacs.models import Fault
from mock_gopacs.order_form import Problem
from mock_gopacs.views.answers import errors

LONGEST_SECONDS = 600.0
DELAY_STEP_SECONDS = 0.05
SLOW_BODY_PIECES = 10
HUGE_BODY_BYTES = 5 * 1024 * 1024


class InvalidFault(ValueError):
    """A switch that cannot be set as asked."""


@dataclass(frozen=True, slots=True)
class Lock:
    """The whole book refuses changes for some seconds of market time."""

    seconds: float


_EXTRAS = {
    "delay": {"seconds"},
    "slow_body": {"seconds"},
    "huge_body": set(),
    "status": {"status", "retry_after"},
    "status_after": {"status", "retry_after"},
    "reset": set(),
    "reply_lost": set(),
    "lock": {"seconds"},
}


def read_switch(body: Mapping[str, Any]) -> Fault | Lock:
    """Return the switch that a control request asks for; raises `InvalidFault`."""
    kind = body.get("kind")
    if kind not in _EXTRAS:
        raise InvalidFault(f"{kind!r} is no kind of fault: choose from {sorted(_EXTRAS)}.")
    allowed = {"kind", *_EXTRAS[kind]} if kind == "lock" else {"kind", "method", "path", "times", *_EXTRAS[kind]}
    if unknown := body.keys() - allowed:
        raise InvalidFault(f"A {kind} fault has no {sorted(unknown)}: it takes {sorted(allowed)}.")
    seconds, status = body.get("seconds"), body.get("status")
    if "seconds" in allowed and not (isinstance(seconds, int | float) and 0 <= seconds <= LONGEST_SECONDS):
        raise InvalidFault(f"A {kind} fault needs seconds from 0 to {LONGEST_SECONDS:.0f}.")
    if "status" in allowed and not (isinstance(status, int) and 400 <= status <= 599):  # noqa: PLR2004 - HTTP's error classes
        raise InvalidFault(f"A {kind} fault needs a status from 400 to 599.")
    times = body.get("times", 1)
    if not isinstance(times, int) or times < 1:
        raise InvalidFault("times must be a whole number from 1.")
    if kind == "lock":
        return Lock(float(body["seconds"]))
    return Fault(
        kind=kind,
        method=str(body.get("method", "")).upper(),
        path_prefix=str(body.get("path", "")),
        seconds=seconds,
        status=status,
        retry_after=body.get("retry_after"),
        remaining=times,
    )


@transaction.atomic
def take_switch(request: HttpRequest) -> Fault | None:
    """Return the oldest switch that matches, used up once more."""
    for fault in Fault.objects.select_for_update().filter(remaining__gt=0).order_by("pk"):
        if fault.method in {"", request.method} and request.path.startswith(fault.path_prefix):
            Fault.objects.filter(pk=fault.pk).update(remaining=F("remaining") - 1)
            return fault
    return None


def delay(fault: Fault) -> None:
    """Wait as long as a switch asks for, or until it is cleared."""
    until = time.monotonic() + (fault.seconds or 0.0)
    while (left := until - time.monotonic()) > 0 and Fault.objects.filter(pk=fault.pk).exists():
        time.sleep(min(left, DELAY_STEP_SECONDS))


def error_answer(fault: Fault) -> HttpResponse:
    """Return the error that a switch asks for."""
    assert fault.status is not None  # noqa: S101 - read_switch requires it for these kinds
    response = errors(fault.status, [Problem("FAULT", "This error was asked for by a fault switch.")])
    if fault.retry_after is not None:
        response["Retry-After"] = str(fault.retry_after)
    return response


def drop_connection(request: HttpRequest) -> HttpResponseBase:
    """Return an answer that, when the server begins to send it, closes the connection instead.

    Not before: a client that saw its connection closed may ask for the log, which must have the request by then.
    """

    def nothing() -> Iterator[bytes]:
        with suppress(OSError):
            request.META["gunicorn.socket"].shutdown(socket.SHUT_RDWR)
        yield b""

    return StreamingHttpResponse(nothing())


def huge() -> HttpResponse:
    """Return a success whose body is 5 MiB and says nothing."""
    return HttpResponse(b" " * HUGE_BODY_BYTES, content_type="application/json")


def slowly(response: HttpResponse, seconds: float) -> HttpResponseBase:
    """Return the same answer, its body in pieces spread over `seconds`."""
    content = response.content
    piece_length = max(1, -(-len(content) // SLOW_BODY_PIECES))

    def pieces() -> Iterator[bytes]:
        for start in range(0, len(content), piece_length):
            time.sleep(seconds / SLOW_BODY_PIECES)
            yield content[start : start + piece_length]

    slow = StreamingHttpResponse(pieces(), status=response.status_code, headers=dict(response.items()))
    slow["Content-Length"] = str(len(content))
    return slow
