"""When what failed is tried again, and after whom."""

import random
from datetime import timedelta
from typing import TypeVar

from django.db.models import Model, QuerySet

FIRST_RETRY_AFTER = timedelta(seconds=2)
LONGEST_RETRY_AFTER = timedelta(minutes=10)
Row = TypeVar("Row", bound=Model)
_jitter = random.SystemRandom()


def least_tried_first(waiting: QuerySet[Row], *, tries: str) -> QuerySet[Row]:
    """Put rows in the order of their turns: the least tried first, by the column `tries`, then the oldest.

    So however many fail again and again, they do not stand before what is new.
    """
    return waiting.order_by(tries, "id")


def retry_after(attempts: int, longest_wait: timedelta = LONGEST_RETRY_AFTER) -> timedelta:
    """Return the wait before the next attempt: doubling, capped, with jitter so that senders do not march in step."""
    wait: timedelta = min(FIRST_RETRY_AFTER * 2 ** min(attempts - 1, 20), longest_wait)
    return wait * (0.5 + _jitter.random() / 2)
