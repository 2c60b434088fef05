"""TenneT's doors for a BSP: bid documents, the setpoint, measurements and settlements.

How TenneT really takes these is not public; plain HTTPS with a key stands in for it (docs/mock-market.md).
"""

from datetime import date
from typing import Any, NoReturn

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse, JsonResponse

from aggregator.core.clock import clock_from_environment
from bidding.markets.safe_xml import InvalidXml
from mock_gopacs.models import AfrrTerms, Bsp, Market
from mock_gopacs.models.market import fingerprint
from mock_gopacs.tennet import intake
from mock_gopacs.tennet.measuring import MeasurementRefused
from mock_gopacs.tennet.signal import NotSettled, settlement_of, signal_to
from mock_gopacs.tennet.wire import settlement_document, signal_document
from mock_gopacs.views.answers import Refusal, json_view, refuse
from mock_gopacs.views.control import json_body

LARGEST_DOCUMENT_BYTES = 4 * 1024 * 1024
"""2,000 bids, the most of one document, with room to spare."""
_CONTENT_TYPE = "application/xml"


@json_view("POST")
def documents(request: HttpRequest) -> HttpResponse:
    """Take in a bid document, and answer with its acknowledgement."""
    bsp = _bsp_of(request)
    if request.content_type != _CONTENT_TYPE:
        refuse(400, "CONTENT_TYPE_INVALID", f"Send documents as {_CONTENT_TYPE}, and name that in Content-Type.")
    try:
        answer = _taken(intake.receive_document, _document(request), bsp)
    except InvalidXml as error:
        refuse(400, "BODY_INVALID", str(error))
    return HttpResponse(answer, content_type=_CONTENT_TYPE)


@json_view("GET")
def setpoint(request: HttpRequest) -> JsonResponse:
    """Answer with the caller's setpoint of this cycle."""
    bsp = _bsp_of(request)
    try:
        return JsonResponse(signal_document(signal_to(bsp, now=clock_from_environment().now())))
    except AfrrTerms.DoesNotExist:
        _refuse_without_scenario()


@json_view("POST")
def measurements(request: HttpRequest) -> HttpResponse:
    """Keep a measurement of the caller's pool."""
    bsp = _bsp_of(request)
    try:
        _taken(intake.take_measurement, _measurement(request), bsp)
    except MeasurementRefused as error:
        raise Refusal(422, error.problems) from error
    return HttpResponse(status=204)


@json_view("GET")
def settlements(request: HttpRequest, *, day: str) -> JsonResponse:
    """Answer with the caller's settlement of a Dutch day."""
    bsp = _bsp_of(request)
    wanted = _day(day)
    try:
        return JsonResponse(settlement_document(wanted, settlement_of(bsp, wanted, now=clock_from_environment().now())))
    except NotSettled as error:
        refuse(404, "SETTLEMENT_NOT_MADE", str(error))
    except AfrrTerms.DoesNotExist:
        _refuse_without_scenario()


def _bsp_of(request: HttpRequest) -> Bsp:
    """Return who owns the key in the X-API-Key header."""
    key = request.headers.get("X-API-Key", "")
    if not key:
        refuse(403, "API_KEY_MISSING", "Give your key in the header X-API-Key.")
    bsp = Bsp.objects.filter(api_key_sha256=fingerprint(key)).first()
    if bsp is None:
        refuse(403, "API_KEY_UNKNOWN", "No BSP has this key.")
    request.META["mock_gopacs.participant"] = bsp.name
    return bsp


def _taken(operation: Any, body: Any, bsp: Bsp) -> Any:
    try:
        return operation(body, party_id=bsp.party_id, now=clock_from_environment().now())
    except (Market.DoesNotExist, Bsp.DoesNotExist):
        _refuse_without_scenario()


def _document(request: HttpRequest) -> bytes:
    """Return the body: documents may be larger than everything else that is sent to this market."""
    if int(request.META.get("CONTENT_LENGTH") or 0) > LARGEST_DOCUMENT_BYTES:
        refuse(413, "BODY_TOO_LARGE", "The document is larger than 4 MiB: send its bids in several.")
    try:
        return request.body
    except RequestDataTooBig:
        return request.read()


def _measurement(request: HttpRequest) -> dict[str, Any]:
    try:
        return json_body(request)
    except RequestDataTooBig:
        refuse(413, "BODY_TOO_LARGE", "The body is larger than 256 KiB: a measurement needs less than 1.")


def _day(text: str) -> date:
    """Return the day in an address; its last moment must exist in UTC."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        refuse(404, "DAY_INVALID", f"{text[:20]!r} is no day: give one such as 2026-01-14.")
    if not 2000 <= day.year < 2100:  # noqa: PLR2004 - far from where instants end
        refuse(404, "DAY_INVALID", f"{text} is out of reach: give a day of this century.")
    return day


def _refuse_without_scenario() -> NoReturn:
    refuse(503, "NO_SCENARIO", "The market has just been emptied: load a scenario.")
