"""Reading the portfolio and what its assets did."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from django.db import connection
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange
from django.db.models import OuterRef, QuerySet, Subquery

from aggregator.core.interval import Interval
from aggregator.core.ptu import ptu_range
from assets.control.ports import SentSetpoint
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
    during = DateTimeTZRange(interval.starts_at, interval.ends_at)
    members = list(
        Membership.objects.filter(aggregation_ean=aggregation_ean, period__overlap=during)
        .order_by("asset_id")
        .values_list("asset_id", "period")
    )
    metered = _metered_by_ptu(aggregation_ean, interval)
    energy = []
    for ptu in ptus:
        import_wh, export_wh, received = metered.get(ptu, (None, None, frozenset()))
        expected = [asset_id for asset_id, period in members if ptu in period]
        missing = tuple(asset_id for asset_id in expected if asset_id not in received)
        energy.append(PtuEnergy(ptu, import_wh, export_wh, len(expected), len(received), missing))
    return energy


def _metered_by_ptu(aggregation_ean: str, interval: Interval) -> dict[datetime, tuple[int, int, frozenset[int]]]:
    """Return import, export and the assets they come from, by PTU, over who was a member when it started."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT starts_at, sum(import_wh)::bigint, sum(export_wh)::bigint, array_agg(asset_id)
            FROM (
                SELECT DISTINCT ON (value.asset_id, value.starts_at)
                       value.asset_id, value.starts_at, value.import_wh, value.export_wh
                FROM assets_membership AS membership JOIN assets_meterinterval AS value
                  ON value.asset_id = membership.asset_id AND membership.period @> value.starts_at
                WHERE membership.aggregation_ean_id = %(ean)s AND membership.period && tstzrange(%(start)s, %(end)s)
                  AND value.starts_at >= %(start)s AND value.starts_at < %(end)s
                ORDER BY value.asset_id, value.starts_at, value.revision DESC
            ) AS latest
            GROUP BY starts_at
            """,
            {"ean": aggregation_ean, "start": interval.starts_at, "end": interval.ends_at},
        )
        return {
            starts_at.astimezone(UTC): (import_wh, export_wh, frozenset(assets))
            for starts_at, import_wh, export_wh, assets in cursor.fetchall()
        }


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
) -> list[tuple[SetpointBatch, list[SentSetpoint]]]:
    """Return a partner's batches after `after`, oldest first, each with its setpoints.

    A stopped partner is shown nothing.
    """
    if partner.is_stopped:
        return []
    batches = list(SetpointBatch.objects.filter(partner=partner, pk__gt=after).order_by("pk")[:limit])
    setpoints: dict[int, list[SentSetpoint]] = {batch.pk: [] for batch in batches}
    for row in (
        Setpoint.objects.filter(batch__in=batches)
        .order_by("batch_id", "id")
        .values_list(
            "batch_id", "id", "asset__external_id", "starts_at", "ends_at", "power_w", "start_early_s", "end_late_s"
        )
    ):
        setpoints[row[0]].append(SentSetpoint(*row[1:]))
    return [(batch, setpoints[batch.pk]) for batch in batches]
