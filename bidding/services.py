"""The market as configured for this process."""

from dataclasses import replace
from functools import cache

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from aggregator.core.ean import Ean13
from aggregator.core.http import HttpClient, SendsRequests
from aggregator.core.messaging.polling import PollingClient
from aggregator.core.services import clock, http_client
from bidding.markets.afrr.client import TennetClient
from bidding.markets.afrr.terms import ProductTerms
from bidding.markets.exchange.client import Exchange
from bidding.markets.exchange.venue import Venue

_TENNET = ("TENNET_URL", "TENNET_API_KEY", "TENNET_PARTY_ID")


@cache
def exchange() -> Venue:
    """Return the exchange; raise `ImproperlyConfigured` naming the settings that are missing."""
    _require("trade on the exchange", "EXCHANGE_URL", "EXCHANGE_API_KEY", "EXCHANGE_PARTICIPANT_ID")
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
    _require("follow congestion announcements", "GOPACS_URL")
    return str(settings.GOPACS_URL)


@cache
def tennet() -> TennetClient:
    """Return TenneT's aFRR market; raise `ImproperlyConfigured` naming the settings that are missing."""
    _require("sell balancing energy to TenneT", *_TENNET)
    return TennetClient(http=http_client(), base_url=settings.TENNET_URL, api_key=settings.TENNET_API_KEY)


def tennet_in_real_time() -> TennetClient:
    """Return TenneT for the 4 s cycle, in which a slow answer is worth no more than none; raises as `tennet`."""
    http = HttpClient(
        allowed_private_hosts=frozenset(settings.HTTP_ALLOWED_PRIVATE_HOSTS),
        read_timeout_seconds=settings.AFRR_CYCLE.total_seconds() / 2,
    )
    return replace(tennet(), http=http)


def tennet_party() -> Ean13:
    """Return who we are at TenneT; raise `ImproperlyConfigured`."""
    _require("sell balancing energy to TenneT", "TENNET_PARTY_ID")
    return Ean13(settings.TENNET_PARTY_ID)


def afrr_terms() -> ProductTerms:
    """Return the terms of aFRR, with the gate that is set."""
    return ProductTerms(gate_lead=settings.AFRR_GATE)


def missing_to_sell_balancing() -> list[str]:
    """Return the settings without which no balancing energy can be sold."""
    return _missing(*_TENNET)


def sells_balancing() -> bool:
    """Tell whether all that is needed to sell balancing energy is set."""
    return not missing_to_sell_balancing()


def _require(purpose: str, *names: str) -> None:
    if missing := _missing(*names):
        raise ImproperlyConfigured(f"Set {', '.join(missing)} in the environment to {purpose}.")


def _missing(*names: str) -> list[str]:
    return [name for name in names if not getattr(settings, name)]
