"""The exchange's order API, in ETPA's public shape."""

import uuid
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, JsonResponse

from aggregator.core.clock import clock_from_environment
from mock_gopacs import operations
from mock_gopacs.models import Market, Order, Participant
from mock_gopacs.order_form import InvalidOrder, Problem
from mock_gopacs.views.answers import (
    Refusal,
    json_view,
    page_parameters,
    participant_of,
    refuse,
    uuid_parameter,
)
from mock_gopacs.wire import order_document, page_document


@json_view("GET", "POST")
def collection(request: HttpRequest) -> JsonResponse:
    """List own orders, or place one."""
    participant = participant_of(request, key_field="api_key_sha256")
    if request.method == "GET":
        return _list(request, participant)
    return _change(operations.place_order, participant=participant, body=_body(request))


@json_view("GET", "PUT", "DELETE")
def single(request: HttpRequest, *, order_id: str) -> JsonResponse:
    """Read, change or withdraw an own order."""
    participant = participant_of(request, key_field="api_key_sha256")
    key = uuid_parameter(order_id)
    if key is None:
        refuse(404, "ORDER_UNKNOWN", f"There is no order {order_id}: an order id is a UUID.")
    if request.method == "PUT":
        return _change(operations.change_order, participant=participant, order_id=key, body=_body(request))
    if request.method == "DELETE":
        return _change(operations.cancel_order, participant=participant, order_id=key)
    return JsonResponse(order_document(_own_order(participant, key)))


def _change(operation: Any, **arguments: Any) -> JsonResponse:
    try:
        order = operation(**arguments, now=clock_from_environment().now())
    except InvalidOrder as error:
        raise Refusal(400, error.problems) from error
    except operations.ParticipantForeign as error:
        refuse(403, "PARTICIPANT_FOREIGN", str(error), "participantId")
    except operations.EanForeign as error:
        refuse(403, "EAN_FOREIGN", str(error), "ean")
    except operations.OrderUnknown as error:
        refuse(404, "ORDER_UNKNOWN", str(error))
    except operations.PreconditionFailed as error:
        raise Refusal(412, [error.problem], _state(error.order)) from error
    except Market.DoesNotExist:
        refuse(503, "NO_SCENARIO", "The market has just been emptied: load a scenario.")
    except operations.BookLocked as error:
        raise Refusal(423, [Problem("BOOK_LOCKED", str(error))], _state(error.order)) from error
    return JsonResponse(order_document(order))


def _state(order: Order | None) -> dict[str, Any] | None:
    return None if order is None else order_document(order)


def _list(request: HttpRequest, participant: Participant) -> JsonResponse:
    participant_id = request.GET.get("participantId", "")
    if not participant_id:
        refuse(400, "FIELD_REQUIRED", "participantId is required: add it to the query.", "participantId")
    if uuid_parameter(participant_id) != participant.id:
        refuse(403, "PARTICIPANT_FOREIGN", "participantId is not the owner of this API key.", "participantId")
    orders = Order.objects.filter(participant=participant)
    client_order_id, status = request.GET.get("clientOrderId"), request.GET.get("status")
    if client_order_id is not None:
        orders = orders.filter(meta_data__clientOrderId=client_order_id.replace("\x00", ""))
    if status is not None:
        if status not in Order.Status.values:
            refuse(400, "FIELD_INVALID", f"status must be one of {Order.Status.values}.", "status")
        orders = orders.filter(status=status)
    page, size = page_parameters(request)
    rows = orders.prefetch_related("fills__clearing", "events").order_by("placed_at", "pk")
    content = [order_document(order) for order in rows[page * size : (page + 1) * size]]
    return JsonResponse(page_document(content, page=page, size=size, total=orders.count()))


def _own_order(participant: Participant, order_id: uuid.UUID) -> Order:
    try:
        return Order.objects.prefetch_related("fills__clearing", "events").get(pk=order_id, participant=participant)
    except Order.DoesNotExist:
        refuse(404, "ORDER_UNKNOWN", f"There is no order {order_id} of this participant.")


def _body(request: HttpRequest) -> bytes:
    try:
        return request.body
    except RequestDataTooBig:
        refuse(413, "BODY_TOO_LARGE", "The body is larger than 256 KiB: an order needs less than 8.")
