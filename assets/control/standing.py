"""How assets stand before a plan: what they are told, how often they turned, and what everybody else is told."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal

import numpy as np
from django.db import connection
from django.db.models import Q
from numpy.typing import NDArray

from aggregator.core.interval import Interval
from assets.control.reversals import reversal_counts
from assets.control.scope_limits import FLEET_DEFAULT, ScopeKind, ScopeLimit, Standing, most_moved_w
from assets.models import Asset, AssetKind, SteeringLimit

Integers = NDArray[np.int64]

ONE_HOUR = timedelta(hours=1)
INSTANT = timedelta(seconds=1)


def left_alone_w(kind: str, max_import_w: int) -> int:
    """Return the setpoint that lets an asset go its own way: no limit, but zero for a battery, which would charge."""
    return 0 if kind == AssetKind.BATTERY else max_import_w


def limits_of(*, aggregation_ean: str, partner_ids: Sequence[int], connections: Sequence[str]) -> list[ScopeLimit]:
    """Return every limit that touches assets of a group, of these partners and behind these connections."""
    rows = SteeringLimit.objects.filter(
        Q(partner__in=partner_ids)
        | Q(aggregation_ean=aggregation_ean)
        | (Q(connection_ean__in=connections) & ~Q(connection_ean=""))
        | Q(partner=None, aggregation_ean=None, connection_ean="")
    ).order_by("pk")
    limits = [as_scope_limit(row) for row in rows]
    if not any(limit.kind == ScopeKind.FLEET for limit in limits):
        limits.insert(0, FLEET_DEFAULT)
    return limits


def as_scope_limit(row: SteeringLimit) -> ScopeLimit:
    """Return a row as the values that are reckoned with."""
    if row.partner_id:
        kind, key = ScopeKind.PARTNER, str(row.partner_id)
    elif row.aggregation_ean_id:
        kind, key = ScopeKind.GROUP, str(row.aggregation_ean_id)
    elif row.connection_ean:
        kind, key = ScopeKind.CONNECTION, row.connection_ean
    else:
        kind, key = ScopeKind.FLEET, ""
    return ScopeLimit(
        kind,
        key,
        max_moved_w=row.max_moved_w,
        max_step_w=row.max_step_w,
        max_ramp_w_per_minute=row.max_ramp_w_per_minute,
        max_reversals_per_hour=row.max_reversals_per_hour,
        ramp_s=row.ramp_seconds,
        max_import_w=row.max_import_w,
        max_export_w=row.max_export_w,
    )


def steerable_w(*, aggregation_ean: str, assets: Sequence[Asset], direction: Literal["reduce", "increase"]) -> int:
    """Return the most that limits let some assets of a group be moved by at once; an upper bound (`most_moved_w`)."""
    limits = limits_of(
        aggregation_ean=aggregation_ean,
        partner_ids=sorted({asset.partner_id for asset in assets}),
        connections=sorted({asset.connection_ean for asset in assets}),
    )
    keys = _keys(aggregation_ean, [(asset.partner_id, asset.connection_ean) for asset in assets])
    rated_w = [_rated_w(asset, direction) for asset in assets]
    taken_w, fed_in_w = np.array(rated_w, dtype=np.int64).reshape(-1, 2).T
    return int(most_moved_w(limits=limits, keys=keys, taken_w=taken_w, fed_in_w=fed_in_w))


def _rated_w(asset: Asset, direction: Literal["reduce", "increase"]) -> tuple[int, int]:
    """Return how far an asset can be moved from its own ways: in what it takes, and by feeding in.

    A battery rests by itself, others may take all or nothing.
    """
    if direction == "increase":
        return asset.max_import_w, 0
    return (0 if asset.kind == AssetKind.BATTERY else asset.max_import_w), asset.max_export_w


def _keys(aggregation_ean: str, places: Sequence[tuple[int, str]]) -> dict[ScopeKind, NDArray[np.str_]]:
    """Return the parts that assets belong to, by partner and connection of each."""
    return {
        ScopeKind.GROUP: np.full(len(places), aggregation_ean),
        ScopeKind.PARTNER: np.array([str(partner_id) for partner_id, _ in places], dtype=np.str_),
        ScopeKind.CONNECTION: np.array([connection_ean for _, connection_ean in places], dtype=np.str_),
    }


def standing_of(*, asset_ids: Sequence[int], aggregation_ean: str, period: Interval, now: datetime) -> Standing:
    """Return how some assets of a group stand during `period`, in three queries.

    Of an asset with several setpoints in the period the newest counts; what it moves counts at its most, so a total
    over assets is never too low. A step is measured from what is told just before the period, so that plans that are
    made one after the other for the same moment share its room.
    """
    place = {asset_id: index for index, asset_id in enumerate(asset_ids)}
    assets = {
        row[0]: row[1:]
        for row in Asset.objects.filter(pk__in=asset_ids).values_list(
            "pk", "kind", "max_import_w", "partner_id", "connection_ean"
        )
    }
    alone_w = np.array([left_alone_w(*assets[one][:2]) for one in asset_ids], dtype=np.int64)
    told_w, before_w, moved_w = alone_w.copy(), alone_w.copy(), np.zeros(len(place), dtype=np.int64)
    others_w: dict[tuple[ScopeKind, str], int] = defaultdict(int)
    others_step_w: dict[tuple[ScopeKind, str], int] = defaultdict(int)
    for asset_id, partner_id, ean, connection_ean, told, before, moved in _standing_rows(period, now):
        index = place.get(asset_id)
        if index is None:
            for scope in (
                (ScopeKind.FLEET, ""),
                (ScopeKind.GROUP, ean),
                (ScopeKind.PARTNER, str(partner_id)),
                (ScopeKind.CONNECTION, connection_ean),
            ):
                others_w[scope] += moved
                others_step_w[scope] += max(abs(told) - abs(before), 0)
        else:
            moved_w[index] = moved
            told_w[index] += told
            before_w[index] += before
    reversals, last_change = _turns(place, alone_w, now=now)
    return Standing(
        asset_ids=np.array(asset_ids, dtype=np.int64),
        alone_w=alone_w,
        told_w=told_w,
        before_w=before_w,
        moved_w=moved_w,
        reversals=reversals,
        last_change=last_change,
        keys=_keys(aggregation_ean, [assets[one][2:] for one in asset_ids]),
        others_w=others_w,
        others_step_w=others_step_w,
    )


def _standing_rows(period: Interval, now: datetime) -> list[tuple[int, int, str, str, int, int, int]]:
    """Return per asset with a setpoint in a period how far it is moved: at the start, just before it, and at most.

    At a moment the newest setpoint that covers it rules, unless its time to live is over: then the asset is free. One
    that was withdrawn rules no more, so telling it again is a step; but it may still be followed to its end, and so
    counts in what is moved.
    """
    told_at = """
        SELECT DISTINCT ON (asset_id) asset_id, CASE
               WHEN least(ends_at, starts_at + ttl_s * interval '1 second') > {moment}
               THEN power_w[1 + floor(extract(epoch FROM {moment} - starts_at) / 900)::int] END AS told_w
        FROM assets_setpoint
        WHERE starts_at <= {moment} AND ends_at > {moment} AND status <> 'rejected' AND withdrawn_at IS NULL
        ORDER BY asset_id, batch_id DESC
    """
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH newest AS (
                SELECT DISTINCT ON (setpoint.asset_id) setpoint.asset_id, setpoint.power_w,
                       asset.partner_id, batch.aggregation_ean_id AS ean, asset.connection_ean,
                       CASE WHEN asset.kind = 'battery' THEN 0 ELSE asset.max_import_w END AS alone_w
                FROM assets_setpoint AS setpoint
                JOIN assets_setpointbatch AS batch ON batch.id = setpoint.batch_id
                JOIN assets_asset AS asset ON asset.id = setpoint.asset_id
                WHERE setpoint.ends_at > %(start)s AND setpoint.starts_at < %(end)s AND setpoint.status <> 'rejected'
                ORDER BY setpoint.asset_id, setpoint.batch_id DESC
            ), starting AS ({told_at.format(moment="%(start)s")}), earlier AS ({told_at.format(moment="%(before)s")})
            SELECT newest.asset_id, newest.partner_id, newest.ean, newest.connection_ean,
                   coalesce(starting.told_w - newest.alone_w, 0),
                   coalesce(earlier.told_w - newest.alone_w, 0),
                   (SELECT max(abs(newest.alone_w - told)) FROM unnest(newest.power_w) AS told)
            FROM newest LEFT JOIN starting USING (asset_id) LEFT JOIN earlier USING (asset_id)
            """,  # noqa: S608 - the same words twice, the moments are parameters
            {
                "start": period.starts_at,
                "end": period.ends_at,
                "before": now if period.starts_at <= now else period.starts_at - INSTANT,
            },
        )
        return list(cursor.fetchall())


def _turns(place: dict[int, int], alone_w: Integers, *, now: datetime) -> tuple[Integers, Integers]:
    """Return per asset how often its commands turned in the past hour, and the sign of their last change.

    Read from an hour before that: what a command turns is the change before it, whenever that was.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT setpoint.asset_id, setpoint.power_w[1], batch.created_at > %s
            FROM assets_setpoint AS setpoint JOIN assets_setpointbatch AS batch ON batch.id = setpoint.batch_id
            WHERE batch.created_at > %s ORDER BY setpoint.batch_id
            """,
            [now - ONE_HOUR, now - 2 * ONE_HOUR],
        )
        told = [(place[one], power_w, is_recent) for one, power_w, is_recent in cursor.fetchall() if one in place]
    count = len(place)
    asset = np.concatenate([np.arange(count), np.array([one for one, _, _ in told], dtype=np.int64)])
    told_w = np.concatenate([alone_w, np.array([power_w for _, power_w, _ in told], dtype=np.int64)])
    is_before = np.concatenate(
        [np.ones(count, dtype=np.bool_), np.array([not one for _, _, one in told], dtype=np.bool_)]
    )
    told_kw = told_w.astype(np.float64)
    counts = reversal_counts(asset=asset, told_kw=told_kw, count=count)
    counts -= reversal_counts(asset=asset[is_before], told_kw=told_kw[is_before], count=count)
    last_change = np.zeros(count, dtype=np.int64)
    order = np.argsort(asset, kind="stable")
    change = np.sign(np.diff(told_w[order]))
    moved = (asset[order][1:] == asset[order][:-1]) & (change != 0)
    last_change[asset[order][1:][moved]] = change[moved]  # the last one written stays
    return counts, last_change
