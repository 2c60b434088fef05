"""Whole tables at once: a portfolio with its groups, or sessions. All rows or none, by the rules of the interface."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction

from assets import operations
from assets.models import AggregationEan, Asset, Membership
from assets.validation import kinds
from assets.validation.rows import InvalidRows, RowError, rows_from_text
from assets.validation.tables import read_table


@dataclass(frozen=True, slots=True)
class PortfolioImported:
    """What a table of assets did."""

    assets: operations.Upserted
    enrolled: int


def import_sessions(*, partner_id: int, content: bytes, now: datetime) -> operations.Upserted:
    """Record a partner's sessions from a table; raises `NotATable` or `InvalidRows`."""
    rows = rows_from_text(read_table(content), kinds.SESSION)
    return operations.record_sessions(partner_id=partner_id, rows=rows, now=now)


@transaction.atomic
def import_portfolio(
    *, partner_id: int, content: bytes, now: datetime, actor: AbstractBaseUser | None = None
) -> PortfolioImported:
    """Register a partner's assets from a table, and enrol those that name an `aggregation_ean` and `member_from`.

    Importing a table again changes nothing: an asset that is in that group from then on stays. Raises `NotATable` or
    `InvalidRows`; then nothing was stored.
    """
    rows = rows_from_text(read_table(content), kinds.PORTFOLIO)
    columns = kinds.PORTFOLIO.read(rows)
    assets = operations.upsert_assets(partner_id=partner_id, rows=[_asset_part(row) for row in rows], now=now)
    ids = dict(Asset.objects.filter(partner_id=partner_id).values_list("external_id", "id"))
    joins = [
        _Join(index, ids[name], ean, start)
        for index, (name, ean, start) in enumerate(
            zip(columns["external_id"], columns["aggregation_ean"], columns["member_from"], strict=True)
        )
        if ean is not None
    ]
    enrolled = 0
    for (ean, start), wanted in _new_joins(joins).items():
        enrolled += operations.enrol_assets(
            aggregation_ean=ean, asset_ids=wanted, starts_at=start, now=now, actor=actor
        )
    return PortfolioImported(assets, enrolled)


@dataclass(frozen=True, slots=True)
class _Join:
    index: int
    asset_id: int
    aggregation_ean: str
    starts_at: datetime


def _asset_part(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in {"aggregation_ean", "member_from"}}


def _new_joins(joins: Sequence[_Join]) -> dict[tuple[str, datetime], list[int]]:
    """Return the assets that still have to join, by group and start; raise `InvalidRows` for those that cannot."""
    errors = list(_unknown_groups(joins))
    standing: dict[int, list[Membership]] = defaultdict(list)
    for membership in Membership.objects.filter(asset_id__in=[join.asset_id for join in joins]):
        standing[membership.asset_id].append(membership)
    wanted: dict[tuple[str, datetime], list[int]] = defaultdict(list)
    for join in joins:
        in_the_way = [one for one in standing[join.asset_id] if not _ends_by(one, join.starts_at)]
        if not in_the_way:
            wanted[join.aggregation_ean, join.starts_at].append(join.asset_id)
        elif not _is_there_already(join, in_the_way):
            errors.append(RowError(join.index, "aggregation_ean", "overlapping-membership", kinds.MEMBERSHIP_OVERLAPS))
    if errors:
        raise InvalidRows(errors)
    return wanted


def _ends_by(membership: Membership, instant: datetime) -> bool:
    return membership.period.upper is not None and membership.period.upper <= instant


def _is_there_already(join: _Join, memberships: Sequence[Membership]) -> bool:
    return [(one.aggregation_ean_id, one.period.upper) for one in memberships] == [(join.aggregation_ean, None)] and (
        memberships[0].period.lower <= join.starts_at
    )


def _unknown_groups(joins: Sequence[_Join]) -> Iterable[RowError]:
    known = set(AggregationEan.objects.values_list("ean", flat=True))
    for join in joins:
        if join.aggregation_ean not in known:
            yield RowError(
                join.index,
                "aggregation_ean",
                "unknown-aggregation-ean",
                f"No aggregation EAN {join.aggregation_ean} is registered. Create it first, or correct the code.",
            )
