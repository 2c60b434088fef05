"""Reading the portfolio and what its assets did."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection
from django.db.models import OuterRef, QuerySet, Subquery

from aggregator.core.interval import Interval
from aggregator.core.ptu import ptu_range
from assets.models import Asset, AssetState, ChargingSession, Membership, Partner, Setpoint, SetpointBatch


@dataclass(frozen=True, slots=True)
class PtuEnergy:
    """Metered energy of a group in one PTU, over the assets that were members when it started.

    The sums run over the `received` assets only and are None when none was received: what is missing is not zero, and
    `missing_asset_ids` names it.
    """

    starts_at: datetime
    import_wh: int | None
    export_wh: int | None
    expected: int
    received: int
    missing_asset_ids: tuple[int, ...]

    @property
    def is_complete(self) -> bool:
        """Whether every member's value is there."""
        return self.received == self.expected


def members_at(*, aggregation_ean: str, instant: datetime) -> QuerySet[Asset]:
    """Return the group's assets at an instant, by id, with their partners."""
    return (
        Asset.objects.filter(memberships__aggregation_ean=aggregation_ean, memberships__period__contains=instant)
        .select_related("partner")
        .order_by("id")
    )


def energy_by_ptu(*, aggregation_ean: str, interval: Interval) -> list[PtuEnergy]:
    """Return the group's metered energy for every PTU of `interval`, each value at its latest revision.

    Raises `InvalidInterval` unless the interval lies on quarter hours.
    """
    ptus = ptu_range(interval)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH members AS MATERIALIZED (
                SELECT asset_id, period FROM assets_membership
                WHERE aggregation_ean_id = %(ean)s AND period && tstzrange(%(start)s, %(end)s)
            ), latest AS MATERIALIZED (
                SELECT DISTINCT ON (value.starts_at, value.asset_id)
                       value.starts_at, value.asset_id, value.import_wh, value.export_wh
                FROM members JOIN assets_meterinterval AS value
                  ON value.asset_id = members.asset_id AND members.period @> value.starts_at
                WHERE value.starts_at >= %(start)s AND value.starts_at < %(end)s
                ORDER BY value.starts_at, value.asset_id, value.revision DESC
            )
            SELECT ptu.starts_at, sum(latest.import_wh)::bigint, sum(latest.export_wh)::bigint,
                   count(members.asset_id), count(latest.asset_id),
                   array_agg(members.asset_id ORDER BY members.asset_id)
                       FILTER (WHERE members.asset_id IS NOT NULL AND latest.asset_id IS NULL)
            FROM unnest(%(ptus)s::timestamptz[]) AS ptu (starts_at)
            LEFT JOIN members ON members.period @> ptu.starts_at
            LEFT JOIN latest ON latest.starts_at = ptu.starts_at AND latest.asset_id = members.asset_id
            GROUP BY ptu.starts_at ORDER BY ptu.starts_at
            """,
            {"ean": aggregation_ean, "start": interval.starts_at, "end": interval.ends_at, "ptus": list(ptus)},
        )
        return [
            PtuEnergy(starts_at, import_wh, export_wh, expected, received, tuple(missing or ()))
            for starts_at, import_wh, export_wh, expected, received, missing in cursor.fetchall()
        ]


def sessions_between(*, asset_ids: Sequence[int], interval: Interval) -> QuerySet[ChargingSession]:
    """Return the sessions of some assets that touch `interval`, open ones included, by asset and start."""
    return (
        ChargingSession.objects.filter(asset_id__in=asset_ids, plug_in_at__lt=interval.ends_at)
        .exclude(plug_out_at__lte=interval.starts_at)
        .order_by("asset_id", "plug_in_at", "id")
    )


def latest_states(*, asset_ids: Sequence[int]) -> dict[int, AssetState]:
    """Return the newest reported state by asset id; assets that never reported are absent."""
    return {state.asset_id: state for state in AssetState.objects.filter(asset_id__in=asset_ids).order_by("asset_id")}


def assets_of_partner(*, partner: Partner, now: datetime) -> QuerySet[Asset]:
    """Return a partner's assets by name, each with the `aggregation_ean` it belongs to now, or None."""
    current = Membership.objects.filter(asset=OuterRef("pk"), period__contains=now).values("aggregation_ean")[:1]
    return Asset.objects.filter(partner=partner).annotate(aggregation_ean=Subquery(current)).order_by("external_id")


def setpoint_batches_of_partner(
    *, partner: Partner, after: int, limit: int
) -> list[tuple[SetpointBatch, list[Setpoint]]]:
    """Return a partner's batches after `after`, oldest first, each with its setpoints and their assets.

    A stopped partner is shown nothing.
    """
    if partner.is_stopped:
        return []
    batches = list(SetpointBatch.objects.filter(partner=partner, pk__gt=after).order_by("pk")[:limit])
    setpoints: dict[int, list[Setpoint]] = {batch.pk: [] for batch in batches}
    for setpoint in Setpoint.objects.filter(batch__in=batches).select_related("asset").order_by("batch_id", "id"):
        setpoints[setpoint.batch_id].append(setpoint)
    return [(batch, setpoints[batch.pk]) for batch in batches]
