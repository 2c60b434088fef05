"""What the exchange pushes about our orders: stored before it is answered, taken over afterwards."""

import json
import logging
import uuid
from datetime import datetime
from functools import partial

from django.core.exceptions import ValidationError
from django.db import DataError, IntegrityError, transaction

from aggregator.core.isolation import failing_alone
from aggregator.core.messaging.inbox import due_messages, put_off, receive
from aggregator.core.models import InboxMessage
from aggregator.core.storable import storable
from bidding.markets.exchange.orders import UnreadableOrder, order_state, parse_answer
from bidding.models import Bid
from bidding.operations.orders import follow_order, unplanned_fill

logger = logging.getLogger(__name__)

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
    is_text = isinstance(identifier, str) and storable(identifier) == identifier
    if not is_text or not 0 < len(identifier) <= 120:  # noqa: PLR2004 - the column's width
        raise InvalidPush("notificationId must be a text of 1 to 120 characters.")
    _, is_new = receive(now=now, channel=CHANNEL, sender="exchange", message_id=identifier, body=body)
    return is_new


def process(*, now: datetime) -> int:
    """Take over what was pushed, oldest first; return how many.

    What cannot be read or stored keeps its reason. One that fails otherwise is logged and tried again at growing
    distance, after what is new; it does not hold up the others.
    """
    waiting = due_messages(channel=CHANNEL, now=now)
    done = 0
    for pk, identifier in waiting.values_list("pk", "message_id")[:MOST_PER_ROUND]:
        with failing_alone(
            logger,
            "Push %s of the exchange was not taken over; it is tried again, after ten minutes at most. The cause is to "
            "be mended; what the exchange cleared is polled, too.",
            identifier,
            afterwards=partial(put_off, pk, now=now),
        ):
            done += _process(pk, now)
    return done


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
    try:
        with transaction.atomic():  # what does not fit must not undo the reason with it
            bid = follow_order(bid_id=bid.pk, state=state, now=now)
    except (DataError, IntegrityError, ValidationError) as error:
        return f"What the push says of order {state.order_id!r} does not fit: {error}"
    return unplanned_fill(bid=bid, state=state)
