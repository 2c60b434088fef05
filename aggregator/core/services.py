"""The ports as configured for this process: its clock and its HTTP client."""

from functools import cache

from django.conf import settings

from aggregator.core.clock import Clock, clock_from_environment
from aggregator.core.http import HttpClient


@cache
def clock() -> Clock:
    """Return the clock that entry points read."""
    return clock_from_environment()


@cache
def http_client() -> HttpClient:
    """Return the process's HTTP client."""
    return HttpClient(allowed_private_hosts=frozenset(settings.HTTP_ALLOWED_PRIVATE_HOSTS))
