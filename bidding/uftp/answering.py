"""What the two ways in, the web process and the process of its own, say to a request for the same reasons."""

import logging

from django.db import DatabaseError
from redis.exceptions import RedisError

from bidding.markets.uftp.envelope import MAX_BODY_BYTES
from bidding.markets.uftp.transport import ANSWERS, Condition, condition_of_headers
from bidding.uftp.receiving import Received

logger = logging.getLogger(__name__)

NOTHING_HERE = "Called contracts are not set up here."
STORE_FAILURES = (DatabaseError, RedisError)


def refused_by_headers(*, content_type: str | None, content_length: str | None) -> Received | None:
    """Return why the body is not worth reading, if it is not."""
    wrong = condition_of_headers(content_type=content_type, content_length=content_length)
    if wrong is not None:
        return Received(wrong, "Send UTF-8 text/xml with its Content-Length.")
    if int(content_length or 0) > MAX_BODY_BYTES:
        return Received(Condition.BODY_TOO_LARGE, f"A body may have {MAX_BODY_BYTES} bytes. Split the message.")
    return None


def not_stored(failure: Exception) -> Received:
    """Log one of `STORE_FAILURES`; the sender is to come again."""
    logger.error("A UFTP message could not be stored", exc_info=failure)
    return Received(Condition.NOT_STORED, "The message could not be stored. Send it again later.")


def answer_of(received: Received) -> tuple[int, str]:
    """Return the status and the words for the sender; what is refused is logged."""
    answer = ANSWERS[received.condition]
    if answer.failure is not None:
        logger.info("UFTP message refused with %s: %s", answer.status, received.condition.name)
    return answer.status, received.explanation
