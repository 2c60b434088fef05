"""Writes that may be sent again: a repeat under the same Idempotency-Key gets the first answer and does nothing.

The key is stored first, in the transaction of the work. A second request with it waits there until the first one has
committed, then finds its answer; when the first one failed or its process died, nothing of it is left, and the second
does the work.
"""

import hashlib
import json
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.db import connection, transaction
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aggregator.core.problems import CONTENT_TYPE, Problem
from aggregator.core.services import clock
from assets.cpo_api.authentication import calling_partner
from assets.models import AnsweredRequest

HEADER = "Idempotency-Key"
REPLAYED_HEADER = "Idempotency-Replayed"
LONGEST_KEY = 255

Handler = Callable[..., Response]

PARAMETER = OpenApiParameter(
    HEADER,
    {"type": "string", "minLength": 1, "maxLength": LONGEST_KEY, "pattern": "^[ -~]+$"},
    OpenApiParameter.HEADER,
    description="Your own key for this request, such as a random UUID. A repeat gets the first answer.",
)


def answered_once(handler: Handler) -> Handler:
    """Let a view's method answer each idempotency key of a partner once; requests without a key pass through."""

    @wraps(handler)
    def answer(view: APIView, request: Request, *arguments: Any, **named: Any) -> Response:
        key = request.headers.get(HEADER)
        if key is None:
            return handler(view, request, *arguments, **named)
        if not (0 < len(key) <= LONGEST_KEY and key.isascii() and key.isprintable()):
            raise Problem(
                status=400,
                code="bad-idempotency-key",
                detail=f"{HEADER} should be 1 to {LONGEST_KEY} printable ASCII characters, such as a random UUID.",
            )
        with transaction.atomic():
            known = _claim(request, key)
            if known is not None:
                return _replay(known, request)
            try:
                response = handler(view, request, *arguments, **named)
            except Exception as error:  # noqa: BLE001 - what the view cannot word is raised again by it
                response = view.handle_exception(error)
            AnsweredRequest.objects.filter(partner=calling_partner(request), key=key).update(
                status=response.status_code,
                answer=json.dumps(response.data).encode(),
                content_type=response.content_type or "",
            )
        return response

    return answer


def _claim(request: Request, key: str) -> AnsweredRequest | None:
    """Write the key down as ours, or return the request that had it first."""
    partner = calling_partner(request)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO assets_answeredrequest (partner_id, key, fingerprint, answered_at, content_type, answer)
            VALUES (%s, %s, %s, %s, '', '') ON CONFLICT (partner_id, key) DO NOTHING
            """,
            [partner.pk, key, _fingerprint(request), clock().now()],
        )
        is_ours = cursor.rowcount == 1
    return None if is_ours else AnsweredRequest.objects.get(partner=partner, key=key)


def _replay(known: AnsweredRequest, request: Request) -> Response:
    if known.fingerprint != _fingerprint(request):
        raise Problem(
            status=422,
            code="idempotency-key-reused",
            detail=f"This {HEADER} came before with another request. Use a new key for each new request.",
        )
    return Response(
        json.loads(bytes(known.answer)),
        status=known.status,
        headers={REPLAYED_HEADER: "true"},
        content_type=CONTENT_TYPE if known.content_type == CONTENT_TYPE else None,
    )


def _fingerprint(request: Request) -> str:
    """Return what tells two requests apart: method, address, how the body is written, and the body."""
    headers = (request.headers.get(name, "") for name in ("Content-Type", "Content-Encoding"))
    digest = hashlib.sha256("\n".join((str(request.method), request.get_full_path(), *headers)).encode())
    digest.update(request.body)
    return digest.hexdigest()
