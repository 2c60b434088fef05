"""The control API of the UFTP side: look at calls and messages, call now, break things on purpose."""

import uuid
from datetime import date, timedelta
from typing import Any

from django.http import HttpRequest, JsonResponse

from aggregator.core.clock import clock_from_environment
from aggregator.core.interval import InvalidInterval
from aggregator.core.ptu import MARKET_ZONE
from bidding.markets.uftp.keys import InvalidKey, PublicKey
from bidding.markets.uftp.vocabulary import Role
from mock_gopacs.models import Call, CallContract, Market, UftpFault, UftpMessage, UftpParticipant
from mock_gopacs.scenario_values import InvalidScenario
from mock_gopacs.uftp import access, address_book
from mock_gopacs.uftp.calls import call_now
from mock_gopacs.uftp.letters import FIXED_ELEMENTS, KINDS
from mock_gopacs.uftp.plans import V2_STATUSES, CallPlan, read_call
from mock_gopacs.uftp.wire import call_document, message_document
from mock_gopacs.views.answers import number_parameter, refuse, uuid_parameter
from mock_gopacs.views.control import control_view, json_body

LARGEST_PAGE = 500
_OPTIONAL_FIELDS = {"date", "power_kw", "offer_window_minutes", "order_delay_minutes"}
_CALL_FIELDS = {"contract_id", "starts_at", "ends_at", *_OPTIONAL_FIELDS}


@control_view("GET", "POST")
def calls(request: HttpRequest) -> JsonResponse:
    """List all calls, or make one now."""
    if request.method == "POST":
        return JsonResponse(call_document(_call_now(json_body(request))))
    rows = Call.objects.select_related("contract").order_by("called_at", "pk")
    return JsonResponse([call_document(call) for call in rows], safe=False)


@control_view("GET")
def messages(request: HttpRequest) -> JsonResponse:
    """List messages decoded, oldest first; all of them, or those of one conversation."""
    after = number_parameter(request, "after", default=0, low=0, high=2**62)
    rows = UftpMessage.objects.filter(pk__gt=after)
    if conversation := request.GET.get("conversationId"):
        rows = rows.filter(conversation_id=uuid_parameter(conversation) or uuid.UUID(int=0))
    return JsonResponse([message_document(row) for row in rows.order_by("pk")[:LARGEST_PAGE]], safe=False)


@control_view("GET", "POST", "DELETE")
def fault_switches(request: HttpRequest) -> JsonResponse:
    """List, arm or disarm faults of the played grid operators."""
    if request.method == "DELETE":
        UftpFault.objects.all().delete()
    elif request.method == "POST":
        _arm(json_body(request))
    rows = UftpFault.objects.order_by("pk")
    return JsonResponse([{"id": row.pk, "kind": row.kind, "element": row.element} for row in rows], safe=False)


@control_view("POST")
def rotate_key(request: HttpRequest, *, domain: str) -> JsonResponse:
    """Give a participant a new key: a made one for a grid operator, the given one for an aggregator."""
    body, now = json_body(request), clock_from_environment().now()
    try:
        public_key = PublicKey.from_text(body["public_key"]) if "public_key" in body else None
        overlap = timedelta(hours=float(body.get("overlap_hours", address_book.OVERLAP / timedelta(hours=1))))
        key = address_book.rotate(domain, now=now, public_key=public_key, overlap=overlap)
    except UftpParticipant.DoesNotExist:
        refuse(404, "PARTICIPANT_UNKNOWN", f"There is no participant {domain}.")
    except (InvalidKey, address_book.KeyNotGiven, TypeError, AttributeError, ValueError, OverflowError) as error:
        refuse(400, "KEY_INVALID", str(error))
    return JsonResponse({"domain": domain, "publicKey": key.public_key})


@control_view("POST")
def move_endpoint(request: HttpRequest, *, domain: str) -> JsonResponse:
    """Send an aggregator's messages to another address from now on, also those that wait."""
    endpoint = str(json_body(request).get("endpoint", ""))
    if not endpoint.startswith(("http://", "https://")):
        refuse(400, "FIELD_INVALID", f"{endpoint!r} is no address: give one with http:// or https://.", "endpoint")
    if not UftpParticipant.objects.filter(pk=domain, role=Role.AGR.value).update(endpoint=endpoint):
        refuse(404, "PARTICIPANT_UNKNOWN", f"There is no aggregator {domain}.")
    return JsonResponse({"domain": domain, "endpoint": endpoint})


@control_view("POST")
def expire_tokens(_request: HttpRequest) -> JsonResponse:
    """End every access token at once."""
    return JsonResponse({"expired": access.expire_all()})


@control_view("POST")
def address_book_v2(request: HttpRequest) -> JsonResponse:
    """Remove V2 of the address book (404 or 410), or bring it back (200)."""
    status = json_body(request).get("status")
    if status not in V2_STATUSES:
        refuse(400, "FIELD_INVALID", f"status must be one of {V2_STATUSES}.", "status")
    Market.objects.update(address_book_v2_status=status)
    return JsonResponse({"status": status})


def _call_now(body: dict[str, Any]) -> Call:
    if unknown := body.keys() - _CALL_FIELDS:
        refuse(400, "FIELD_UNKNOWN", f"A call has no {sorted(unknown)}: it takes {sorted(_CALL_FIELDS)}.")
    now = clock_from_environment().now()
    contract_id = str(body.get("contract_id", ""))
    contract = CallContract.objects.filter(pk=contract_id.replace("\x00", "")).first()
    if contract is None:
        refuse(404, "CONTRACT_UNKNOWN", f"There is no contract {contract_id!r}.", "contract_id")
    plan = _plan(body, contract)
    if plan.window.starts_at <= now:
        refuse(400, "FIELD_INVALID", "The window has begun: call for a later one.", "starts_at")
    return call_now(contract.contract_id, plan, now=now)


def _plan(body: dict[str, Any], contract: CallContract) -> CallPlan:
    today = clock_from_environment().now().astimezone(MARKET_ZONE).date()
    try:
        day = date.fromisoformat(body["date"]) if "date" in body else today
        return read_call(body, day, contract_power_w=contract.power_w)
    except KeyError as error:
        refuse(400, "FIELD_REQUIRED", f"A call needs {error}.")
    except (InvalidScenario, InvalidInterval, TypeError, ValueError, ArithmeticError) as error:
        refuse(400, "FIELD_INVALID", str(error))


def _arm(body: dict[str, Any]) -> None:
    kind, element = body.get("kind"), str(body.get("element", ""))
    if kind not in KINDS:
        refuse(400, "FAULT_INVALID", f"{kind!r} is no fault of UFTP: choose from {sorted(KINDS)}.")
    fixed = FIXED_ELEMENTS.get(kind)
    if unknown := body.keys() - {"kind", "element"}:
        refuse(400, "FAULT_INVALID", f"A {kind} fault has no {sorted(unknown)}.")
    if fixed and element not in {"", fixed}:
        refuse(400, "FAULT_INVALID", f"A {kind} fault acts on a {fixed} only.")
    UftpFault.objects.create(kind=kind, element=fixed or element)
