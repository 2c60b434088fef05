"""What the views of the partners' interface share."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from django.http import Http404
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aggregator.core.interval import Interval
from aggregator.core.problems import Problem
from aggregator.core.ptu import ptu_start
from assets.cpo_api.authentication import BearerAuthentication
from assets.cpo_api.bodies import JsonBody
from assets.cpo_api.permissions import HasScope, IsActivePartner
from assets.cpo_api.throttling import PartnerRateThrottle
from assets.validation.rows import InvalidRows, JudgedRows, RowKind
from assets.validation.rules import Unacceptable, instant

ERRORS_SHOWN = 100
LONGEST_PERIOD = timedelta(days=7)


class PartnerView(APIView):
    """A view that a partner calls with a token; refused rows become a problem that lists them."""

    authentication_classes = (BearerAuthentication,)
    permission_classes = (HasScope, IsActivePartner)
    throttle_classes = (PartnerRateThrottle,)
    parser_classes: tuple[type[BaseParser], ...] = (JsonBody,)
    required_scopes: tuple[str, ...] = ()

    def handle_exception(self, exc: Exception) -> Response:
        """Answer refused rows as a problem."""
        if isinstance(exc, InvalidRows):
            exc = _invalid_rows(exc)
        return super().handle_exception(exc)


class BatchView(PartnerView):
    """A view that takes many rows of one kind at once: all of them, or none."""

    rows_name: str
    kind: RowKind
    most_rows: int

    def rows(self, request: Request) -> Sequence[Mapping[str, Any]]:
        """Return the rows in the body; raise `Problem` when there are none or too many."""
        document = request.data
        if isinstance(document, dict):
            strangers = sorted(map(str, document.keys() - {self.rows_name}))
            if strangers:
                raise Problem(
                    status=400,
                    code="unknown-field",
                    detail=f'The body holds {strangers[0][:64]!r}; it should hold only "{self.rows_name}".',
                )
        rows = document.get(self.rows_name) if isinstance(document, dict) else None
        if not isinstance(rows, list | JudgedRows) or not rows:
            raise Problem(
                status=400,
                code="no-rows",
                detail=f'The body should be an object with a list "{self.rows_name}" of at least one row.',
            )
        if len(rows) > self.most_rows:
            raise Problem(
                status=413,
                code="too-many-rows",
                detail=f"The batch has {len(rows)} rows; at most {self.most_rows} are taken. Split it.",
            )
        return rows


def page_limit(request: Request, *, default: int, at_most: int) -> int:
    """Return the `limit` parameter."""
    return _whole(request, "limit", default=default, lowest=1, highest=at_most)


def cursor(request: Request) -> int:
    """Return the `after` parameter as a number."""
    return _whole(request, "after", default=0, lowest=0, highest=2**63 - 1)


def period(request: Request) -> Interval:
    """Return the `from` and `to` parameters: a period on quarter hours, a week at most."""
    instants = {}
    for name in ("from", "to"):
        try:
            # An unescaped + in an address arrives as a space.
            instants[name] = instant(request.query_params[name].replace(" ", "+"))
        except KeyError:
            raise Problem(status=400, code="required", detail=f"The parameter {name} is missing.") from None
        except Unacceptable as error:
            raise Problem(status=400, code=error.code, detail=f"{name}: {error.message}") from error
        if ptu_start(instants[name]) != instants[name]:
            raise Problem(status=400, code="off-grid", detail=f"{name} is not on a quarter hour: :00, :15, :30 or :45.")
    if not timedelta() < instants["to"] - instants["from"] <= LONGEST_PERIOD:
        raise Problem(status=400, code="out-of-range", detail="to should lie after from, at most seven days.")
    return Interval(instants["from"], instants["to"])


def findable(name: str) -> str:
    """Return a name from an address; raise `Http404` for one with a NUL, which the database cannot even look for."""
    if "\0" in name:
        raise Http404
    return name


def _whole(request: Request, name: str, *, default: int, lowest: int, highest: int) -> int:
    text = request.query_params.get(name)
    if text is None:
        return default
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 20 else -1  # noqa: PLR2004 - 64 bits
    if not lowest <= number <= highest:
        raise Problem(
            status=400, code="out-of-range", detail=f"{name} should be a whole number from {lowest} to {highest}."
        )
    return number


def _invalid_rows(error: InvalidRows) -> Problem:
    shown = [
        {"index": one.index, "field": one.field, "code": one.code, "message": one.message}
        for one in error.errors[:ERRORS_SHOWN]
    ]
    more = (
        f" The first {ERRORS_SHOWN} of {len(error.errors)} errors are listed." if len(error.errors) > len(shown) else ""
    )
    return Problem(status=400, code="invalid-rows", detail=f"{error}{more}", errors=shown)
