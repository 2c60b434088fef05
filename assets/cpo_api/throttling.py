"""How often a partner may call."""

import time

from django.conf import settings
from django.core.cache import cache
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from assets.cpo_api.authentication import calling_partner

WINDOW_SECONDS = 60


class PartnerRateThrottle(BaseThrottle):
    """Counts a partner's requests per minute, in one number that all web processes share."""

    def allow_request(self, request: Request, view: APIView) -> bool:  # noqa: ARG002 - DRF's signature
        """Tell whether this request still fits into the minute."""
        window = int(time.time() // WINDOW_SECONDS)
        key = f"requests:{calling_partner(request).pk}:{window}"
        cache.add(key, 0, timeout=2 * WINDOW_SECONDS)
        limit: int = settings.PARTNER_REQUESTS_PER_MINUTE
        return cache.incr(key) <= limit

    def wait(self) -> float:
        """Return the seconds until the next minute begins."""
        return WINDOW_SECONDS - time.time() % WINDOW_SECONDS
