"""What the partner's assets are asked to do, what became of it, and trying whether it reaches them."""

from dataclasses import asdict

from django.http import Http404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from aggregator.core.problems import Problem
from aggregator.core.services import clock
from assets import group_queries, queries
from assets.control import communication_tests
from assets.control import operations as control
from assets.control.own_rest import batch_document
from assets.cpo_api import steering_documents as documents
from assets.cpo_api.authentication import calling_partner
from assets.cpo_api.base import BatchView, PartnerView, cursor, findable, page_limit, period
from assets.cpo_api.described import AFTER_ID, FROM, LIMIT, TO, answers, write
from assets.models import Setpoint
from assets.validation import kinds


class SetpointsView(PartnerView):
    """What the partner's assets are asked to do."""

    required_scopes = ("setpoints",)

    @extend_schema(
        operation_id="list_setpoints", parameters=[AFTER_ID, LIMIT], responses=answers(documents.SetpointFeed, 400)
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
        updated = control.record_setpoint_results(
            partner_id=calling_partner(request).pk, rows=self.rows(request), now=clock().now()
        )
        return Response({"updated": updated})


class SetpointView(PartnerView):
    """One setpoint."""

    required_scopes = ("setpoints",)

    @extend_schema(operation_id="get_setpoint", responses=answers(documents.SetpointResponse, 404))
    def get(self, request: Request, setpoint_id: int) -> Response:
        """Return a setpoint, its newest result, and the response that your readings show."""
        found = (
            Setpoint.objects.filter(pk=setpoint_id, batch__partner=calling_partner(request))
            .select_related("asset")
            .first()
        )
        if found is None:
            raise Http404
        return Response(
            {
                "setpoint_id": found.pk,
                "batch_id": found.batch_id,
                "asset": found.asset.external_id,
                "starts_at": found.starts_at,
                "ends_at": found.ends_at,
                "status": found.status,
                "result_at": found.result_at,
                "reason": found.result_reason,
                "achieved_w": found.achieved_w,
                "response": [asdict(ptu) for ptu in group_queries.response_of(found)],
            }
        )


class SetpointPlanView(PartnerView):
    """What stands for the partner's assets over a period."""

    required_scopes = ("setpoints",)

    @extend_schema(
        operation_id="get_setpoint_plan",
        parameters=[
            FROM,
            TO,
            OpenApiParameter("aggregation_ean", {"type": "string", "pattern": "^[0-9]{18}$"}),
            OpenApiParameter("asset", {"type": "string", "minLength": 1, "maxLength": 64}),
        ],
        responses=answers(documents.SetpointPlan, 400, 404),
    )
    def get(self, request: Request) -> Response:
        """Return what your assets are asked in each quarter hour, summed over a group or for one asset.

        Of several batches the newest counts. Give `aggregation_ean` or `asset`. Quarter hours in which nothing stands
        are left out.
        """
        partner, interval = calling_partner(request), period(request)
        ean, asset = (request.query_params.get(name) for name in ("aggregation_ean", "asset"))
        if (ean is None) == (asset is None):
            raise Problem(status=400, code="required", detail="Give either aggregation_ean or asset.")
        if ean is not None:
            is_own = group_queries.has_part_in(partner_id=partner.pk, aggregation_ean=findable(ean), interval=interval)
        else:
            is_own = partner.assets.filter(external_id=findable(str(asset))).exists()
        if not is_own:
            raise Http404
        ptus = group_queries.planned_ptus(partner_id=partner.pk, interval=interval, aggregation_ean=ean, asset=asset)
        return Response({"ptus": [asdict(ptu) for ptu in ptus]})


class CommunicationTestsView(BatchView):
    """Tests that a setpoint reaches an asset."""

    required_scopes = ("setpoints",)
    rows_name = "tests"
    kind = kinds.COMMUNICATION_TEST
    most_rows = 10

    @write(
        "post_communication_tests",
        request=documents.CommunicationTestBatch,
        success=documents.CommunicationTests,
        refused=(409,),
    )
    def post(self, request: Request) -> Response:
        """Have assets told a power below what they take now, for 5 to 20 minutes, through the way of every setpoint.

        Each needs a state, and is refused while an order or another setpoint rules it. Ask for the report to see the
        round trip and when the asset moved.
        """
        partner, now = calling_partner(request), clock().now()
        try:
            tests = communication_tests.start_communication_tests(
                partner_id=partner.pk, rows=self.rows(request), now=now
            )
        except communication_tests.NotNow as error:
            raise Problem(status=409, code="not-now", detail=str(error)) from error
        return Response({"tests": [{"test_id": test.pk, "setpoint_id": test.setpoint_id} for test in tests]})


class CommunicationTestView(PartnerView):
    """One communication test."""

    required_scopes = ("setpoints",)

    @extend_schema(operation_id="get_communication_test", responses=answers(documents.CommunicationReport, 404))
    def get(self, request: Request, test_id: int) -> Response:
        """Return how far a test has come: pushed, answered, moved, and how long each took."""
        report = communication_tests.communication_report(
            partner_id=calling_partner(request).pk, test_id=test_id, now=clock().now()
        )
        if report is None:
            raise Http404
        return Response(asdict(report))
