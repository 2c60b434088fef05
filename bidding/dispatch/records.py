"""What is known of assets from before: do they follow, how often were they called, and what does using them cost."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
from django.db import connection
from django.db.models import Count, F, Q
from numpy.typing import NDArray

from assets.models import Asset, AssetKind, Setpoint
from bidding.dispatch.allocation.burden import burden_eur_per_kwh
from bidding.dispatch.allocation.decision import Records
from bidding.dispatch.allocation.reserve import follow_probability
from bidding.models import Activation, UseCost

Floats = NDArray[np.float64]

REACH = timedelta(weeks=4)
WEAR_EUR_PER_MWH = {AssetKind.V2G_CHARGER: 50.0, AssetKind.BATTERY: 30.0}
"""Assumed where no `UseCost` says otherwise: cycles of a car's battery cost its driver more than a second life's."""
KWH_PER_MWH = 1_000


def records_of(*, assets: Sequence[Asset], activation: Activation, now: datetime) -> Records:
    """Return the records of some assets over the weeks before, in five queries.

    Whoever is called upon by this activation already is the first choice to go on: to swap it for its like would only
    turn two assets.
    """
    followed, missed = _verdicts(assets, since=now - REACH)
    wear, compensation = _costs(assets)
    calls = _calls(assets, since=now - REACH, besides=activation) - _is_called(assets, activation)
    return Records(
        follows=follow_probability(followed=followed, missed=missed),
        burden=burden_eur_per_kwh(wear_eur_per_kwh=wear, compensation_eur_per_kwh=compensation, calls=calls),
    )


def _verdicts(assets: Sequence[Asset], *, since: datetime) -> tuple[Floats, Floats]:
    """Return how often each asset followed and did not: the partners' verdicts, and what we found ourselves."""
    missing = Q(setpoints__status__in=[Setpoint.Status.REJECTED, Setpoint.Status.NOT_FOLLOWED])
    recent = Q(setpoints__starts_at__gte=since)
    told = {
        row[0]: row[1:]
        for row in Asset.objects.filter(pk__in=[asset.pk for asset in assets], setpoints__starts_at__gte=since)
        .annotate(
            followed=Count("setpoints", filter=recent & Q(setpoints__status=Setpoint.Status.FOLLOWED)),
            missed=Count("setpoints", filter=recent & missing),
        )
        .values_list("pk", "followed", "missed")
    }
    failures = dict(
        Asset.objects.filter(pk__in=[asset.pk for asset in assets], duties__judged_from__gte=since)
        .annotate(failed=Count("duties", filter=Q(duties__judged_from__gte=since, duties__failures__gt=0)))
        .values_list("pk", "failed")
    )
    followed = np.array([told.get(asset.pk, (0, 0))[0] for asset in assets], dtype=np.float64)
    missed = np.array([told.get(asset.pk, (0, 0))[1] + failures.get(asset.pk, 0) for asset in assets], dtype=np.float64)
    return followed, missed


def _is_called(assets: Sequence[Asset], activation: Activation) -> Floats:
    """Return 1 for who has a part in an activation now, else 0."""
    called = set(activation.duties.exclude(asked_w=F("alone_w")).values_list("asset_id", flat=True))
    return np.array([asset.pk in called for asset in assets], dtype=np.float64)


def _calls(assets: Sequence[Asset], *, since: datetime, besides: Activation) -> Floats:
    """Return in how many other activations each was called: the driver at it now where known, else the asset."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH called AS (
                SELECT duty.asset_id, duty.activation_id, duty.judged_from FROM bidding_duty AS duty
                WHERE duty.judged_from >= %(since)s AND duty.asked_w < duty.alone_w
                  AND duty.activation_id <> %(besides)s
            ), here AS (
                SELECT asset_id, driver_token FROM assets_chargingsession
                WHERE asset_id = ANY(%(assets)s) AND plug_out_at IS NULL AND driver_token <> ''
            )
            SELECT here.asset_id, count(DISTINCT called.activation_id)
            FROM here JOIN assets_chargingsession AS earlier USING (driver_token)
            JOIN called ON called.asset_id = earlier.asset_id AND called.judged_from >= earlier.plug_in_at
              AND (earlier.plug_out_at IS NULL OR called.judged_from < earlier.plug_out_at)
            GROUP BY here.asset_id
            UNION ALL
            SELECT asset_id, count(DISTINCT activation_id) FROM called
            WHERE asset_id = ANY(%(assets)s) AND asset_id NOT IN (SELECT asset_id FROM here) GROUP BY asset_id
            """,
            {"since": since, "besides": besides.pk, "assets": [asset.pk for asset in assets]},
        )
        calls = dict(cursor.fetchall())
    return np.array([calls.get(asset.pk, 0) for asset in assets], dtype=np.float64)


def _costs(assets: Sequence[Asset]) -> tuple[Floats, Floats]:
    """Return wear and compensation of each asset [EUR/kWh]; a partner's own row comes before the one for any."""
    rows = {(row.partner_id, row.asset_kind): row for row in UseCost.objects.order_by("pk")}

    def cost(asset: Asset) -> tuple[float, float]:
        row = rows.get((asset.partner_id, asset.kind)) or rows.get((None, asset.kind))
        if row is None:
            return WEAR_EUR_PER_MWH.get(AssetKind(asset.kind), 0.0), 0.0
        return float(row.wear_eur_per_mwh), float(row.compensation_eur_per_mwh)

    costs = np.array([cost(asset) for asset in assets], dtype=np.float64).reshape(-1, 2) / KWH_PER_MWH
    return costs[:, 0], costs[:, 1]
