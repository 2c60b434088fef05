"""UFTP's side doors and its front door: access tokens, the address book, and the broker's endpoint."""

import base64
import binascii
from http import HTTPStatus
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse, JsonResponse

from aggregator.core.clock import clock_from_environment
from bidding.markets.uftp.transport import ANSWERS, MESSAGE_PATH, Condition, condition_of_headers
from bidding.markets.uftp.vocabulary import Role
from mock_gopacs.models import CallContract, Market, UftpParticipant
from mock_gopacs.uftp import access, broker
from mock_gopacs.uftp.address_book import published_key
from mock_gopacs.views.answers import json_view, refuse

ROLES = (Role.AGR.value, Role.DSO.value)


@json_view("POST")
def token(request: HttpRequest) -> JsonResponse:
    """Hand out an access token, in Keycloak's words."""
    client_id, client_secret = _client_credentials(request)
    try:
        text, seconds = access.issue_token(
            grant_type=request.POST.get("grant_type", ""), client_id=client_id, client_secret=client_secret
        )
    except access.TokenRefused as refusal:
        return JsonResponse({"error": refusal.error, "error_description": str(refusal)}, status=refusal.status)
    except Market.DoesNotExist:
        refuse(503, "NO_SCENARIO", "The market has just been emptied: load a scenario.")
    document = {
        "access_token": text,
        "expires_in": seconds,
        "refresh_expires_in": 0,
        "token_type": "Bearer",
        "not-before-policy": 0,
        "scope": "profile email",
    }
    return JsonResponse(document, headers={"Cache-Control": "no-store"})


@json_view("GET")
def participant(request: HttpRequest, *, domain: str) -> JsonResponse:
    """Answer with a domain's key (V3)."""
    _require_token(request)
    return JsonResponse(_entry(_known(domain)))


@json_view("GET")
def participant_of_contract(request: HttpRequest, *, contract_id: str, role: str) -> JsonResponse:
    """Answer with the key of a contract's party (V3)."""
    _require_token(request)
    if role not in ROLES:
        refuse(400, "ROLE_UNSUPPORTED", f"{role!r} is not supported: ask for {' or '.join(ROLES)}.")
    rows = CallContract.objects.select_related("dso", "aggregator")
    contract = rows.filter(pk=contract_id.replace("\x00", "")).first()
    if contract is None:
        refuse(404, "CONTRACT_UNKNOWN", f"There is no contract {contract_id}.")
    return JsonResponse(_entry(contract.dso if role == Role.DSO else contract.aggregator))


@json_view("GET")
def participant_v2(request: HttpRequest, *, role: str, domain: str = "") -> JsonResponse:
    """Answer with a participant's key and endpoint, as long as the old version has not been removed."""
    market = Market.objects.first()
    status = market.address_book_v2_status if market else HTTPStatus.OK
    if status != HTTPStatus.OK:
        refuse(status, "VERSION_REMOVED", "V2 of the address book was removed: use V3.")
    if not domain:
        ean = request.GET.get("contractedEan", "").replace("\x00", "")
        contract = CallContract.objects.select_related("dso").filter(ean=ean).order_by("pk").first()
        if role != Role.DSO or contract is None:
            refuse(404, "PARTICIPANT_UNKNOWN", f"There is no {role} with a contract on EAN {ean!r}.")
        domain = contract.dso_id
    found = _known(domain)
    if found.role != role:
        refuse(404, "PARTICIPANT_UNKNOWN", f"There is no {role} {domain}.")
    return JsonResponse({**_entry(found), "endpoint": found.endpoint or MESSAGE_PATH})


def message(request: HttpRequest) -> HttpResponse:
    """Take a signed message in: empty 200, or a status that says what is wrong with it."""
    try:
        _take(request)
    except broker.Refused as refusal:
        answer = _plain(refusal.status, str(refusal))
        if refusal.status == HTTPStatus.UNAUTHORIZED:
            answer["WWW-Authenticate"] = 'Bearer realm="gopacs"'
        return answer
    except RequestDataTooBig:
        return _plain(ANSWERS[Condition.BODY_TOO_LARGE].status, "The body is larger than 256 KiB.")
    except Market.DoesNotExist:
        return _plain(HTTPStatus.SERVICE_UNAVAILABLE, "The market has just been emptied: load a scenario.")
    return HttpResponse(content_type="text/plain")


def _take(request: HttpRequest) -> None:
    if request.method != "POST":
        raise broker.Refused(HTTPStatus.METHOD_NOT_ALLOWED, "Send messages with POST.")
    client = access.owner_of(request.headers.get("Authorization", ""))
    if client is None:
        raise broker.Refused(HTTPStatus.UNAUTHORIZED, "Give a live access token.")
    request.META["mock_gopacs.participant"] = client.domain
    condition = condition_of_headers(
        content_type=request.headers.get("Content-Type"), content_length=request.headers.get("Content-Length")
    )
    if condition is not None:
        raise broker.Refused(HTTPStatus(ANSWERS[condition].status), condition.name)
    broker.receive(request.body, client=client, now=clock_from_environment().now())


def _client_credentials(request: HttpRequest) -> tuple[str, str]:
    """Return id and secret from the form, or from a Basic header."""
    scheme, _, packed = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            client_id, _, secret = base64.b64decode(packed, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return "", ""
        return client_id, secret
    return request.POST.get("client_id", ""), request.POST.get("client_secret", "")


def _require_token(request: HttpRequest) -> None:
    if access.owner_of(request.headers.get("Authorization", "")) is None:
        refuse(401, "TOKEN_INVALID", "Give a live access token: Authorization: Bearer …")


def _known(domain: str) -> UftpParticipant:
    found = UftpParticipant.objects.filter(pk=domain.replace("\x00", "")).first()
    if found is None:
        refuse(404, "PARTICIPANT_UNKNOWN", f"There is no participant {domain}.")
    return found


def _entry(participant: UftpParticipant) -> dict[str, Any]:
    return {"domain": participant.domain, "publicKey": published_key(participant).public_key}


def _plain(status: int, text: str) -> HttpResponse:
    return HttpResponse(text, status=status, content_type="text/plain; charset=utf-8")
