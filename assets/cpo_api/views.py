"""The partners' interface: each view reads a request, makes one call, and words the answer."""

from dataclasses import asdict
from typing import Any

from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from aggregator.core.services import clock
from assets import operations, queries
from assets.cpo_api import documents
from assets.cpo_api.authentication import calling_partner
from assets.cpo_api.base import BatchView, PartnerView, findable, page_limit
from assets.cpo_api.bodies import CsvBody, JsonBody
from assets.cpo_api.described import AFTER_NAME, LIMIT, answers, write
from assets.models import Asset
from assets.validation import kinds


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
        operation_id="list_assets", parameters=[AFTER_NAME, LIMIT], responses=answers(documents.AssetPage, 400)
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

    @extend_schema(operation_id="get_asset", responses=answers(documents.AssetView, 404))
    def get(self, request: Request, external_id: str) -> Response:
        """Return one of your assets, with the group it belongs to now."""
        found = queries.assets_of_partner(partner=calling_partner(request), now=clock().now())
        asset = found.filter(external_id=findable(external_id)).first()
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


def _asset(asset: Asset) -> dict[str, Any]:
    return {
        **{name: getattr(asset, name) for name in kinds.ASSET.names},
        "round_trip_efficiency": str(asset.round_trip_efficiency),
        "aggregation_ean": asset.aggregation_ean,  # type: ignore[attr-defined] # annotated by the query
    }
