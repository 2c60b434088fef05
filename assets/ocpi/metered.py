"""Meter values from sessions, for partners that deliver none: below everything a partner says itself.

derive_meter_values(*, told, now) -> number of values that are new
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from aggregator.core.ptu import PTU
from assets import operations
from assets.models import OcpiEdge
from assets.ocpi.metering import quarter_energy
from assets.ocpi.objects import Session
from assets.validation.kinds import OLDEST_METER_VALUE


@dataclass(frozen=True, slots=True)
class Metered:
    """A session at an asset; `key` names it for its partner."""

    asset_id: int
    key: str
    session: Session


def derive_meter_values(*, told: Iterable[Metered], now: datetime) -> int:
    """Store what sessions say of whole PTUs that are over; in the caller's transaction, under the partner's lock.

    A PTU in which one session ends and another begins is known once both have told their parts.
    """
    whole: list[operations.DerivedValue] = []
    edges: list[OcpiEdge] = []
    for one in told:
        for ptu, (import_wh, export_wh) in quarter_energy(one.session).items():
            if not now - OLDEST_METER_VALUE < ptu <= now - PTU:
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
    return operations.store_derived_values(values=[*whole, *_complete(edges)], now=now)


def _complete(edges: Sequence[OcpiEdge]) -> list[operations.DerivedValue]:
    """Return the sums of PTUs of which every session that was there has told its part."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT edge.asset_id, edge.starts_at, sum(edge.import_wh)::bigint, sum(edge.export_wh)::bigint
            FROM assets_ocpiedge AS edge
            JOIN (
                SELECT DISTINCT * FROM unnest(%s::bigint[], %s::timestamptz[]) AS pair (asset_id, starts_at)
            ) AS touched USING (asset_id, starts_at)
            GROUP BY edge.asset_id, edge.starts_at
            HAVING count(*) = (
                SELECT count(*) FROM assets_chargingsession AS session
                WHERE session.asset_id = edge.asset_id AND session.plug_in_at < edge.starts_at + interval '15 minutes'
                  AND (session.plug_out_at IS NULL OR session.plug_out_at > edge.starts_at))
            """,
            [[edge.asset_id for edge in edges], [edge.starts_at for edge in edges]],
        )
        return list(cursor.fetchall())
