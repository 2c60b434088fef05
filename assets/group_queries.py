"""What a partner may know of the groups its assets belong to: its own part of them, and nothing of others'."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection
from django.db.models import Count, Q, QuerySet, Sum

from aggregator.core.interval import Interval
from aggregator.core.ptu import ptu_range
from assets.models import AggregationEan, Membership, Setpoint


@dataclass(frozen=True, slots=True)
class PlannedPtu:
    """What a partner's assets are asked in one PTU: the sum, and over how many of them."""

    starts_at: datetime
    assets: int
    power_w: int


@dataclass(frozen=True, slots=True)
class Response:
    """What was asked of an asset in one PTU and what minute readings say it took, None without any."""

    starts_at: datetime
    asked_w: int
    measured_w: int | None
    minutes: int


def groups_of_partner(*, partner_id: int, now: datetime) -> QuerySet[AggregationEan]:
    """Return the groups in which a partner has assets now, with what those assets are and do.

    Annotated with `assets`, `max_import_w`, `max_export_w`, `reporting` (assets with a state) and `power_w`, the sum
    of the newest states, None when there is none.
    """
    own = Q(memberships__period__contains=now, memberships__asset__partner_id=partner_id)
    return (
        AggregationEan.objects.filter(own)
        .annotate(
            assets=Count("memberships__asset"),
            max_import_w=Sum("memberships__asset__max_import_w"),
            max_export_w=Sum("memberships__asset__max_export_w"),
            reporting=Count("memberships__asset__state"),
            power_w=Sum("memberships__asset__state__power_w"),
        )
        .order_by("ean")
    )


def has_part_in(*, partner_id: int, aggregation_ean: str, interval: Interval) -> bool:
    """Tell whether any asset of a partner belongs to a group at some time in an interval."""
    return Membership.objects.filter(
        aggregation_ean=aggregation_ean,
        asset__partner_id=partner_id,
        period__overlap=(interval.starts_at, interval.ends_at),
    ).exists()


def planned_ptus(
    *, partner_id: int, interval: Interval, aggregation_ean: str | None = None, asset: str | None = None
) -> list[PlannedPtu]:
    """Return what stands for a partner's assets in every PTU in which something does, of a group or of one asset.

    Of several batches for an asset and PTU the newest counts; what the partner rejected, or what was
    withdrawn when it was stopped, does not.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT starts_at, count(*), sum(power_w)::bigint FROM (
                SELECT DISTINCT ON (setpoint.asset_id, ptu.starts_at) ptu.starts_at,
                       setpoint.power_w[
                           1 + extract(epoch FROM ptu.starts_at - setpoint.starts_at)::int / 900] AS power_w
                FROM unnest(%(ptus)s::timestamptz[]) AS ptu (starts_at)
                JOIN assets_setpoint AS setpoint
                  ON setpoint.starts_at <= ptu.starts_at AND setpoint.ends_at > ptu.starts_at
                JOIN assets_setpointbatch AS batch ON batch.id = setpoint.batch_id
                JOIN assets_asset AS asset ON asset.id = setpoint.asset_id
                WHERE batch.partner_id = %(partner)s AND setpoint.status <> 'rejected' AND setpoint.withdrawn_at IS NULL
                  AND setpoint.ends_at > %(start)s AND setpoint.starts_at < %(end)s
                  AND (%(ean)s::text IS NULL OR batch.aggregation_ean_id = %(ean)s)
                  AND (%(asset)s::text IS NULL OR asset.external_id = %(asset)s)
                ORDER BY setpoint.asset_id, ptu.starts_at, batch.id DESC
            ) AS standing
            GROUP BY starts_at ORDER BY starts_at
            """,
            {
                "ptus": list(ptu_range(interval)),
                "start": interval.starts_at,
                "end": interval.ends_at,
                "partner": partner_id,
                "ean": aggregation_ean,
                "asset": asset,
            },
        )
        return [PlannedPtu(*row) for row in cursor.fetchall()]


def response_of(setpoint: Setpoint) -> Sequence[Response]:
    """Return what a setpoint asked in each PTU beside what its asset took by minute readings (1 query)."""
    ptus = ptu_range(Interval(setpoint.starts_at, setpoint.ends_at))
    measured = {
        quarter.starts_at: quarter
        for quarter in setpoint.asset.reading_quarters.filter(
            starts_at__gte=setpoint.starts_at, starts_at__lt=setpoint.ends_at
        )
    }
    responses = []
    for ptu, asked_w in zip(ptus, setpoint.power_w, strict=True):
        quarter = measured.get(ptu)
        mean_w = round((quarter.import_wmin - quarter.export_wmin) / quarter.minutes) if quarter else None
        responses.append(Response(ptu, asked_w, mean_w, quarter.minutes if quarter else 0))
    return responses
