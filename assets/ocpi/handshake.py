"""The credentials handshake, both ways (credentials, version_information_endpoint).

    accept_registration(*, connection_id, document, is_new, http, now) -> our Credentials object
    register_with(*, partner_id, versions_url, token, http, now) -> None
    renew_with(*, partner_id, http, now) -> None

The peer is called in the middle of either, so no lock and no transaction is held while that happens; what is then
stored is judged again under the lock.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction

from aggregator.core import audit
from aggregator.core.http import RequestFailed, RequestRefused
from assets.models import OcpiConnection, OcpiParty, OcpiToken
from assets.ocpi import parties, tokens
from assets.ocpi.client import AddressRefused, Peer, Sends
from assets.ocpi.connections import AlreadyRegistered, NoConnection, NotRegistered, parties_of
from assets.ocpi.parties import (
    PeerCredentials,
    read_credentials,
    read_endpoints,
    read_url,
    read_versions,
    required_endpoint,
)
from assets.ocpi.services import unregistered_peer, us
from assets.ocpi.wire import InvalidObject, PeerFault, Status


class RegistrationFailed(RuntimeError):
    """The other side did not take part as it should; nothing was registered."""


@dataclass(frozen=True, slots=True)
class _Known:
    """What a peer's platform says of itself."""

    credentials: PeerCredentials
    endpoints: dict[str, str]


def accept_registration(
    *, connection_id: int, document: Any, is_new: bool, http: Sends, now: datetime
) -> dict[str, Any]:
    """Register a peer that POSTs its credentials, or changes them by PUT; return ours with a fresh token.

    Raises `InvalidObject`, also when the peer's own API cannot be used (3001 to 3003), `AlreadyRegistered`,
    `NotRegistered`.
    """
    connection = OcpiConnection.objects.get(pk=connection_id)
    _require_state(connection, is_new=is_new)
    credentials = read_credentials(document)
    peer = unregistered_peer(
        http=http, url=credentials.url, token=credentials.token, sends_raw_token=connection.sends_raw_token
    )
    try:
        endpoints = _endpoints(peer, credentials.url)
    except (PeerFault, RequestFailed, RequestRefused, AddressRefused) as error:
        raise InvalidObject(f"Your API could not be used: {error}", Status.UNUSABLE_CLIENT_API) from error
    with transaction.atomic():
        connection = OcpiConnection.objects.select_for_update().get(pk=connection_id)
        _require_state(connection, is_new=is_new)
        _store(connection, _Known(credentials, endpoints), now)
        # By POST the registration token is used up; by PUT the old token lives until the new one is used, so that an
        # answer lost on the way locks nobody out.
        if is_new:
            connection.tokens.all().delete()
        token = tokens.issue(connection=connection, purpose=OcpiToken.Purpose.OPERATION, now=now)
    return us().credentials(token)


def register_with(*, partner_id: int, versions_url: str, token: str, http: Sends, now: datetime) -> None:
    """Register ourselves with a partner's platform that gave us its address and registration token.

    Raises `RegistrationFailed`, `AlreadyRegistered`, `NoConnection`.
    """
    connection = OcpiConnection.objects.filter(pk=partner_id).first()
    if connection is None:
        raise NoConnection("This partner has no OCPI connection. Open one: `manage.py partner ocpi-open NAME`.")
    _require_state(connection, is_new=True)
    peer = unregistered_peer(
        http=http, url=read_url(versions_url), token=token, sends_raw_token=connection.sends_raw_token
    )
    # Committed before it is sent: the peer calls us with it while we wait for its answer.
    ours = tokens.issue(connection=connection, purpose=OcpiToken.Purpose.OPERATION, now=now)
    try:
        endpoints = _endpoints(peer, versions_url)
        address = required_endpoint(endpoints, parties.CREDENTIALS, parties.RECEIVER)
        credentials = read_credentials(peer.send("POST", address, us().credentials(ours)))
        with transaction.atomic():
            connection = OcpiConnection.objects.select_for_update().get(pk=partner_id)
            _require_state(connection, is_new=True)
            _store(connection, _Known(credentials, endpoints), now)
            connection.tokens.filter(purpose=OcpiToken.Purpose.REGISTRATION).delete()
    except (PeerFault, RequestFailed, RequestRefused, AddressRefused, InvalidObject) as error:
        OcpiToken.objects.filter(connection_id=partner_id, lookup_id=ours.partition(".")[0]).delete()
        raise RegistrationFailed(f"No registration with {versions_url}: {error}") from error


def renew_with(*, partner_id: int, http: Sends, now: datetime) -> None:
    """Change tokens with a registered peer, both ways (credentials, PUT); the specification advises it monthly.

    Our old token lives until the peer uses the new one. Raises `RegistrationFailed`, `NotRegistered`, `NoConnection`.
    """
    connection = OcpiConnection.objects.filter(pk=partner_id).first()
    if connection is None:
        raise NoConnection("This partner has no OCPI connection. Register it with --ocpi.")
    _require_state(connection, is_new=False)
    peer = unregistered_peer(
        http=http,
        url=connection.versions_url,
        token=tokens.opened(connection.peer_token_sealed),
        sends_raw_token=connection.sends_raw_token,
    )
    # Committed before it is sent, as the peer calls us with it meanwhile.
    ours = tokens.issue(connection=connection, purpose=OcpiToken.Purpose.OPERATION, now=now)
    try:
        endpoints = _endpoints(peer, connection.versions_url)
        address = required_endpoint(endpoints, parties.CREDENTIALS, parties.RECEIVER)
        credentials = read_credentials(peer.send("PUT", address, us().credentials(ours)))
        with transaction.atomic():
            connection = OcpiConnection.objects.select_for_update().get(pk=partner_id)
            _require_state(connection, is_new=False)
            _store(connection, _Known(credentials, endpoints), now)
    except (PeerFault, RequestFailed, RequestRefused, AddressRefused, InvalidObject) as error:
        # The new token stays: whether the peer took it is not known, and whichever it uses next is the one that lives.
        raise RegistrationFailed(f"No new tokens with {connection.versions_url}: {error}") from error


def _require_state(connection: OcpiConnection, *, is_new: bool) -> None:
    if is_new and connection.registered_at is not None:
        raise AlreadyRegistered("You are registered. PUT credentials to change them, DELETE to end the registration.")
    if not is_new and connection.registered_at is None:
        raise NotRegistered("You are not registered. POST credentials first.")


def _endpoints(peer: Peer, versions_url: str) -> dict[str, str]:
    endpoints = read_endpoints(peer.get(read_versions(peer.get(versions_url))))
    for url in endpoints.values():
        peer.check(url)
    return endpoints


def _store(connection: OcpiConnection, known: _Known, now: datetime) -> None:
    """Write down who the peer is; raise `InvalidObject` when one of its parties is another partner's."""
    connection.versions_url, connection.endpoints = known.credentials.url, known.endpoints
    connection.peer_token_sealed = tokens.sealed(known.credentials.token)
    connection.registered_at = connection.heard_at = now
    connection.unfinished = {}  # its pages may be elsewhere now, and of other parties
    connection.save(
        update_fields=["versions_url", "endpoints", "peer_token_sealed", "registered_at", "heard_at", "unfinished"]
    )
    if not set(known.credentials.parties) <= parties_of(connection.pk):
        # What a new party has told before was never asked for.
        connection.pulled_at = connection.sessions_until = connection.locations_until = None
        connection.save(update_fields=["pulled_at", "sessions_until", "locations_until"])
    connection.parties.all().delete()
    try:
        with transaction.atomic():
            OcpiParty.objects.bulk_create(
                OcpiParty(connection=connection, country_code=country, party_id=party)
                for country, party in known.credentials.parties
            )
    except IntegrityError as error:
        raise InvalidObject("One of your roles' parties is registered by another platform. Call us.") from error
    audit.record(
        now=now,
        action="assets.ocpi.registered",
        subject=connection.partner,
        after={"url": known.credentials.url, "parties": ["*".join(party) for party in known.credentials.parties]},
    )
