"""Refuse bodies that are too large before anything reads them."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse


class RequestLimits:
    """Answer 413 by the announced length; a body without one is cut off by Django at the same limit."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Pass the request on, or answer with a problem document."""
        limit = settings.REQUEST_BODY_LIMIT_BYTES
        try:
            length = int(request.META.get("CONTENT_LENGTH") or 0)
        except ValueError:
            length = 0
        if length > limit:
            return JsonResponse(
                {
                    "type": "about:blank",
                    "title": "Request body too large",
                    "status": 413,
                    "code": "body-too-large",
                    "detail": f"The body has {length} bytes; at most {limit} are accepted. Send it in several requests.",
                },
                status=413,
                content_type="application/problem+json",
            )
        return self._get_response(request)
