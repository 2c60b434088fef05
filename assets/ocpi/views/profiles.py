"""What partners tell about charging profiles we sent (mod_charging_profiles, sender interface)."""

from http import HTTPStatus

from django.http import HttpRequest

from assets.ocpi import results
from assets.ocpi.views.base import Answer, Caller, OcpiView, Refused, document_in


class ResultView(OcpiView):
    """The `response_url` of one request: the station's answer."""

    def on_post(self, request: HttpRequest, caller: Caller, *, reference: str) -> Answer:
        """Take in a result; the first one of a request counts."""
        try:
            results.take_result(
                connection_id=caller.connection.pk, reference=reference, data=document_in(request), now=caller.now
            )
        except results.ResultUnknown as error:
            raise Refused(HTTPStatus.NOT_FOUND, str(error)) from error
        return Answer()


class ActiveProfileView(OcpiView):
    """What is in force for a session, told unasked when it changes."""

    def on_put(self, request: HttpRequest, caller: Caller, *, session_id: str) -> Answer:
        """Take in an ActiveChargingProfile."""
        try:
            results.take_active_profile(
                connection_id=caller.connection.pk,
                session_id=session_id,
                document=document_in(request),
                now=caller.now,
            )
        except results.SessionUnknown as error:
            raise Refused(HTTPStatus.NOT_FOUND, str(error)) from error
        return Answer()
