"""Counting per minute, in numbers that all web processes share."""

import time

from django.core.cache import cache

WINDOW_SECONDS = 60


def is_within(*, key: str, limit: int) -> bool:
    """Count one more of `key` in this minute, and tell whether it still fits."""
    name = f"uftp:{key}:{int(time.time() // WINDOW_SECONDS)}"
    cache.add(name, 0, timeout=2 * WINDOW_SECONDS)
    return int(cache.incr(name)) <= limit
