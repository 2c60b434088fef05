"""Locations, their EVSEs and connectors, as their receiver (mod_locations, receiver interface)."""

from http import HTTPStatus

from django.http import HttpRequest

from assets.ocpi import places
from assets.ocpi.places import Place
from assets.ocpi.views.base import Answer, Caller, OcpiView, Refused, document_in, require_party, require_same
from assets.ocpi.wire import Status


class LocationView(OcpiView):
    """A location of a party, or a part of one."""

    def on_get(self, _request: HttpRequest, caller: Caller, **place: str) -> Answer:
        """Return a location, EVSE or connector as it was told."""
        try:
            return Answer(places.stored_object(connection_id=caller.connection.pk, place=_place(caller, place)))
        except places.PlaceUnknown as error:
            raise Refused(HTTPStatus.NOT_FOUND, str(error)) from error

    def on_put(self, request: HttpRequest, caller: Caller, **place: str) -> Answer:
        """Take in a location, EVSE or connector, whole."""
        where, document = _place(caller, place), document_in(request)
        if where.connector_id is not None:
            require_same(document, id=where.connector_id)
        elif where.evse_uid is not None:
            require_same(document, uid=where.evse_uid)
        else:
            require_same(document, country_code=where.country_code, party_id=where.party_id, id=where.location_id)
        try:
            is_new = places.put_location(
                connection_id=caller.connection.pk, place=where, document=document, now=caller.now
            )
        except places.PlaceUnknown as error:
            raise Refused(HTTPStatus.NOT_FOUND, str(error), Status.UNKNOWN_LOCATION) from error
        return Answer(http_status=HTTPStatus.CREATED if is_new else HTTPStatus.OK)

    def on_patch(self, request: HttpRequest, caller: Caller, **place: str) -> Answer:
        """Take in a change of a location, EVSE or connector that was told before."""
        where = _place(caller, place)
        try:
            places.patch_location(
                connection_id=caller.connection.pk, place=where, document=document_in(request), now=caller.now
            )
        except places.PlaceUnknown as error:
            raise Refused(HTTPStatus.NOT_FOUND, str(error), Status.UNKNOWN_LOCATION) from error
        return Answer()


def _place(caller: Caller, place: dict[str, str]) -> Place:
    require_party(caller, place["country_code"], place["party_id"])
    return Place(**place)
