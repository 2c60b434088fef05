"""Sessions, as their receiver (mod_sessions, receiver interface)."""

from http import HTTPStatus
from typing import Any

from django.http import HttpRequest

from assets.ocpi import receiving
from assets.ocpi.parties import object_key
from assets.ocpi.views.base import Answer, Caller, OcpiView, Refused, document_in, require_party, require_same
from assets.ocpi.wire import Status


class SessionView(OcpiView):
    """One session of a party."""

    def on_get(
        self, _request: HttpRequest, caller: Caller, *, country_code: str, party_id: str, session_id: str
    ) -> Answer:
        """Return a session as it was told, with pseudonyms for card and contract."""
        require_party(caller, country_code, party_id)
        key = object_key(country_code, party_id, session_id)
        try:
            return Answer(receiving.stored_session(connection_id=caller.connection.pk, key=key))
        except receiving.SessionUnknown as error:
            raise Refused(HTTPStatus.NOT_FOUND, str(error)) from error

    def on_put(
        self, request: HttpRequest, caller: Caller, *, country_code: str, party_id: str, session_id: str
    ) -> Answer:
        """Take in a session, whole."""
        require_party(caller, country_code, party_id)
        document: Any = document_in(request)
        require_same(document, country_code=country_code, party_id=party_id, id=session_id)
        is_new = receiving.take_session(connection_id=caller.connection.pk, document=document, now=caller.now)
        return Answer(http_status=HTTPStatus.CREATED if is_new else HTTPStatus.OK)

    def on_patch(
        self, request: HttpRequest, caller: Caller, *, country_code: str, party_id: str, session_id: str
    ) -> Answer:
        """Take in a change of a session that was told before."""
        require_party(caller, country_code, party_id)
        try:
            receiving.patch_session(
                connection_id=caller.connection.pk,
                key=object_key(country_code, party_id, session_id),
                patch=document_in(request),
                now=caller.now,
            )
        except receiving.SessionUnknown as error:
            raise Refused(HTTPStatus.NOT_FOUND, str(error), Status.NOT_ENOUGH_INFORMATION) from error
        return Answer()
