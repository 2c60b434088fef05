"""Around every request of the market's APIs: the log that tests read, and the fault switches."""

import time
from collections.abc import Callable

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from aggregator.core.clock import clock_from_environment
from mock_gopacs import faults
from mock_gopacs.models import Fault, LogEntry

NOT_THE_MARKET = ("/control/", "/healthz", "/readyz", "/static/", "/favicon.ico")
LONGEST_LOGGED_BODY = 64 * 1024

HOLDS_SECRETS = ("/realms/",)
"""Addresses whose bodies are credentials and tokens; the log keeps that they were called, not what was said."""

_GetResponse = Callable[[HttpRequest], HttpResponseBase]


def _is_the_market(request: HttpRequest) -> bool:
    return request.path != "/" and not request.path.startswith(NOT_THE_MARKET)


class RequestLog:
    """Keeps every request and its answer; headers are not kept, so keys are not either."""

    def __init__(self, get_response: _GetResponse) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer, and write the log entry before the answer leaves."""
        if not _is_the_market(request):
            return self._get_response(request)
        received_at, started = clock_from_environment().now(), time.monotonic()
        is_secret = request.path.startswith(HOLDS_SECRETS)
        request_body = "" if is_secret else _body_text(request)
        response = self._get_response(request)
        fault = request.META.get("mock_gopacs.fault", "")
        is_dropped = fault in {Fault.Kind.RESET, Fault.Kind.REPLY_LOST}
        LogEntry.objects.create(
            received_at=received_at,
            method=request.method or "",
            path=_text(request.path.encode(errors="replace")),
            query=_text(request.META.get("QUERY_STRING", "").encode(errors="replace")),
            participant_name=request.META.get("mock_gopacs.participant", ""),
            request_body=request_body,
            status=None if is_dropped else response.status_code,
            response_body=_text(response.content) if isinstance(response, HttpResponse) and not is_secret else "",
            fault=fault,
            duration_ms=(time.monotonic() - started) * 1000,
        )
        return response


class Faults:
    """Lets at most one fault switch act on a request."""

    def __init__(self, get_response: _GetResponse) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer as the switch wants, or normally without one."""
        fault = faults.take_switch(request) if _is_the_market(request) else None
        if fault is None:
            return self._get_response(request)
        request.META["mock_gopacs.fault"] = fault.kind
        return self._misbehave(fault, request)

    def _misbehave(self, fault: Fault, request: HttpRequest) -> HttpResponseBase:
        match fault.kind:
            case Fault.Kind.STATUS:
                return faults.error_answer(fault)
            case Fault.Kind.RESET:
                return faults.drop_connection(request)
            case Fault.Kind.DELAY:
                faults.delay(fault)
                return self._get_response(request)
        response = self._get_response(request)
        match fault.kind:
            case Fault.Kind.REPLY_LOST:
                response = faults.drop_connection(request)
            case Fault.Kind.STATUS_AFTER:
                response = faults.error_answer(fault)
            case Fault.Kind.HUGE_BODY:
                response = faults.huge()
            case _ if isinstance(response, HttpResponse):
                response = faults.slowly(response, fault.seconds or 0.0)
        return response


def _body_text(request: HttpRequest) -> str:
    try:
        return _text(request.body)
    except RequestDataTooBig:
        return "(too large)"


def _text(content: bytes) -> str:
    return content[:LONGEST_LOGGED_BODY].decode(errors="replace").replace("\x00", "\N{REPLACEMENT CHARACTER}")
