"""Sandboxes: partners and groups for trying out. The database keeps them apart from everything that is sold."""

from datetime import datetime

from django.contrib.auth.models import AbstractBaseUser
from django.db import connection

from aggregator.core.ean import Ean13, Ean18
from aggregator.core.ptu import ptu_start
from assets.models import AggregationEan, CongestionArea, Partner
from assets.operations.portfolio import create_aggregation_ean

# Real connections and parties of the Dutch grid have codes that begin with 87; these never meet them.
_NOBODY = str(Ean13.from_body("990000000000"))
_AREA = {"name": "Sandbox: no congestion is ever announced here", "grid_operator": _NOBODY, "postcodes": []}


def open_sandbox(*, partner: Partner, now: datetime, actor: AbstractBaseUser | None = None) -> AggregationEan:
    """Give a sandbox partner its group."""
    area, _ = CongestionArea.objects.get_or_create(code="sandbox", defaults=_AREA)
    return create_aggregation_ean(
        ean=sandbox_ean(partner.pk),
        name=f"Sandbox of {partner.name}"[:120],
        congestion_area=area,
        brp=_NOBODY,
        now=now,
        actor=actor,
        autonomy=AggregationEan.Autonomy.MANUAL,
        is_sandbox=True,
    )


def join_sandbox(*, partner_id: int, now: datetime) -> int:
    """Let the assets of a sandbox partner that are in no group join its own; return how many did."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO assets_membership (asset_id, aggregation_ean_id, period)
            SELECT asset.id, %(ean)s, tstzrange(%(start)s, NULL) FROM assets_asset AS asset
            WHERE asset.partner_id = %(partner)s
              AND NOT EXISTS (SELECT FROM assets_membership AS known WHERE known.asset_id = asset.id)
            ORDER BY asset.id
            """,
            {"ean": sandbox_ean(partner_id), "start": ptu_start(now), "partner": partner_id},
        )
        return int(cursor.rowcount)


def sandbox_ean(partner_id: int) -> str:
    """Return the code of a sandbox partner's group."""
    return str(Ean18.from_body(f"99{partner_id:015d}"))
