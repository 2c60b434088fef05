"""The groups (aggregation EANs) that the partner's assets belong to: its own part of them."""

from typing import Any

from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from aggregator.core.services import clock
from assets import energy, group_queries
from assets.cpo_api import steering_documents as documents
from assets.cpo_api.authentication import calling_partner
from assets.cpo_api.base import PartnerView, findable, period
from assets.cpo_api.described import FROM, TO, answers
from assets.models import AggregationEan, Asset

NAMED_MISSING = 100


class GroupsView(PartnerView):
    """The groups the partner has a part in."""

    required_scopes = ("assets",)

    @extend_schema(operation_id="list_groups", responses=answers(documents.GroupList))
    def get(self, request: Request) -> Response:
        """List the aggregation EANs in which you have assets now, with what those assets are and take together."""
        found = group_queries.groups_of_partner(partner_id=calling_partner(request).pk, now=clock().now())
        return Response({"groups": [_group(group) for group in found]})


class GroupView(PartnerView):
    """One group the partner has a part in."""

    required_scopes = ("assets",)

    @extend_schema(operation_id="get_group", responses=answers(documents.GroupView, 404))
    def get(self, request: Request, aggregation_ean: str) -> Response:
        """Return one aggregation EAN in which you have assets now."""
        found = group_queries.groups_of_partner(partner_id=calling_partner(request).pk, now=clock().now())
        group = found.filter(ean=findable(aggregation_ean)).first()
        if group is None:
            raise Http404
        return Response(_group(group))


class GroupEnergyView(PartnerView):
    """Energy of the partner's part of a group."""

    required_scopes = ("meter-values",)

    @extend_schema(
        operation_id="get_group_energy",
        parameters=[
            FROM,
            TO,
        ],
        responses=answers(documents.GroupEnergy, 400, 404),
    )
    def get(self, request: Request, aggregation_ean: str) -> Response:
        """Return the energy of your assets in a group per quarter hour, over those that belonged to it when it started.

        By meter values, which settlement counts, and by minute readings, which are there sooner. Both say how complete
        they are; a missing value counts on neither side, and a sum of nothing is null. Your first 100 missing assets
        are named.
        """
        partner, interval = calling_partner(request), period(request)
        ean = findable(aggregation_ean)
        if not group_queries.has_part_in(partner_id=partner.pk, aggregation_ean=ean, interval=interval):
            raise Http404
        metered = energy.energy_by_ptu(aggregation_ean=aggregation_ean, interval=interval, partner_id=partner.pk)
        [read] = energy.response_by_ptu(
            aggregation_eans=[aggregation_ean], interval=interval, partner_id=partner.pk
        ).values()
        missing = {asset_id for ptu in metered for asset_id in ptu.missing_asset_ids[:NAMED_MISSING]}
        names = dict(Asset.objects.filter(pk__in=missing).values_list("pk", "external_id"))
        return Response(
            {
                "ptus": [
                    {
                        "starts_at": by_meter.starts_at,
                        "import_wh": by_meter.import_wh,
                        "export_wh": by_meter.export_wh,
                        "expected": by_meter.expected,
                        "received": by_meter.received,
                        "missing": [names[asset_id] for asset_id in by_meter.missing_asset_ids[:NAMED_MISSING]],
                        "read_import_wh": by_minute.import_wh,
                        "read_export_wh": by_minute.export_wh,
                        "expected_minutes": by_minute.expected_minutes,
                        "received_minutes": by_minute.received_minutes,
                    }
                    for by_meter, by_minute in zip(metered, read, strict=True)
                ]
            }
        )


def _group(group: AggregationEan) -> dict[str, Any]:
    names = ("name", "is_sandbox", "assets", "max_import_w", "max_export_w", "reporting", "power_w")
    return {"aggregation_ean": group.ean, **{name: getattr(group, name) for name in names}}
