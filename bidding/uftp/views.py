"""`POST /shapeshifter/api/v3/message`: the signature is the authentication."""

import logging

from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST
from redis.exceptions import RedisError

from aggregator.core.services import clock
from bidding.markets.uftp.envelope import MAX_BODY_BYTES
from bidding.markets.uftp.transport import ANSWERS, Condition, condition_of_headers
from bidding.uftp import services
from bidding.uftp.receiving import Received, take_in

logger = logging.getLogger(__name__)


@csrf_exempt
@require_POST
def receive_message(request: HttpRequest) -> HttpResponse:
    """Answer once the message is stored: 200 and nothing else, or why not."""
    if not services.is_on():
        return HttpResponse("Called contracts are not set up here.", status=404, content_type="text/plain")
    received = _receive(request)
    answer = ANSWERS[received.condition]
    if answer.failure is not None:
        logger.info("UFTP message refused with %s: %s", answer.status, received.condition.name)
    return HttpResponse(received.explanation, status=answer.status, content_type="text/plain; charset=utf-8")


def _receive(request: HttpRequest) -> Received:
    length = request.headers.get("Content-Length")
    wrong = condition_of_headers(content_type=request.headers.get("Content-Type"), content_length=length)
    if wrong is not None:
        return Received(wrong, "Send UTF-8 text/xml with its Content-Length.")
    if int(length or 0) > MAX_BODY_BYTES:
        return Received(Condition.BODY_TOO_LARGE, f"A body may have {MAX_BODY_BYTES} bytes. Split the message.")
    try:
        return take_in(body=request.body, now=clock().now())
    except (DatabaseError, RedisError):
        logger.exception("A UFTP message could not be stored")
        return Received(Condition.NOT_STORED, "The message could not be stored. Send it again later.")
