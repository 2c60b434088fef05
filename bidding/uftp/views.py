"""`POST /shapeshifter/api/v3/message` in the web process: the signature is the authentication."""

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from aggregator.core.services import clock
from bidding.uftp import services
from bidding.uftp.answering import NOTHING_HERE, STORE_FAILURES, answer_of, not_stored, refused_by_headers
from bidding.uftp.receiving import Received, take_in


@csrf_exempt
@require_POST
def receive_message(request: HttpRequest) -> HttpResponse:
    """Answer once the message is stored: 200 and nothing else, or why not."""
    if not services.is_on():
        return HttpResponse(NOTHING_HERE, status=404, content_type="text/plain")
    refused = refused_by_headers(
        content_type=request.headers.get("Content-Type"), content_length=request.headers.get("Content-Length")
    )
    status, explanation = answer_of(refused or _received(request.body))
    return HttpResponse(explanation, status=status, content_type="text/plain; charset=utf-8")


def _received(body: bytes) -> Received:
    try:
        return take_in(body=body, now=clock().now())
    except STORE_FAILURES as failure:
        return not_stored(failure)
