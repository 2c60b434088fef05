"""The control API: tests and the demo arrange the market through it. No real market has one."""

import functools
import json
import uuid
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.crypto import constant_time_compare

from aggregator.core.clock import clock_from_environment
from aggregator.core.interval import Interval
from mock_gopacs import faults, loading, market
from mock_gopacs.models import Announcement, Clearing, Fault, LogEntry, Market, Order
from mock_gopacs.scenario import read_scenario
from mock_gopacs.scenario_values import InvalidScenario
from mock_gopacs.views.answers import json_view, number_parameter, refuse
from mock_gopacs.wire import epoch_ms, number, order_document

LARGEST_LOG_PAGE = 1000


def control_view(*methods: str) -> Callable[[Callable[..., HttpResponse]], Callable[..., HttpResponse]]:
    """Be a JSON view that asks for the control token."""

    def decorate(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
        @functools.wraps(view)
        def guarded(request: HttpRequest, **arguments: Any) -> HttpResponse:
            if not settings.CONTROL_TOKEN:
                refuse(403, "CONTROL_CLOSED", "Start the mock with MOCK_GOPACS_CONTROL_TOKEN to open its control API.")
            if not constant_time_compare(request.headers.get("X-Control-Token", ""), settings.CONTROL_TOKEN):
                refuse(403, "CONTROL_TOKEN_WRONG", "Give MOCK_GOPACS_CONTROL_TOKEN in the header X-Control-Token.")
            return view(request, **arguments)

        return json_view(*methods)(guarded)

    return decorate


@control_view("POST")
def scenario(request: HttpRequest) -> JsonResponse:
    """Replace everything by a scenario: a named file or a posted document."""
    body = json_body(request)
    try:
        document = _posted(body) if "scenario" in body else loading.document_named(str(body.get("name", "")))
        loaded = loading.load(read_scenario(document, body.get("parameters") or {}))
    except InvalidScenario as error:
        refuse(400, "SCENARIO_INVALID", str(error))
    except IntegrityError as error:
        refuse(400, "SCENARIO_INVALID", f"The scenario contradicts itself: {error}")
    return JsonResponse(
        {
            "name": loaded.name,
            "announcements": loaded.announcement_ids,
            "participants": loaded.participant_ids,
            "foreign_orders": loaded.foreign_order_count,
            "contracts": loaded.contract_ids,
        }
    )


@control_view("POST")
def reset(_request: HttpRequest) -> JsonResponse:
    """Empty everything."""
    loading.reset()
    return JsonResponse({})


@control_view("POST")
def step(request: HttpRequest) -> JsonResponse:
    """Do what is due by the clock, or by a given instant, within this request."""
    until = json_body(request).get("until")
    if until is not None and not isinstance(until, int):
        refuse(400, "FIELD_INVALID", "until must be an instant in epoch milliseconds.", "until")
    now = clock_from_environment().now() if until is None else datetime.fromtimestamp(until / 1000, UTC)
    steps = market.advance(now)
    return JsonResponse({"steps": [{**asdict(item), "at": epoch_ms(item.at)} for item in steps]})


@control_view("POST")
def withdraw(_request: HttpRequest, *, announcement_id: uuid.UUID) -> JsonResponse:
    """Take an announcement back."""
    try:
        market.withdraw(announcement_id, now=clock_from_environment().now())
    except Announcement.DoesNotExist:
        refuse(404, "ANNOUNCEMENT_UNKNOWN", f"There is no published announcement {announcement_id}.")
    return JsonResponse({})


@control_view("POST")
def show(request: HttpRequest, *, announcement_id: uuid.UUID) -> JsonResponse:
    """Leave an announcement out of the lists, or put it back, without a word about it."""
    listed = json_body(request).get("listed")
    if not isinstance(listed, bool):
        refuse(400, "FIELD_INVALID", "listed must be true or false.", "listed")
    if not Announcement.objects.filter(pk=announcement_id).update(is_listed=listed):
        refuse(404, "ANNOUNCEMENT_UNKNOWN", f"There is no announcement {announcement_id}.")
    return JsonResponse({})


@control_view("POST")
def change(request: HttpRequest, *, announcement_id: uuid.UUID) -> JsonResponse:
    """Change the period or the need of an open announcement."""
    body = json_body(request)
    try:
        period = None
        if "starts_at" in body or "ends_at" in body:
            period = Interval(*(datetime.fromtimestamp(body[name] / 1000, UTC) for name in ("starts_at", "ends_at")))
        required = body.get("required_mw", [])
        wanted = [Decimal(str(mw)) for mw in (required if isinstance(required, list) else [required])]
        market.change(announcement_id, period=period, required_mw=wanted, now=clock_from_environment().now())
    except Announcement.DoesNotExist:
        refuse(404, "ANNOUNCEMENT_UNKNOWN", f"There is no open announcement {announcement_id}.")
    except (KeyError, TypeError, ValueError, ArithmeticError) as error:
        refuse(400, "FIELD_INVALID", f"Give starts_at with ends_at in epoch ms, required_mw, or all of them: {error}")
    return JsonResponse({})


@control_view("GET")
def orders(_request: HttpRequest) -> JsonResponse:
    """List the whole book."""
    rows = Order.objects.select_related("participant").prefetch_related("fills__clearing", "events")
    return JsonResponse(
        [
            {**order_document(order), "participantName": order.participant.name}
            for order in rows.order_by("placed_at", "pk")
        ],
        safe=False,
    )


@control_view("GET")
def clearings(_request: HttpRequest) -> JsonResponse:
    """List the clearings, done and to come."""
    rows = Clearing.objects.select_related("announcement").order_by("clears_at", "pk")
    return JsonResponse(
        [
            {
                "id": str(clearing.id),
                "announcementId": str(clearing.announcement_id),
                "state": clearing.state,
                "locksAt": epoch_ms(clearing.locks_at),
                "clearsAt": epoch_ms(clearing.clears_at),
                "solverStatus": clearing.solver_status,
                "clearedMwh": number(clearing.cleared_mwh),
                "shortageMwh": number(clearing.shortage_mwh),
                "spreadEur": number(clearing.spread_eur),
            }
            for clearing in rows
        ],
        safe=False,
    )


@control_view("GET")
def log(request: HttpRequest) -> JsonResponse:
    """List requests and answers, oldest first."""
    after = number_parameter(request, "after", default=0, low=0, high=2**62)
    rows = LogEntry.objects.filter(pk__gt=after, path__startswith=request.GET.get("path", "").replace("\x00", ""))
    return JsonResponse(
        [
            {
                "id": entry.pk,
                "receivedAt": epoch_ms(entry.received_at),
                "method": entry.method,
                "path": entry.path,
                "query": entry.query,
                "participant": entry.participant_name,
                "requestBody": entry.request_body,
                "status": entry.status,
                "responseBody": entry.response_body,
                "fault": entry.fault,
                "durationMs": entry.duration_ms,
            }
            for entry in rows.order_by("pk")[:LARGEST_LOG_PAGE]
        ],
        safe=False,
    )


@control_view("GET", "POST", "DELETE")
def fault_switches(request: HttpRequest) -> JsonResponse:
    """List, add or clear misbehaviours."""
    if request.method == "DELETE":
        _clear_faults()
    elif request.method == "POST":
        _add_fault(json_body(request))
    rows = Fault.objects.filter(remaining__gt=0).order_by("pk")
    return JsonResponse(
        [{"id": fault.pk, "kind": fault.kind, "remaining": fault.remaining} for fault in rows], safe=False
    )


@transaction.atomic
def _clear_faults() -> None:
    Fault.objects.all().delete()
    Market.objects.update(locked_until=None)


def _add_fault(body: dict[str, Any]) -> None:
    try:
        switch = faults.read_switch(body)
    except faults.InvalidFault as error:
        refuse(400, "FAULT_INVALID", str(error))
    if isinstance(switch, faults.Lock):
        Market.objects.update(locked_until=clock_from_environment().now() + timedelta(seconds=switch.seconds))
    else:
        switch.save()


def _posted(body: dict[str, Any]) -> dict[str, Any]:
    document = body["scenario"]
    if not isinstance(document, dict):
        raise InvalidScenario("scenario must be an object: the document as it stands in a scenario file.")
    return loading.with_base(document)


def json_body(request: HttpRequest) -> dict[str, Any]:
    """Return the request's JSON object; an empty body is an empty one."""
    try:
        body = json.loads(request.body or b"{}")
    except ValueError as error:
        refuse(400, "BODY_INVALID", f"The body is not JSON: {error}.")
    if not isinstance(body, dict):
        refuse(400, "BODY_INVALID", "The body must be a JSON object.")
    return body
