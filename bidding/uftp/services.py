"""UFTP as configured for this process."""

from functools import cache

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from aggregator.core.services import clock, http_client
from bidding.uftp.line import Line
from bidding.uftp.tokens import TokenSource


def is_on() -> bool:
    """Tell whether called contracts are set up."""
    return bool(settings.UFTP_DOMAIN)


def own_domain() -> str:
    """Return who we are; raise `ImproperlyConfigured` when the feature is off."""
    if not settings.UFTP_DOMAIN:
        raise ImproperlyConfigured("Called contracts are off. Set UFTP_DOMAIN in the environment to use them.")
    return str(settings.UFTP_DOMAIN)


@cache
def tokens() -> TokenSource | None:
    """Return the token source; None when no token is asked for. Raise when it is set up by half."""
    names = ("UFTP_TOKEN_URL", "UFTP_CLIENT_ID", "UFTP_CLIENT_SECRET")
    missing = [name for name in names if not getattr(settings, name)]
    if len(missing) == len(names):
        return None
    if missing:
        raise ImproperlyConfigured(f"Set {', '.join(missing)} in the environment too: a token needs all three.")
    return TokenSource(
        http=http_client(),
        clock=clock(),
        url=settings.UFTP_TOKEN_URL,
        client_id=settings.UFTP_CLIENT_ID,
        client_secret=settings.UFTP_CLIENT_SECRET,
    )


@cache
def line() -> Line:
    """Return what sends our messages."""
    return Line(http=http_client(), tokens=tokens(), broker_url=settings.UFTP_BROKER_URL)
