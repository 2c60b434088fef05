"""Counting per minute, in numbers that all processes share."""

import time

from django.core.cache import cache

WINDOW_SECONDS = 60


def is_within(*, key: str, limit: int) -> bool:
    """Count one more of `key` in this minute, and tell whether it still fits."""
    name = f"rate:{key}:{int(time.time() // WINDOW_SECONDS)}"
    cache.add(name, 0, timeout=2 * WINDOW_SECONDS)
    try:
        return int(cache.incr(name)) <= limit
    except ValueError:  # somebody emptied the cache between the two lines: the count begins again
        return limit > 0


def seconds_left() -> float:
    """Return the seconds until the next minute begins."""
    return WINDOW_SECONDS - time.time() % WINDOW_SECONDS
