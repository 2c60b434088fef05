"""Refuse bodies that are too large, or of unknown length, before anything reads them."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from aggregator.core import problems


class RequestLimits:
    """Answer 413 by the announced length, and 411 when none is announced: such a body would be read as empty."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Pass the request on, or answer with a problem document."""
        limit = settings.REQUEST_BODY_LIMIT_BYTES
        announced = request.META.get("CONTENT_LENGTH") or "0"
        length = int(announced) if announced.isascii() and announced.isdigit() else 0
        if length > limit:
            return problems.answer(
                status=413,
                code="body-too-large",
                detail=f"The body has {length} bytes; at most {limit} are accepted. Send it in several requests.",
            )
        if "HTTP_TRANSFER_ENCODING" in request.META:
            return problems.answer(
                status=411,
                code="length-required",
                detail="The body comes in chunks of unknown total length. Send it with a Content-Length header.",
            )
        return self._get_response(request)
