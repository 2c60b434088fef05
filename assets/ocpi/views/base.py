"""What all OCPI endpoints share: who calls, the envelope, the headers, and which status says what.

An object that is understood is never answered with an HTTP error: HTTP 200 and a status of 2000 or more say what is
wrong with it (transport_and_format). HTTP errors are for what comes before: no valid token (401), no JSON (400), no
such thing (404), not the moment for it (405).
"""

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from math import ceil
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import csrf_exempt

from aggregator.core.rates import is_within, seconds_left
from aggregator.core.services import clock
from assets.models import OcpiConnection, OcpiToken
from assets.ocpi import tokens
from assets.ocpi.connections import AlreadyRegistered, NotRegistered, parties_of
from assets.ocpi.wire import InvalidObject, Status, envelope, tokens_in

logger = logging.getLogger(__name__)

HEARD_PRECISION = timedelta(minutes=1)
ECHOED = ("X-Request-ID", "X-Correlation-ID")


class Refused(Exception):
    """A request is answered with an HTTP error."""

    def __init__(self, http_status: HTTPStatus, message: str, status: Status = Status.CLIENT_ERROR) -> None:
        super().__init__(message)
        self.http_status = http_status
        self.status = status


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer; without data the envelope has none."""

    data: Any = None
    http_status: HTTPStatus = HTTPStatus.OK
    status: Status = Status.SUCCESS
    message: str = ""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, when, and with which text in the header: `GET credentials` gives it back, as we keep no token."""

    token: OcpiToken
    text: str
    now: datetime

    @property
    def connection(self) -> OcpiConnection:
        """The connection the token belongs to."""
        return self.token.connection


@method_decorator(csrf_exempt, name="dispatch")
class OcpiView(View):
    """An endpoint; handlers are named `on_get` and so on and return an `Answer`."""

    is_open_to_registration = False
    """Whether a registration token may call it: versions and credentials only."""

    def dispatch(self, request: HttpRequest, *_arguments: Any, **path: Any) -> HttpResponseBase:
        """Answer in an envelope, whatever happens."""
        now = clock().now()
        try:
            answer = self._answer(request, now, path)
        except Refused as refused:
            answer = _failure(refused.http_status, refused.status, str(refused))
        except (AlreadyRegistered, NotRegistered) as error:
            answer = _failure(HTTPStatus.METHOD_NOT_ALLOWED, Status.CLIENT_ERROR, str(error))
        except InvalidObject as error:
            answer = _failure(HTTPStatus.OK, error.code, str(error))
        except Exception:  # whatever it was, the peer gets OCPI's own envelope, and the log asks for a person
            logger.exception("%s %s failed", request.method, type(self).__name__)
            answer = _failure(HTTPStatus.OK, Status.SERVER_ERROR, "We failed. Try again later.")
        return self._respond(request, now, answer)

    def _answer(self, request: HttpRequest, now: datetime, path: Mapping[str, Any]) -> Answer:
        caller = self._caller(request, now)
        handler: Callable[..., Answer] | None = getattr(self, f"on_{(request.method or '').lower()}", None)
        if handler is None:
            raise Refused(HTTPStatus.METHOD_NOT_ALLOWED, f"{request.method} has no meaning here.")
        if not all(part.isascii() and part.isprintable() for part in path.values() if part is not None):
            raise Refused(HTTPStatus.NOT_FOUND, "Ids are printable ASCII characters.")
        return handler(request, caller, **path)

    def _caller(self, request: HttpRequest, now: datetime) -> Caller:
        candidates = tokens_in(request.headers.get("Authorization", ""))
        token = tokens.find(candidates)
        if (
            token is None
            or not token.connection.partner.is_active
            or (token.purpose == OcpiToken.Purpose.REGISTRATION and not self.is_open_to_registration)
        ):
            raise Refused(HTTPStatus.UNAUTHORIZED, "No valid token. Send Authorization: Token <base64 of your token>.")
        if not is_within(key=f"ocpi:{token.connection.pk}", limit=settings.OCPI_REQUESTS_PER_MINUTE):
            raise Refused(HTTPStatus.TOO_MANY_REQUESTS, "Too many requests; see Retry-After.")
        tokens.note_use(token=token, now=now)
        connection = token.connection
        if connection.heard_at is None or now - connection.heard_at >= HEARD_PRECISION:
            OcpiConnection.objects.filter(pk=connection.pk).update(heard_at=now)
        text = next(one for one in candidates if one.startswith(f"{token.lookup_id}."))
        return Caller(token, text, now)

    def _respond(self, request: HttpRequest, now: datetime, answer: Answer) -> HttpResponse:
        body = envelope(data=answer.data, now=now, status=answer.status, message=answer.message)
        response = JsonResponse(body, status=answer.http_status)
        for name in ECHOED:
            if name in request.headers:
                response[name] = request.headers[name]
        if not self.is_open_to_registration:
            response["OCPI-from-country-code"] = settings.OCPI_COUNTRY_CODE
            response["OCPI-from-party-id"] = settings.OCPI_PARTY_ID
            for name in ("country-code", "party-id"):
                if f"OCPI-from-{name}" in request.headers:
                    response[f"OCPI-to-{name}"] = request.headers[f"OCPI-from-{name}"]
        if answer.http_status == HTTPStatus.UNAUTHORIZED:
            response["WWW-Authenticate"] = "Token"
        if answer.http_status == HTTPStatus.TOO_MANY_REQUESTS:
            response["Retry-After"] = str(ceil(seconds_left()))
        return response


class NothingHere(OcpiView):
    """Whatever address we do not have."""

    def _answer(self, request: HttpRequest, now: datetime, path: Mapping[str, Any]) -> Answer:
        self._caller(request, now)
        raise Refused(HTTPStatus.NOT_FOUND, f"There is nothing at {path['rest'][:200]}. GET versions leads on.")


def document_in(request: HttpRequest) -> Any:
    """Return the JSON document in a body; raise `Refused` when it is none."""
    try:
        return json.loads(request.body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise Refused(
            HTTPStatus.BAD_REQUEST, "The body is not a JSON document in UTF-8.", Status.INVALID_PARAMETERS
        ) from error


def require_party(caller: Caller, country_code: str, party_id: str) -> None:
    """Raise `Refused` unless the caller speaks for this party: what is another's does not exist for it."""
    if (country_code.upper(), party_id.upper()) not in parties_of(caller.connection.pk):
        raise Refused(HTTPStatus.NOT_FOUND, "This party is not one of those you registered with.")


def require_same(document: Any, **expected: str) -> None:
    """Raise `InvalidObject` unless an object is the one its address names; ids have no case."""
    for name, value in expected.items():
        told = document.get(name) if isinstance(document, dict) else None
        if not isinstance(told, str) or told.lower() != value.lower():
            raise InvalidObject(f"{name} in the body is not the one in the address.")


def _failure(http_status: HTTPStatus, status: Status, message: str) -> Answer:
    return Answer(http_status=http_status, status=status, message=message)


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")
