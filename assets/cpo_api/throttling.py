"""How often a partner may call."""

from django.conf import settings
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from aggregator.core.rates import is_within, seconds_left
from assets.cpo_api.authentication import calling_partner


class PartnerRateThrottle(BaseThrottle):
    """Counts a partner's requests per minute, over all web processes."""

    def allow_request(self, request: Request, view: APIView) -> bool:  # noqa: ARG002 - DRF's signature
        """Tell whether this request still fits into the minute."""
        partner = calling_partner(request)
        agreed, usual = partner.requests_per_minute, settings.PARTNER_REQUESTS_PER_MINUTE
        return is_within(key=f"partner:{partner.pk}", limit=usual if agreed is None else agreed)

    def wait(self) -> float:
        """Return the seconds until the next minute begins."""
        return seconds_left()
