"""What all JSON views share: error answers, page parameters and who is asking."""

import uuid
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse

from mock_gopacs.models import Participant
from mock_gopacs.models.market import fingerprint
from mock_gopacs.order_form import Problem
from mock_gopacs.wire import problem_document

LARGEST_PAGE = 500
LARGEST_PAGE_NUMBER = 1_000_000


class Refusal(Exception):
    """Ends a view with an error answer."""

    def __init__(self, status: int, problems: Sequence[Problem], order: dict[str, Any] | None = None) -> None:
        super().__init__("; ".join(problem.message for problem in problems))
        self.response = errors(status, problems, order)


def errors(status: int, problems: Sequence[Problem], order: dict[str, Any] | None = None) -> JsonResponse:
    """Return an error answer; about a known order it carries the order as it stands."""
    document: dict[str, Any] = {"errors": [problem_document(problem) for problem in problems]}
    if order is not None:
        document["order"] = order
    return JsonResponse(document, status=status)


def refuse(status: int, code: str, message: str, field: str | None = None) -> NoReturn:
    """End the view with one error."""
    raise Refusal(status, [Problem(code, message, field)])


def json_view(*methods: str) -> Callable[[Callable[..., HttpResponse]], Callable[..., HttpResponse]]:
    """Turn refusals into answers and allow only these methods."""

    def decorate(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
        def answer(request: HttpRequest, **arguments: Any) -> HttpResponse:
            if request.method not in methods:
                message = f"{request.method} is not possible here: use {' or '.join(methods)}."
                return errors(405, [Problem("METHOD_NOT_ALLOWED", message)])
            try:
                return view(request, **arguments)
            except Refusal as refusal:
                return refusal.response

        return answer

    return decorate


def participant_of(request: HttpRequest, *, key_field: str) -> Participant:
    """Return who owns the key in the `api_key` header (`API_KEY` is the same header to HTTP)."""
    key = request.headers.get("api_key") or request.META.get("HTTP_API_KEY", "")
    if not key:
        refuse(403, "API_KEY_MISSING", "Give your key in the header api_key.")
    participant = Participant.objects.filter(**{key_field: fingerprint(key)}).first()
    if participant is None:
        refuse(403, "API_KEY_UNKNOWN", "No participant has this key.")
    request.META["mock_gopacs.participant"] = participant.name
    return participant


def page_parameters(request: HttpRequest) -> tuple[int, int]:
    """Return the page's number and size."""
    page = number_parameter(request, "page", default=0, low=0, high=LARGEST_PAGE_NUMBER)
    size = number_parameter(request, "size", default=20, low=1, high=LARGEST_PAGE)
    return page, size


def number_parameter(request: HttpRequest, name: str, *, default: int, low: int, high: int) -> int:
    """Return a whole-number query parameter within its bounds."""
    text = request.GET.get(name)
    if text is None:
        return default
    if text.isascii() and text.isdigit() and len(text) <= len(str(high)) and low <= int(text) <= high:
        return int(text)
    refuse(400, "FIELD_INVALID", f"{name} must be a whole number from {low} to {high}.", name)


def uuid_parameter(text: str) -> uuid.UUID | None:
    """Return the UUID that a text is, if it is one."""
    try:
        return uuid.UUID(text)
    except ValueError:
        return None


def not_found(_request: HttpRequest, exception: Http404) -> JsonResponse:  # noqa: ARG001 - Django names it
    """Answer for an address that does not exist."""
    return errors(404, [Problem("PATH_UNKNOWN", "There is nothing at this address.")])


def server_error(_request: HttpRequest) -> JsonResponse:
    """Answer for a fault of the mock itself."""
    return errors(500, [Problem("INTERNAL", "The mock market failed; its log says why.")])


def bad_request(_request: HttpRequest, exception: Exception) -> JsonResponse:  # noqa: ARG001 - Django names it
    """Answer for a request that Django itself refuses."""
    return errors(400, [Problem("BODY_INVALID", "The request is malformed.")])
