"""What the meters say of the cars plugged in now: how much they took, at what power, and which want no more."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from aggregator.core.ptu import PTU, PTU_SECONDS
from assets.models import Asset, MeterInterval
from bidding.dispatch.allocation.seen_power import Quarters, seen_power_kw

Floats = NDArray[np.float64]

WH_PER_KWH = 1_000
IDLE_WH = 25  # 100 W for a quarter hour: less is a charger's own use

# Each car's rows are looked up by themselves: one car that came long ago does not have the others' past read with its
# own, and no guess of the planner's can make it read whole months.
_METERED_SINCE = """
    SELECT car.asset_id, value.starts_at, value.import_wh, value.export_wh, value.quality
    FROM unnest(%s::bigint[], %s::timestamptz[]) AS car (asset_id, since), LATERAL (
        SELECT DISTINCT ON (starts_at) starts_at, import_wh, export_wh, quality FROM assets_meterinterval
        WHERE asset_id = car.asset_id AND starts_at >= car.since AND starts_at < %s
        ORDER BY starts_at, revision DESC
    ) AS value
    ORDER BY car.asset_id, value.starts_at
"""
_TOLD_SINCE = """
    SELECT car.asset_id, batch.created_at, told.starts_at, told.power_w
    FROM unnest(%s::bigint[], %s::timestamptz[]) AS car (asset_id, since)
    JOIN assets_setpoint AS told ON told.asset_id = car.asset_id AND told.ends_at > car.since
    JOIN assets_setpointbatch AS batch ON batch.id = told.batch_id
    ORDER BY told.batch_id
"""


@dataclass(frozen=True, slots=True, eq=False)
class MeteredSoFar:
    """Per car, shape (n,).

    Attributes:
        energy_kwh: net energy since plug-in; negative when it fed in more than it took.
        full_at_kwh: the net energy at which it was last seen idle while free to charge; NaN when it never was.
        power_kw: what it takes when it may, by `seen_power_kw`.
    """

    energy_kwh: Floats
    full_at_kwh: Floats
    power_kw: Floats


def metered_so_far(
    *, assets: Sequence[Asset], plug_in_s: NDArray[np.int64], rated_kw: Floats, until: datetime
) -> MeteredSoFar:
    """Return what was metered of each car from its plug-in up to `until`, the end of the last finished PTU.

    `rated_kw` is what car and charger can take together. An estimate tells nothing of a car's power: where it is made
    from the energy of an hour, all quarter hours of that hour look alike.
    """
    energy_kwh, full_at_kwh = np.zeros(len(assets)), np.full(len(assets), np.nan)
    if not assets:
        return MeteredSoFar(energy_kwh, full_at_kwh, rated_kw)
    position = {asset.pk: index for index, asset in enumerate(assets)}
    first_ptu_s = plug_in_s - plug_in_s % PTU_SECONDS
    since = [datetime.fromtimestamp(start_s, UTC) for start_s in first_ptu_s.tolist()]
    held = _held_ptus(assets, since)
    with connection.cursor() as cursor:
        cursor.execute(_METERED_SINCE, [list(position), since, until])
        rows = cursor.fetchall()
    car, starts_s = np.zeros(len(rows), dtype=np.int64), np.zeros(len(rows), dtype=np.int64)
    taken_kwh, is_free = np.zeros(len(rows)), np.zeros(len(rows), dtype=np.bool_)
    for row, (asset_id, starts_at, import_wh, export_wh, quality) in enumerate(rows):
        index = position[asset_id]
        start_s = int(starts_at.timestamp())
        is_held = (asset_id, start_s) in held
        energy_kwh[index] += (import_wh - export_wh) / WH_PER_KWH
        was_here_all_along = start_s > first_ptu_s[index]
        if was_here_all_along and import_wh < IDLE_WH and not is_held:
            full_at_kwh[index] = energy_kwh[index]
        car[row], starts_s[row], taken_kwh[row] = index, start_s, import_wh / WH_PER_KWH
        is_free[row] = not is_held and quality == MeterInterval.Quality.MEASURED
    quarters = Quarters(
        car=car,
        number=starts_s // PTU_SECONDS,
        here_h=(starts_s + PTU_SECONDS - np.maximum(starts_s, plug_in_s[car])) / 3600,
        taken_kwh=taken_kwh,
        is_free=is_free,
    )
    return MeteredSoFar(energy_kwh, full_at_kwh, seen_power_kw(rated_kw=rated_kw, quarters=quarters))


def _held_ptus(assets: Sequence[Asset], since: list[datetime]) -> set[tuple[int, int]]:
    """Return the PTUs in any part of which an asset was kept below its full power, each from its own instant on.

    A later setpoint replaces earlier ones where it overlaps them, but not before it was told.
    """
    full_w = {asset.pk: asset.max_import_w for asset in assets}
    with connection.cursor() as cursor:
        cursor.execute(_TOLD_SINCE, [list(full_w), since])
        told = cursor.fetchall()
    held: set[tuple[int, int]] = set()
    for asset_id, told_at, starts_at, values in told:
        for ptu, power_w in enumerate(values):
            ptu_starts_at = starts_at + ptu * PTU
            if power_w < full_w[asset_id]:
                held.add((asset_id, int(ptu_starts_at.timestamp())))
            elif told_at <= ptu_starts_at:
                held.discard((asset_id, int(ptu_starts_at.timestamp())))
    return held
