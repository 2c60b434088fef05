"""Errors over HTTP, all in one shape: problem documents of RFC 9457 with a stable `code`."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.views import defaults
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

CONTENT_TYPE = "application/problem+json"

_TITLES = {
    400: "The request is not acceptable",
    401: "Who is calling?",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    406: "No such representation",
    411: "The length of the body is not announced",
    413: "The body is too large",
    415: "Media type not supported",
    422: "The request contradicts an earlier one",
    429: "Too many requests",
}


class Problem(exceptions.APIException):
    """A refusal whose words and code were chosen by whoever raises it."""

    def __init__(self, *, status: int, code: str, detail: str, errors: Sequence[Mapping[str, Any]] = ()) -> None:
        super().__init__(detail=detail, code=code)
        self.status_code = status
        self.errors = list(errors)


def document(*, status: int, code: str, detail: str, errors: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:
    """Return a problem document."""
    return {
        "type": "about:blank",
        "title": _TITLES.get(status, "The request failed"),
        "status": status,
        "code": code,
        "detail": detail,
        "errors": list(errors),
    }


def answer(*, status: int, code: str, detail: str) -> JsonResponse:
    """Return a problem as a plain Django response, for what is refused before a view is reached."""
    return JsonResponse(document(status=status, code=code, detail=detail), status=status, content_type=CONTENT_TYPE)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer an address that leads nowhere: as a problem under /api/, as a page elsewhere."""
    if request.path.startswith("/api/"):
        return answer(status=404, code="not-found", detail="There is nothing at this address.")
    return defaults.page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer a failure of ours, which is in the log."""
    if request.path.startswith("/api/"):
        return answer(status=500, code="internal-error", detail="We failed. Trying again later may help.")
    return defaults.server_error(request)


def exception_handler(error: Exception, context: Mapping[str, Any]) -> Response | None:  # noqa: ARG001 - DRF's signature
    """Answer an exception of a view as a problem; None leaves unexpected ones to Django (logged, 500)."""
    if isinstance(error, Http404):
        error = exceptions.NotFound()
    elif isinstance(error, PermissionDenied):
        error = exceptions.PermissionDenied()
    if not isinstance(error, exceptions.APIException):
        return None
    headers = {}
    if challenge := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = challenge
    if seconds := getattr(error, "wait", None):
        headers["Retry-After"] = str(max(1, round(seconds)))
    set_rollback()
    body = document(
        status=error.status_code,
        code=_code(error),
        detail=_detail(error.detail),
        errors=getattr(error, "errors", ()),
    )
    return Response(body, status=error.status_code, headers=headers, content_type=CONTENT_TYPE)


def _code(error: exceptions.APIException) -> str:
    codes = error.get_codes()
    return codes.replace("_", "-") if isinstance(codes, str) else "invalid"


def _detail(detail: Any) -> str:
    if isinstance(detail, dict):
        return "; ".join(f"{name}: {_detail(value)}" for name, value in detail.items())
    if isinstance(detail, list):
        return " ".join(_detail(value) for value in detail)
    return str(detail)
