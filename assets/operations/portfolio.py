"""Congestion areas, aggregation EANs, and which assets belong to them when."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db import IntegrityError, transaction
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange
from psycopg import errors

from aggregator.core import audit
from aggregator.core.interval import utc
from aggregator.core.ptu import ptu_start
from assets.models import AggregationEan, Asset, CongestionArea, Membership
from assets.validation.kinds import MEMBERSHIP_OFF_GRID, MEMBERSHIP_OVERLAPS


class UnableToEnrol(ValueError):
    """Assets cannot join the group; none of them did. The text says which, why, and what to do."""


class UnableToEndMembership(ValueError):
    """The asset is in no group then, or the end does not lie after the start."""


NAMED_IN_ERRORS = 10


@transaction.atomic
def create_congestion_area(*, code: str, name: str, grid_operator: str, postcodes: Sequence[str]) -> CongestionArea:
    """Register an area of the grid; raises `ValidationError` on a wrong EAN-13 or a code already taken."""
    area = CongestionArea(code=code, name=name, grid_operator=grid_operator, postcodes=list(postcodes))
    area.full_clean()
    area.save()
    return area


@transaction.atomic
def create_aggregation_ean(
    *,
    ean: str,
    name: str,
    congestion_area: CongestionArea,
    brp: str,
    now: datetime,
    actor: AbstractBaseUser | None = None,
    **product: Any,
) -> AggregationEan:
    """Register a group under its EAN; `product` holds what differs from the model's defaults (reliability, price …).

    Raises `ValidationError` on a wrong EAN or product setting.
    """
    group = AggregationEan(ean=ean, name=name, congestion_area=congestion_area, brp=brp, **product)
    group.full_clean()
    group.save(force_insert=True)
    audit.record(now=now, action="assets.aggregation_ean.created", subject=group, actor=actor, after={"name": name})
    return group


@transaction.atomic
def enrol_assets(
    *,
    aggregation_ean: str,
    asset_ids: Sequence[int],
    starts_at: datetime,
    now: datetime,
    actor: AbstractBaseUser | None = None,
) -> int:
    """Let assets belong to a group from `starts_at` on; return how many. Raises `UnableToEnrol`: then none joined.

    `starts_at` lies on a quarter hour, because a meter value belongs to one group.
    """
    group = AggregationEan.objects.filter(pk=aggregation_ean).first()
    if group is None:
        raise UnableToEnrol(
            f"No aggregation EAN {aggregation_ean} is registered. Create it first, or correct the code."
        )
    start = utc(starts_at)
    _require_quarter_hour(start, UnableToEnrol)
    missing = set(asset_ids) - set(Asset.objects.filter(pk__in=asset_ids).values_list("pk", flat=True))
    if missing:
        raise UnableToEnrol(f"No asset has id {_listed(missing)}. Register the assets first.")
    period = DateTimeTZRange(start, None)
    try:
        with transaction.atomic():
            Membership.objects.bulk_create(
                [Membership(asset_id=asset, aggregation_ean=group, period=period) for asset in asset_ids],
                batch_size=5_000,
            )
    except IntegrityError as error:
        if isinstance(error.__cause__, errors.ExclusionViolation):
            raise UnableToEnrol(_overlaps(asset_ids, period)) from error
        raise UnableToEnrol(f"{error} Enrol each in a group of its own side.") from error
    audit.record(
        now=now,
        action="assets.aggregation_ean.enrolled",
        subject=group,
        actor=actor,
        after={"assets": len(asset_ids), "starts_at": start.isoformat()},
    )
    return len(asset_ids)


@transaction.atomic
def end_membership(
    *, asset_id: int, ends_at: datetime, reason: str, now: datetime, actor: AbstractBaseUser | None = None
) -> Membership:
    """Let an asset leave its group at `ends_at` (a quarter hour); raises `UnableToEndMembership`."""
    end = utc(ends_at)
    _require_quarter_hour(end, UnableToEndMembership)
    membership = (
        Membership.objects.select_for_update()
        .filter(asset_id=asset_id, period__contains=end)
        .exclude(period__startswith=end)
        .first()
    )
    if membership is None:
        raise UnableToEndMembership(
            f"Asset {asset_id} is in no aggregation EAN just before {end.isoformat()}. Check the asset and the instant."
        )
    membership.period = DateTimeTZRange(membership.period.lower, end)
    membership.save(update_fields=["period"])
    audit.record(
        now=now,
        action="assets.membership.ended",
        subject=membership,
        actor=actor,
        reason=reason,
        after={"ends_at": end.isoformat()},
    )
    return membership


def _require_quarter_hour(instant: datetime, refusal: type[ValueError]) -> None:
    if ptu_start(instant) != instant:
        raise refusal(f"{instant.isoformat()} is not possible. {MEMBERSHIP_OFF_GRID}")


def _overlaps(asset_ids: Iterable[int], period: DateTimeTZRange) -> str:
    standing = Membership.objects.filter(asset__in=asset_ids, period__overlap=period).select_related("asset")
    named = [f"{row.asset} (in {row.aggregation_ean_id})" for row in standing.order_by("id")[:NAMED_IN_ERRORS]]
    if not named:
        return "An asset is named twice. Name each asset once."
    return f"{MEMBERSHIP_OVERLAPS} Affected: {', '.join(named)}{' …' * (len(named) == NAMED_IN_ERRORS)}"


def _listed(ids: Iterable[int]) -> str:
    ordered = sorted(ids)
    return ", ".join(map(str, ordered[:NAMED_IN_ERRORS])) + " …" * (len(ordered) > NAMED_IN_ERRORS)
