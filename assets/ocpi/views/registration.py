"""Versions and credentials: the endpoints a registration token may call."""

from django.http import HttpRequest

from aggregator.core.services import http_client
from assets.models import OcpiToken
from assets.ocpi import connections, handshake
from assets.ocpi.connections import NotRegistered
from assets.ocpi.services import us
from assets.ocpi.views.base import Answer, Caller, OcpiView, document_in


class VersionsView(OcpiView):
    """GET versions."""

    is_open_to_registration = True

    def on_get(self, _request: HttpRequest, _caller: Caller) -> Answer:
        """List the versions we speak."""
        return Answer(us().versions())


class VersionView(OcpiView):
    """GET the details of our version."""

    is_open_to_registration = True

    def on_get(self, _request: HttpRequest, _caller: Caller) -> Answer:
        """List our endpoints."""
        return Answer(us().version_details())


class CredentialsView(OcpiView):
    """The handshake, as the side that is registered with."""

    is_open_to_registration = True

    def on_get(self, _request: HttpRequest, caller: Caller) -> Answer:
        """Return our credentials, with the token that the caller just used."""
        return Answer(us().credentials(caller.text))

    def on_post(self, request: HttpRequest, caller: Caller) -> Answer:
        """Register."""
        return self._register(request, caller, is_new=True)

    def on_put(self, request: HttpRequest, caller: Caller) -> Answer:
        """Change a registration: another token, address or set of parties."""
        return self._register(request, caller, is_new=False)

    def on_delete(self, _request: HttpRequest, caller: Caller) -> Answer:
        """End a registration."""
        if caller.token.purpose == OcpiToken.Purpose.REGISTRATION:
            raise NotRegistered("There is no registration to end. POST credentials to register.")
        connections.close_registration(connection_id=caller.connection.pk, now=caller.now)
        return Answer()

    def _register(self, request: HttpRequest, caller: Caller, *, is_new: bool) -> Answer:
        return Answer(
            handshake.accept_registration(
                connection_id=caller.connection.pk,
                document=document_in(request),
                is_new=is_new,
                http=http_client(),
                now=caller.now,
            )
        )
