"""Reading the portfolio and what its assets did."""

from collections.abc import Collection, Sequence
from datetime import datetime
from itertools import accumulate

from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Subquery

from assets.control.ports import SentSetpoint
from assets.models import (
    Asset,
    AssetState,
    Membership,
    OcpiSession,
    Partner,
    Setpoint,
    SetpointBatch,
)

SETPOINTS_PER_PAGE = 50_000


def leaving(*, aggregation_ean: str, instant: datetime, before: datetime) -> dict[int, datetime]:
    """Return when assets that are in a group at an instant leave it, by asset id; of those that do before `before`."""
    periods = Membership.objects.filter(
        aggregation_ean=aggregation_ean, period__contains=instant, period__endswith__lt=before
    ).values_list("asset_id", "period")
    return {asset_id: period.upper for asset_id, period in periods}


def latest_states(*, asset_ids: Sequence[int]) -> dict[int, AssetState]:
    """Return the newest reported state by asset id; assets that never reported are absent."""
    return {state.asset_id: state for state in AssetState.objects.filter(asset_id__in=asset_ids).order_by("asset_id")}


def out_of_use(*, asset_ids: Collection[int]) -> set[int]:
    """Return which of some assets told last that they cannot be steered: out of order, blocked, in maintenance."""
    return set(AssetState.objects.filter(asset_id__in=asset_ids, is_available=False).values_list("asset_id", flat=True))


def may_feed_in(*, asset_ids: Collection[int]) -> set[int]:
    """Return which of some assets feed in when they are told to, in one query.

    Over OCPI that takes the partner's agreement and the consent of the driver who is there; without both they only
    pause, whatever they could do.
    """
    consent = OcpiSession.objects.filter(evse__asset=OuterRef("pk"), status="ACTIVE", is_discharge_allowed=True)
    told_otherwise = Q(ocpi_evse=None) | Q(partner__ocpi__registered_at=None)
    return set(
        Asset.objects.filter(pk__in=asset_ids, max_export_w__gt=0)
        .filter(told_otherwise | Q(Exists(consent), partner__ocpi__is_v2g_agreed=True))
        .values_list("pk", flat=True)
    )


def assets_of_partner(*, partner: Partner, now: datetime) -> QuerySet[Asset]:
    """Return a partner's assets by name, each with the `aggregation_ean` it belongs to now, or None."""
    current = Membership.objects.filter(asset=OuterRef("pk"), period__contains=now).values("aggregation_ean")[:1]
    return Asset.objects.filter(partner=partner).annotate(aggregation_ean=Subquery(current)).order_by("external_id")


def setpoint_batches_of_partner(
    *, partner: Partner, after: int, limit: int
) -> list[tuple[SetpointBatch, list[SentSetpoint]]]:
    """Return a partner's batches after `after`, oldest first, each with its setpoints.

    At most `limit`, and none behind those that hold `SETPOINTS_PER_PAGE` setpoints together: a page fits into memory.
    A stopped partner is shown nothing, and a resumed one nothing of what was withdrawn.
    """
    if partner.is_stopped:
        return []
    shown = Setpoint.objects.filter(withdrawn_at=None)
    batches = list(
        SetpointBatch.objects.filter(
            Exists(shown.filter(batch=OuterRef("pk"))), partner=partner, pk__gt=after
        ).order_by("pk")[:limit]
    )
    sizes = dict(shown.filter(batch__in=batches).values_list("batch_id").annotate(Count("id")).order_by())
    before = accumulate((sizes[batch.pk] for batch in batches), initial=0)
    batches = [batch for batch, held in zip(batches, before, strict=False) if held < SETPOINTS_PER_PAGE]
    for batch in batches:
        batch.partner = partner  # known, so not read again for each
    setpoints: dict[int, list[SentSetpoint]] = {batch.pk: [] for batch in batches}
    for row in (
        shown.filter(batch__in=batches)
        .order_by("batch_id", "id")
        .values_list(
            "batch_id",
            "id",
            "asset__external_id",
            "asset__kind",
            "starts_at",
            "ends_at",
            "power_w",
            "start_early_s",
            "end_late_s",
            "ttl_s",
        )
    ):
        setpoints[row[0]].append(SentSetpoint(*row[1:]))
    return [(batch, setpoints[batch.pk]) for batch in batches]
