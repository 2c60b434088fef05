"""Who we are and how a peer is called, as configured for this process."""

from django.conf import settings

from assets.models import OcpiConnection
from assets.ocpi import tokens
from assets.ocpi.client import Peer, Routing, Sends
from assets.ocpi.parties import Us, host_of
from assets.ocpi.wire import joined


def us(base_url: str = "") -> Us:
    """Return how we present ourselves, at the address that peers see (or at `base_url`)."""
    return Us(
        url=joined(base_url or settings.PUBLIC_URL, "ocpi"),
        country_code=settings.OCPI_COUNTRY_CODE,
        party_id=settings.OCPI_PARTY_ID,
        role=settings.OCPI_ROLE,
        name=settings.OCPI_NAME,
    )


def unregistered_peer(*, http: Sends, url: str, token: str, sends_raw_token: bool = False) -> Peer:
    """Return a peer that is only known by an address: what is called stays on its host. No routing headers."""
    return Peer(
        http=http,
        host=host_of(url),
        token=token,
        plain_http_hosts=frozenset(settings.HTTP_ALLOWED_PRIVATE_HOSTS),
        sends_raw_token=sends_raw_token,
    )


def registered_peer(*, http: Sends, connection: OcpiConnection, party: tuple[str, str]) -> Peer:
    """Return a registered peer, for its functional modules; what is sent is for one of the parties it speaks for."""
    if connection.registered_at is None:
        raise ValueError(f"{connection} is not registered, so it cannot be called.")
    return Peer(
        http=http,
        host=host_of(connection.versions_url),
        token=tokens.opened(connection.peer_token_sealed),
        plain_http_hosts=frozenset(settings.HTTP_ALLOWED_PRIVATE_HOSTS),
        sends_raw_token=connection.sends_raw_token,
        routing=Routing(settings.OCPI_COUNTRY_CODE, settings.OCPI_PARTY_ID, *party),
    )
