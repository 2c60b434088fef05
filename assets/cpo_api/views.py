"""The partners' interface: each view reads a request, makes one call, and words the answer."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from django.http import Http404
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from aggregator.core.services import clock
from assets import operations, queries
from assets.control import operations as control
from assets.control.own_rest import batch_document
from assets.cpo_api import documents, idempotency
from assets.cpo_api.authentication import calling_partner
from assets.cpo_api.base import BatchView, PartnerView, cursor, page_limit
from assets.cpo_api.bodies import CsvBody, JsonBody
from assets.models import Asset
from assets.validation import kinds

_REFUSALS = {
    400: "Rows or parameters are not acceptable; nothing was stored.",
    401: "No valid token.",
    403: "The token lacks the scope, or the partner is not active.",
    404: "Not found, or not yours.",
    413: "Too many rows, or too large a body.",
    415: "Neither of the media types or encodings that are read.",
    422: "The idempotency key came before with another request.",
    429: "Too many requests; see Retry-After.",
}


def write(
    operation_id: str, *, request: Any, success: type, refused: Sequence[int] = ()
) -> Callable[[Callable[..., Response]], Callable[..., Response]]:
    """Return a decorator for methods that change something: described, and answered once per idempotency key."""

    def decorate(handler: Callable[..., Response]) -> Callable[..., Response]:
        described: Callable[[Callable[..., Response]], Callable[..., Response]] = extend_schema(
            operation_id=operation_id,
            request=request,
            parameters=[idempotency.PARAMETER],
            responses=_answers(success, 400, 413, 415, 422, *refused),
        )
        return described(idempotency.answered_once(handler))

    return decorate


def _answers(success: type, *refused: int) -> dict[int | tuple[int, str], Any]:
    return {200: success} | {
        (status, "application/problem+json"): OpenApiResponse(documents.Problem, _REFUSALS[status])
        for status in (*refused, 401, 403, 429)
    }


_LIMIT = OpenApiParameter("limit", {"type": "integer", "minimum": 1, "maximum": 1_000}, description="Rows per page.")
_AFTER_NAME = OpenApiParameter(
    "after", {"type": "string", "maxLength": 64}, description="Start after this `external_id`."
)
_AFTER_ID = OpenApiParameter(
    "after", {"type": "integer", "minimum": 0, "maximum": 2**63 - 1}, description="Start after this `batch_id`."
)


class AssetsView(BatchView):
    """The partner's assets."""

    required_scopes = ("assets",)
    rows_name = "assets"
    kind = kinds.ASSET
    most_rows = 5_000

    @write("put_assets", request=documents.AssetBatch, success=documents.Upserted)
    def put(self, request: Request) -> Response:
        """Register assets or bring them up to date, by your own `external_id`.

        A row describes the whole asset. Sending it again changes nothing. All rows are stored or none.
        """
        done = operations.upsert_assets(
            partner_id=calling_partner(request).pk, rows=self.rows(request), now=clock().now()
        )
        return Response(asdict(done))

    @extend_schema(
        operation_id="list_assets", parameters=[_AFTER_NAME, _LIMIT], responses=_answers(documents.AssetPage, 400)
    )
    def get(self, request: Request) -> Response:
        """List your assets by `external_id`, with the group each belongs to now."""
        limit = page_limit(request, default=500, at_most=1_000)
        found = queries.assets_of_partner(partner=calling_partner(request), now=clock().now())
        after = request.query_params.get("after", "").replace("\0", "")
        page = [_asset(asset) for asset in found.filter(external_id__gt=after)[:limit]]
        return Response({"assets": page, "next_after": page[-1]["external_id"] if len(page) == limit else None})


class AssetView(PartnerView):
    """One asset of the partner."""

    required_scopes = ("assets",)

    @extend_schema(operation_id="get_asset", responses=_answers(documents.AssetView, 404))
    def get(self, request: Request, external_id: str) -> Response:
        """Return one of your assets, with the group it belongs to now."""
        found = queries.assets_of_partner(partner=calling_partner(request), now=clock().now())
        asset = None if "\0" in external_id else found.filter(external_id=external_id).first()
        if asset is None:
            raise Http404
        return Response(_asset(asset))


class StatesView(BatchView):
    """What the partner's assets do now."""

    required_scopes = ("assets",)
    rows_name = "states"
    kind = kinds.STATE
    most_rows = 10_000

    @write("post_states", request=documents.StateBatch, success=documents.StatesRecorded)
    def post(self, request: Request) -> Response:
        """Report what assets do now; the newest state of each asset is kept."""
        done = operations.record_states(
            partner_id=calling_partner(request).pk, rows=self.rows(request), now=clock().now()
        )
        return Response(asdict(done))


class SessionsView(BatchView):
    """Charging sessions at the partner's assets."""

    required_scopes = ("sessions",)
    rows_name = "sessions"
    kind = kinds.SESSION
    most_rows = 10_000

    @write("post_sessions", request=documents.SessionBatch, success=documents.Upserted)
    def post(self, request: Request) -> Response:
        """Report sessions at plug-in, when they change, and at plug-out, by asset and your own `external_id`.

        An absent optional field keeps what you reported before. A report without `plug_out_at` about a session that
        has ended counts as a late one and changes nothing.
        """
        done = operations.record_sessions(
            partner_id=calling_partner(request).pk, rows=self.rows(request), now=clock().now()
        )
        return Response(asdict(done))


class MeterValuesView(BatchView):
    """15-minute energy of the partner's assets."""

    required_scopes = ("meter-values",)
    parser_classes = (JsonBody, CsvBody)
    rows_name = "values"
    kind = kinds.METER_VALUE
    most_rows = 20_000

    @write(
        "post_meter_values",
        request={"application/json": documents.MeterValueBatch, "text/csv": str},
        success=documents.ValuesStored,
    )
    def post(self, request: Request) -> Response:
        """Deliver 15-minute energy, as JSON or as a CSV table with the same columns, plain or gzipped.

        Sending values again is harmless. A correction is a row with a higher `revision`.
        """
        done = operations.store_meter_values(
            partner_id=calling_partner(request).pk, rows=self.rows(request), now=clock().now()
        )
        return Response(asdict(done))


class ReadingsView(BatchView):
    """Power of the partner's assets, minute by minute."""

    required_scopes = ("meter-values",)
    parser_classes = (JsonBody, CsvBody)
    rows_name = "readings"
    kind = kinds.READING
    most_rows = 20_000

    @write(
        "post_readings",
        request={"application/json": documents.ReadingBatch, "text/csv": str},
        success=documents.ValuesStored,
    )
    def post(self, request: Request) -> Response:
        """Report the mean power of assets in single minutes, as JSON or CSV, plain or gzipped.

        They show how assets respond while an order runs, and stand beside meter values, which settlement is made of.
        Sending them again is harmless. A correction is a row with a higher `revision`.
        """
        done = operations.store_readings(
            partner_id=calling_partner(request).pk, rows=self.rows(request), now=clock().now()
        )
        return Response(asdict(done))


class SetpointsView(PartnerView):
    """What the partner's assets are asked to do."""

    required_scopes = ("setpoints",)

    @extend_schema(
        operation_id="list_setpoints", parameters=[_AFTER_ID, _LIMIT], responses=_answers(documents.SetpointFeed, 400)
    )
    def get(self, request: Request) -> Response:
        """Return the batches of setpoints after `after`, oldest first: for when pushing fails or is not used."""
        after = cursor(request)
        batches = queries.setpoint_batches_of_partner(
            partner=calling_partner(request), after=after, limit=page_limit(request, default=20, at_most=1_000)
        )
        page = [batch_document(batch, setpoints) for batch, setpoints in batches]
        return Response({"batches": page, "next_after": page[-1]["batch_id"] if page else after})


class SetpointResultsView(BatchView):
    """What became of setpoints."""

    required_scopes = ("setpoints",)
    rows_name = "results"
    kind = kinds.RESULT
    most_rows = 10_000

    @write("post_setpoint_results", request=documents.ResultBatch, success=documents.ResultsRecorded)
    def post(self, request: Request) -> Response:
        """Report what became of setpoints; the newest result of each is kept."""
        updated = control.record_setpoint_results(partner_id=calling_partner(request).pk, rows=self.rows(request))
        return Response({"updated": updated})


def _asset(asset: Asset) -> dict[str, Any]:
    return {
        **{name: getattr(asset, name) for name in kinds.ASSET.names},
        "round_trip_efficiency": str(asset.round_trip_efficiency),
        "aggregation_ean": asset.aggregation_ean,  # type: ignore[attr-defined] # annotated by the query
    }
