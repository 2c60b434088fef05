"""Counting per minute, in numbers that all processes share."""

import time

from django.conf import settings
from django.core.cache import cache
from redis import Redis

WINDOW_SECONDS = 60
_redis = Redis.from_url(settings.REDIS_URL, db=settings.CACHE_DATABASE)  # Django's cache takes three trips to count


def is_within(*, key: str, limit: int) -> bool:
    """Count one more of `key` in this minute, and tell whether it still fits."""
    name = cache.make_key(f"rate:{key}:{int(time.time() // WINDOW_SECONDS)}")
    counting = _redis.pipeline(transaction=False)
    counting.incr(name)
    counting.expire(name, 2 * WINDOW_SECONDS)
    count, _ = counting.execute()
    return int(count) <= limit


def seconds_left() -> float:
    """Return the seconds until the next minute begins."""
    return WINDOW_SECONDS - time.time() % WINDOW_SECONDS
