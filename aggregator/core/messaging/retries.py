"""How long what failed waits before it is tried again."""

import random
from datetime import timedelta

FIRST_RETRY_AFTER = timedelta(seconds=2)
LONGEST_RETRY_AFTER = timedelta(minutes=10)
_jitter = random.SystemRandom()


def retry_after(attempts: int, longest_wait: timedelta = LONGEST_RETRY_AFTER) -> timedelta:
    """Return the wait before the next attempt: doubling, capped, with jitter so that senders do not march in step."""
    wait: timedelta = min(FIRST_RETRY_AFTER * 2 ** min(attempts - 1, 20), longest_wait)
    return wait * (0.5 + _jitter.random() / 2)
