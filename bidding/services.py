"""The market as configured for this process."""

from functools import cache

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from aggregator.core.http import SendsRequests
from aggregator.core.messaging.polling import PollingClient
from aggregator.core.services import clock, http_client
from bidding.markets.exchange.client import Exchange
from bidding.markets.exchange.venue import Venue


@cache
def exchange() -> Venue:
    """Return the exchange; raise `ImproperlyConfigured` naming the settings that are missing."""
    needed = ("EXCHANGE_URL", "EXCHANGE_API_KEY", "EXCHANGE_PARTICIPANT_ID")
    missing = [name for name in needed if not getattr(settings, name)]
    if missing:
        raise ImproperlyConfigured(f"Set {', '.join(missing)} in the environment to trade on the exchange.")
    return Exchange(
        http=http_client(),
        polls=market_polls(),
        base_url=settings.EXCHANGE_URL,
        participant_id=settings.EXCHANGE_PARTICIPANT_ID,
        api_key=settings.EXCHANGE_API_KEY,
        minimum_dwell=settings.EXCHANGE_MINIMUM_DWELL,
        gate=settings.EXCHANGE_GATE,
        in_flight=settings.EXCHANGE_IN_FLIGHT,
    )


def market_polls() -> SendsRequests:
    """Return what asks the exchange and GOPACS how things stand."""
    return PollingClient(http_client(), clock())


def gopacs_url() -> str:
    """Return the address of the announcements; raise `ImproperlyConfigured` when none is set."""
    if not settings.GOPACS_URL:
        raise ImproperlyConfigured("Set GOPACS_URL in the environment to follow congestion announcements.")
    return str(settings.GOPACS_URL)
