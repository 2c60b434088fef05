"""What the exchange pushes about our orders: stored before it is answered, taken over afterwards."""

import json
import uuid
from datetime import datetime

from django.db import transaction

from aggregator.core.messaging.inbox import receive
from aggregator.core.models import InboxMessage
from bidding.markets.exchange.orders import UnreadableOrder, order_state, parse_answer
from bidding.models import Bid
from bidding.operations.orders import follow_order

CHANNEL = "exchange-push"
MOST_PER_ROUND = 500


class InvalidPush(ValueError):
    """The body is not a push; the text says what is missing."""


def store(*, body: bytes, now: datetime) -> bool:
    """Keep a push once; tell whether it is new. Raises `InvalidPush`, or `DuplicateIdentifier` for other content."""
    try:
        identifier = json.loads(body)["notificationId"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InvalidPush(f"A push is a JSON object with notificationId and order: {error}.") from error
    if not isinstance(identifier, str) or not 0 < len(identifier) <= 120 or "\x00" in identifier:  # noqa: PLR2004 - the column's width
        raise InvalidPush("notificationId must be a text of 1 to 120 characters.")
    _, is_new = receive(now=now, channel=CHANNEL, sender="exchange", message_id=identifier, body=body)
    return is_new


def process(*, now: datetime) -> int:
    """Take over what was pushed, oldest first; return how many. What cannot be read keeps its reason."""
    waiting = InboxMessage.objects.filter(channel=CHANNEL, processed_at__isnull=True).order_by("id")
    return sum(_process(pk, now) for pk in waiting.values_list("pk", flat=True)[:MOST_PER_ROUND])


@transaction.atomic
def _process(pk: int, now: datetime) -> bool:
    message = InboxMessage.objects.select_for_update(skip_locked=True).filter(pk=pk, processed_at__isnull=True).first()
    if message is None:
        return False
    message.processed_at, message.error = now, _take_over(bytes(message.body), now)
    message.save(update_fields=["processed_at", "error"])
    return True


def _take_over(body: bytes, now: datetime) -> str:
    """Return why a push changes nothing; empty when it was taken over."""
    try:
        state = order_state(parse_answer(body)["order"])
    except (UnreadableOrder, KeyError, TypeError) as error:
        return f"The order cannot be read: {error}"
    try:
        bid = Bid.objects.filter(reference=uuid.UUID(state.reference)).first()
    except ValueError:
        bid = None
    if bid is None:
        return f"No bid has the reference {state.reference!r} of order {state.order_id!r}."
    follow_order(bid_id=bid.pk, state=state, now=now)
    return ""
