"""Meter values from sessions, for partners that deliver none: below everything a partner says itself.

derive_meter_values(*, told, left, now) -> number of values that are new
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from aggregator.core.ptu import PTU, ptu_start
from assets import operations
from assets.models import OcpiEdge
from assets.ocpi.charging import Left
from assets.ocpi.metering import quarter_energy
from assets.ocpi.objects import Session
from assets.validation.kinds import OLDEST_METER_VALUE


@dataclass(frozen=True, slots=True)
class Metered:
    """A session at an asset; `key` names it for its partner."""

    asset_id: int
    key: str
    session: Session


def derive_meter_values(*, told: Iterable[Metered], left: Sequence[Left], now: datetime) -> int:
    """Store what sessions say of whole PTUs that are over; in the caller's transaction, under the partner's lock.

    A PTU in which one session ends and another begins is known once both have told their parts; what was derived before
    the other was known is withdrawn: no value is better than one that is too low. What was derived of an asset that a
    session turned out not to be at is withdrawn too, but for the parts of others.
    """
    vacated = {(gone.asset_id, ptu) for gone in left for ptu in _seemed_there(gone, now)}
    for gone in left:
        OcpiEdge.objects.filter(asset_id=gone.asset_id, session_key=gone.key).delete()
    whole: list[operations.DerivedValue] = []
    edges: list[OcpiEdge] = []
    touched: set[tuple[int, datetime]] = set()
    for one in told:
        ends = [one.session.starts_at, *([one.session.until] if one.session.is_over else [])]
        touched |= {(one.asset_id, ptu_start(end)) for end in ends if _is_derived(ptu_start(end), now)}
        for ptu, (import_wh, export_wh) in quarter_energy(one.session).items():
            if not _is_derived(ptu, now):
                continue
            if one.session.starts_at <= ptu and (not one.session.is_over or ptu + PTU <= one.session.until):
                whole.append((one.asset_id, ptu, import_wh, export_wh))
            else:
                edges.append(
                    OcpiEdge(
                        asset_id=one.asset_id,
                        session_key=one.key,
                        starts_at=ptu,
                        import_wh=import_wh,
                        export_wh=export_wh,
                    )
                )
    OcpiEdge.objects.bulk_create(
        edges,
        update_conflicts=True,
        unique_fields=["asset", "session_key", "starts_at"],
        update_fields=["import_wh", "export_wh"],
    )
    known = {(asset_id, ptu) for asset_id, ptu, _, _ in whole}
    shared, unknown = _added_up((touched | vacated) - known)
    known |= {(asset_id, ptu) for asset_id, ptu, _, _ in shared}
    operations.withdraw_derived_values(ptus=vacated.union(unknown) - known)
    return operations.store_derived_values(values=[*whole, *shared], now=now)


def _seemed_there(one: Left, now: datetime) -> Iterable[datetime]:
    until = min(one.until or now, now)
    ptu = ptu_start(max(one.since, now - OLDEST_METER_VALUE))
    while ptu < until:
        if _is_derived(ptu, now):
            yield ptu
        ptu += PTU


def _is_derived(ptu: datetime, now: datetime) -> bool:
    return now - OLDEST_METER_VALUE < ptu <= now - PTU


def _added_up(
    ptus: Collection[tuple[int, datetime]],
) -> tuple[list[operations.DerivedValue], list[tuple[int, datetime]]]:
    """Return the sums of PTUs of which every session that was there has told its part, and the other PTUs."""
    if not ptus:
        return [], []
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT asset_id, starts_at, sum(edge.import_wh)::bigint, sum(edge.export_wh)::bigint,
                   count(edge.import_wh) = (
                       SELECT count(*) FROM assets_chargingsession AS session
                       WHERE session.asset_id = touched.asset_id
                         AND session.plug_in_at < touched.starts_at + interval '15 minutes'
                         AND (session.plug_out_at IS NULL OR session.plug_out_at > touched.starts_at))
            FROM unnest(%s::bigint[], %s::timestamptz[]) AS touched (asset_id, starts_at)
            LEFT JOIN assets_ocpiedge AS edge USING (asset_id, starts_at)
            GROUP BY touched.asset_id, touched.starts_at, asset_id, starts_at
            """,
            [list(column) for column in zip(*ptus, strict=True)],
        )
        rows = cursor.fetchall()
    return [row[:4] for row in rows if row[4] and row[2] is not None], [row[:2] for row in rows if not row[4]]
