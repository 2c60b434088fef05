"""How views describe themselves in the OpenAPI document, and the decorator of methods that change something."""

from collections.abc import Callable, Sequence
from typing import Any

from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.response import Response

from assets.cpo_api import documents, idempotency

_REFUSALS = {
    400: "Rows or parameters are not acceptable; nothing was stored.",
    401: "No valid token.",
    403: "The token lacks the scope, or the partner is not active.",
    404: "Not found, or not yours.",
    409: "Not possible now; nothing was sent.",
    413: "Too many rows, or too large a body.",
    415: "Neither of the media types or encodings that are read.",
    422: "The idempotency key came before with another request.",
    429: "Too many requests; see Retry-After.",
}


def write(
    operation_id: str, *, request: Any, success: type, refused: Sequence[int] = ()
) -> Callable[[Callable[..., Response]], Callable[..., Response]]:
    """Return a decorator for methods that change something: described, and answered once per idempotency key."""

    def decorate(handler: Callable[..., Response]) -> Callable[..., Response]:
        described: Callable[[Callable[..., Response]], Callable[..., Response]] = extend_schema(
            operation_id=operation_id,
            request=request,
            parameters=[idempotency.PARAMETER],
            responses=answers(success, 400, 413, 415, 422, *refused),
        )
        return described(idempotency.answered_once(handler))

    return decorate


def answers(success: type, *refused: int) -> dict[int | tuple[int, str], Any]:
    """Return the answers of a view: its success, these refusals, and those that every view can give."""
    return {200: success} | {
        (status, "application/problem+json"): OpenApiResponse(documents.Problem, _REFUSALS[status])
        for status in (*refused, 401, 403, 429)
    }


LIMIT = OpenApiParameter("limit", {"type": "integer", "minimum": 1, "maximum": 1_000}, description="Rows per page.")
AFTER_NAME = OpenApiParameter(
    "after", {"type": "string", "maxLength": 64}, description="Start after this `external_id`."
)
AFTER_ID = OpenApiParameter(
    "after", {"type": "integer", "minimum": 0, "maximum": 2**63 - 1}, description="Start after this `batch_id`."
)

FROM = OpenApiParameter(
    "from", {"type": "string", "format": "date-time"}, required=True, description="Start, on a quarter hour."
)
TO = OpenApiParameter(
    "to",
    {"type": "string", "format": "date-time"},
    required=True,
    description="End (not included), on a quarter hour; at most a week after the start.",
)
