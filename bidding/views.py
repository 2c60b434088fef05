"""Where the exchange pushes what happened to our orders."""

from django.conf import settings
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from aggregator.core.messaging.inbox import DuplicateIdentifier
from aggregator.core.services import clock
from bidding.operations import pushes

LARGEST_PUSH_BYTES = 256 * 1024
"""An order with a hundred fills is about 30 kB."""


@csrf_exempt
@require_POST
def take_push(request: HttpRequest) -> HttpResponse:
    """Store a push and answer 204, also when it was stored before; only then may the exchange forget it."""
    if not settings.EXCHANGE_PUSH_TOKEN:
        return HttpResponse("Pushes are off: EXCHANGE_PUSH_TOKEN is not set.", status=404)
    if not constant_time_compare(request.headers.get("Authorization", ""), f"Bearer {settings.EXCHANGE_PUSH_TOKEN}"):
        return HttpResponse("Give the agreed bearer token.", status=401, headers={"WWW-Authenticate": "Bearer"})
    if len(request.body) > LARGEST_PUSH_BYTES:
        return HttpResponse(f"A push has at most {LARGEST_PUSH_BYTES} bytes.", status=413)
    try:
        pushes.store(body=request.body, now=clock().now())
    except (pushes.InvalidPush, DuplicateIdentifier) as refusal:
        return HttpResponse(str(refusal), status=400, content_type="text/plain")
    except DatabaseError:
        return HttpResponse("It could not be stored; send it again.", status=503)
    return HttpResponse(status=204)
