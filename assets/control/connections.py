"""What connections carry and what they are asked already, and sharing that out."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta

import numpy as np
from django.db.models import Q, Sum
from numpy.typing import NDArray

from aggregator.core.interval import Interval
from aggregator.core.ptu import PTU, ptu_start
from assets.control.connection_flows import ConnectionFlow, Flow, asked_of_connection_w, fitting_w
from assets.control.scope_limits import ScopeLimit
from assets.control.standing import as_scope_limit, left_alone_w
from assets.models import Asset, AssetKind, Setpoint, SteeringLimit
from assets.queries import may_feed_in

Integers = NDArray[np.int64]


def flows_of(*, limits: Iterable[ScopeLimit], period: Interval) -> list[ConnectionFlow]:
    """Return every way that some limits bound, with what is told behind it in the quarter hours of `period`.

    What assets take by themselves counts at its most, and leaves that much less to charge batteries with. What else is
    behind a connection is not known and counts for nothing. Two queries, none without such a limit.
    """
    import_w = {one.key: one.max_import_w for one in limits if one.max_import_w is not None}
    export_w = {one.key: one.max_export_w for one in limits if one.max_export_w is not None}
    if not import_w and not export_w:
        return []
    told_w = _told_w(import_w.keys() | export_w.keys(), period)
    own_w = _own_w(import_w) if import_w else {}
    return [
        *(ConnectionFlow(ean, Flow.FEEDING_IN, most_w, told_w[ean]) for ean, most_w in export_w.items()),
        *(
            ConnectionFlow(ean, Flow.CHARGING, max(most_w - own_w.get(ean, 0), 0), told_w[ean])
            for ean, most_w in import_w.items()
        ),
    ]


def shares_of_connections_w(
    *, flow: Flow, assets: Sequence[Asset], period: Interval, yielding: Iterable[Asset] = ()
) -> dict[int, int]:
    """Return what each asset may feed in, or be charged with, in `period` so that all fit, first come first.

    What other assets are told is taken already, but for those of `yielding`.
    """
    named = {asset.connection_ean for asset in assets if asset.connection_ean}
    rows = SteeringLimit.objects.filter(connection_ean__in=named) if named else ()
    limits = [as_scope_limit(row) for row in rows]
    ids = [asset.pk for asset in (*assets, *yielding)]
    fits_w = fitting_w(
        wanted_w=np.array(
            [asset.max_export_w if flow == Flow.FEEDING_IN else asset.max_import_w for asset in assets], dtype=np.int64
        ),
        places=np.array([asset.connection_ean for asset in assets], dtype=np.str_),
        room_w={
            one.ean: int(one.room_w(ids).min()) for one in flows_of(limits=limits, period=period) if one.flow == flow
        },
    )
    return dict(zip((asset.pk for asset in assets), fits_w.tolist(), strict=True))


def may_feed_in_together(*, batteries: Sequence[Asset], plugs: Sequence[Asset], period: Interval) -> set[int]:
    """Return at which plugs cars feed in when they are told to, all of them at once, in `period`.

    A connection carries the batteries first and then the plugs in their order, each with all of its power or not.
    """
    able = may_feed_in(asset_ids=[asset.pk for asset in plugs])
    asked = [asset for asset in plugs if asset.pk in able]
    if not asked:
        return set()
    shares_w = shares_of_connections_w(flow=Flow.FEEDING_IN, assets=[*batteries, *asked], period=period)
    return {asset.pk for asset in asked if shares_w[asset.pk] == asset.max_export_w}


def import_room_w(*, assets: Sequence[Asset], now: datetime) -> dict[str, int]:
    """Return what each connection with a max import leaves for some assets beside the others behind it, at least 0.

    Others count with the power they told last. One that told none of late counts with the most that it takes by itself.
    """
    named = {asset.connection_ean for asset in assets if asset.connection_ean}
    rows = SteeringLimit.objects.filter(connection_ean__in=named, max_import_w__isnull=False) if named else ()
    room_w: dict[str, int] = {row.connection_ean: row.max_import_w or 0 for row in rows}
    others = Asset.objects.filter(connection_ean__in=room_w, is_active=True).exclude(pk__in=[one.pk for one in assets])
    for ean, kind, most_w, told_at, power_w in others.values_list(
        "connection_ean", "kind", "max_import_w", "state__at", "state__power_w"
    ):
        is_known = told_at is not None and now - told_at < 2 * PTU
        room_w[ean] -= max(power_w if is_known else left_alone_w(kind, most_w), 0)
    return {ean: max(left_w, 0) for ean, left_w in room_w.items()}


def _told_w(eans: Collection[str], period: Interval) -> dict[str, dict[int, Integers]]:
    """Return what the assets behind some connections are told in each quarter hour, by connection and asset.

    The newest that covers a quarter hour counts, until its time to live is over; also one that was withdrawn, which may
    still be followed.
    """
    begins_at = ptu_start(period.starts_at)
    ptus = _ptus(period.ends_at - begins_at)
    told: dict[str, dict[int, Integers]] = defaultdict(dict)
    rows = (
        Setpoint.objects.filter(
            Q(asset__kind=AssetKind.BATTERY) | Q(asset__max_export_w__gt=0),
            asset__connection_ean__in=eans,
            ends_at__gt=begins_at,
            starts_at__lt=period.ends_at,
        )
        .exclude(status=Setpoint.Status.REJECTED)
        .select_related("asset", "batch")
        .order_by("batch_id")
    )
    for row in rows:
        lasts = row.ends_at - row.starts_at
        if row.ttl_s is not None:
            lasts = min(lasts, max(row.batch.created_at - row.starts_at, timedelta()) + timedelta(seconds=row.ttl_s))
        asked_w = asked_of_connection_w(
            power_w=np.array(row.power_w[: _ptus(lasts)], dtype=np.int64),
            alone_w=left_alone_w(row.asset.kind, row.asset.max_import_w),
        )
        first = (row.starts_at - begins_at) // PTU
        told_w = told[row.asset.connection_ean].setdefault(row.asset_id, np.zeros(ptus, dtype=np.int64))
        covered = told_w[max(first, 0) : max(first + len(asked_w), 0)]
        covered[:] = asked_w[max(-first, 0) :][: len(covered)]
    return told


def _own_w(eans: Collection[str]) -> dict[str, int]:
    """Return the most that assets behind some connections take by themselves."""
    taking = Asset.objects.filter(connection_ean__in=eans, is_active=True).exclude(kind=AssetKind.BATTERY)
    return dict(taking.values_list("connection_ean").annotate(Sum("max_import_w")))


def _ptus(lasts: timedelta) -> int:
    return -(-lasts // PTU)
