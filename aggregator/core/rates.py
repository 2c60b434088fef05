"""Counting per minute, in numbers that all processes share."""

import time
from collections.abc import Mapping

from django.conf import settings
from django.core.cache import cache
from redis import Redis

WINDOW_SECONDS = 60
_redis = Redis.from_url(settings.REDIS_URL, db=settings.CACHE_DATABASE)  # Django's cache takes three trips to count


def is_within(*, key: str, limit: int) -> bool:
    """Count one more of `key` in this minute, and tell whether it still fits."""
    return fitting({key: 1}, limit=limit)[key] == 1


def fitting(asked: Mapping[str, int], *, limit: int) -> dict[str, int]:
    """Count more of each key in this minute, in one trip; return how many of them still fit."""
    minute = int(time.time() // WINDOW_SECONDS)
    counting = _redis.pipeline(transaction=False)
    for key, more in asked.items():
        name = cache.make_key(f"rate:{key}:{minute}")
        counting.incrby(name, more)
        counting.expire(name, 2 * WINDOW_SECONDS)
    counts = counting.execute()[::2]
    return {
        key: min(max(limit - (int(count) - more), 0), more)
        for (key, more), count in zip(asked.items(), counts, strict=True)
    }


def seconds_left() -> float:
    """Return the seconds until the next minute begins."""
    return WINDOW_SECONDS - time.time() % WINDOW_SECONDS
