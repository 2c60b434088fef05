"""Energy of groups per PTU, over the assets that belonged to them when it started, with its completeness.

A missing value is never a zero: sums run over what was received and say of how much that is. Meter values at their
latest revision are what settlement is made of; minute readings, added up as they come in, show the same sooner.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from django.db import connection
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange
from django.db.models import Q
from numpy.typing import NDArray

from aggregator.core.interval import Interval
from aggregator.core.ptu import ptu_range
from assets.models import Membership

MINUTES_PER_PTU = 15
WMIN_PER_WH = 60
PTUS_AT_ONCE = 96
"""A day of ten thousand assets is a million values in memory at once: enough, a week would be seven."""


@dataclass(frozen=True, slots=True, eq=False)
class GroupReadings:
    """The assets of an aggregation EAN over some PTUs, with their latest meter values.

    Arrays have shape (assets, PTUs); an asset appears when it belongs to the group in at least one of the PTUs.
    """

    asset_ids: tuple[int, ...]
    partner_ids: tuple[int, ...]
    kinds: tuple[str, ...]
    is_member: NDArray[np.bool_]
    import_wh: NDArray[np.int64]
    export_wh: NDArray[np.int64]
    has_meter_value: NDArray[np.bool_]
    is_estimate: NDArray[np.bool_]

    @property
    def metered_wh(self) -> NDArray[np.int64]:
        """Net energy, negative for feed-in; 0 where there is no value."""
        return self.import_wh - self.export_wh


@dataclass(frozen=True, slots=True)
class PtuEnergy:
    """Metered energy of a group in one PTU, over the assets that were members when it started.

    The sums run over the `received` assets only and are None when none was received: what is missing is not zero, and
    `missing_asset_ids` names it.
    """

    starts_at: datetime
    import_wh: int | None
    export_wh: int | None
    expected: int
    received: int
    missing_asset_ids: tuple[int, ...]

    @property
    def is_complete(self) -> bool:
        """Whether every member's value is there."""
        return self.received == self.expected


@dataclass(frozen=True, slots=True)
class PtuResponse:
    """Energy of a group in one PTU by minute readings; the sums are None when not a minute was received."""

    starts_at: datetime
    import_wh: int | None
    export_wh: int | None
    expected_minutes: int
    received_minutes: int


# Every revision in the order of the key, which is read from the covering index alone.
_METER_VALUES = """
    SELECT asset_id, extract(epoch FROM starts_at)::bigint, import_wh, export_wh, (quality = 'estimated')::int
      FROM assets_meterinterval
     WHERE asset_id = ANY(%s) AND starts_at >= %s AND starts_at <= %s
     ORDER BY asset_id, starts_at, revision
"""


def group_readings(
    *, aggregation_ean: str, ptu_starts: Sequence[datetime], partner_id: int | None = None
) -> GroupReadings:
    """Return who belonged to a group in each PTU and what they metered, of one partner or of all (2 queries)."""
    first, last = min(ptu_starts), max(ptu_starts)
    starts_s = np.array([int(start.timestamp()) for start in ptu_starts], dtype=np.int64)
    memberships = list(
        Membership.objects.filter(
            _of(partner_id), aggregation_ean=aggregation_ean, period__overlap=DateTimeTZRange(first, last, "[]")
        )
        .order_by("asset_id")
        .values_list("asset_id", "period", "asset__partner_id", "asset__kind")
    )
    assets = {asset_id: (partner, kind) for asset_id, _, partner, kind in memberships}
    row_of = {asset_id: row for row, asset_id in enumerate(assets)}
    shape = (len(assets), len(starts_s))
    is_member, has_value, is_estimate = (np.zeros(shape, dtype=np.bool_) for _ in range(3))
    import_wh, export_wh = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
    for asset_id, period, *_ in memberships:
        joined, left = _seconds(period)
        is_member[row_of[asset_id]] |= (starts_s >= joined) & (starts_s < left)
    with connection.cursor() as cursor:
        cursor.execute(_METER_VALUES, [list(assets), first, last])
        values = np.array(cursor.fetchall(), dtype=np.int64).reshape(-1, 5)
    order = np.argsort(starts_s)
    place = np.searchsorted(starts_s, values[:, 1], sorter=order).clip(max=len(starts_s) - 1)
    rows, columns = np.searchsorted(np.array(list(assets)), values[:, 0]), order[place]
    wanted = (starts_s[columns] == values[:, 1]) & is_member[rows, columns]
    # Of several revisions of a value the last one stays.
    rows, columns, values = rows[wanted], columns[wanted], values[wanted]
    has_value[rows, columns] = True
    import_wh[rows, columns], export_wh[rows, columns] = values[:, 2], values[:, 3]
    is_estimate[rows, columns] = values[:, 4] == 1
    return GroupReadings(
        asset_ids=tuple(assets),
        partner_ids=tuple(partner for partner, _ in assets.values()),
        kinds=tuple(kind for _, kind in assets.values()),
        is_member=is_member,
        import_wh=import_wh,
        export_wh=export_wh,
        has_meter_value=has_value,
        is_estimate=is_estimate,
    )


def energy_by_ptu(*, aggregation_ean: str, interval: Interval, partner_id: int | None = None) -> list[PtuEnergy]:
    """Return the group's metered energy for every PTU of `interval`, of one partner's assets or of all.

    Raises `InvalidInterval` unless the interval lies on quarter hours.
    """
    ptus = ptu_range(interval)
    return [
        energy
        for first in range(0, len(ptus), PTUS_AT_ONCE)
        for energy in _energy_of(
            aggregation_ean=aggregation_ean, ptus=ptus[first : first + PTUS_AT_ONCE], partner_id=partner_id
        )
    ]


def _energy_of(*, aggregation_ean: str, ptus: Sequence[datetime], partner_id: int | None) -> list[PtuEnergy]:
    readings = group_readings(aggregation_ean=aggregation_ean, ptu_starts=ptus, partner_id=partner_id)
    energy = []
    for number, ptu in enumerate(ptus):
        expected, received = readings.is_member[:, number], readings.has_meter_value[:, number]
        is_known = bool(received.any())
        energy.append(
            PtuEnergy(
                ptu,
                int(readings.import_wh[:, number].sum()) if is_known else None,
                int(readings.export_wh[:, number].sum()) if is_known else None,
                expected=int(expected.sum()),
                received=int(received.sum()),
                missing_asset_ids=tuple(readings.asset_ids[row] for row in np.flatnonzero(expected & ~received)),
            )
        )
    return energy


def response_by_ptu(
    *, aggregation_eans: Sequence[str], interval: Interval, partner_id: int | None = None
) -> dict[str, list[PtuResponse]]:
    """Return by group what minute readings say of every PTU of `interval`, of one partner's assets or of all.

    Raises `InvalidInterval` unless the interval lies on quarter hours.
    """
    ptus = ptu_range(interval)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT membership.aggregation_ean_id, extract(epoch FROM quarter.starts_at)::bigint,
                   sum(quarter.import_wmin)::bigint, sum(quarter.export_wmin)::bigint, sum(quarter.minutes)
            FROM assets_readingquarter AS quarter
            -- Not `period @> starts_at`: the planner takes that for one row in a thousand, and sorts a million.
            JOIN assets_membership AS membership ON membership.asset_id = quarter.asset_id
             AND COALESCE(lower(membership.period), '-infinity') <= quarter.starts_at
             AND COALESCE(upper(membership.period), 'infinity') > quarter.starts_at
            WHERE quarter.starts_at >= %(start)s AND quarter.starts_at < %(end)s
              AND membership.aggregation_ean_id = ANY(%(eans)s)
              AND (%(partner)s::bigint IS NULL
                   OR quarter.asset_id IN (SELECT id FROM assets_asset WHERE partner_id = %(partner)s))
            GROUP BY membership.aggregation_ean_id, quarter.starts_at
            """,
            {
                "start": interval.starts_at,
                "end": interval.ends_at,
                "eans": list(aggregation_eans),
                "partner": partner_id,
            },
        )
        summed = {(ean, start_s): sums for ean, start_s, *sums in cursor.fetchall()}
    members = _members_by_ptu(aggregation_eans, ptus, partner_id)
    starts_s = [int(ptu.timestamp()) for ptu in ptus]
    responses: dict[str, list[PtuResponse]] = {}
    for ean in aggregation_eans:
        responses[ean] = []
        for ptu, start_s, expected in zip(ptus, starts_s, members[ean].tolist(), strict=True):
            import_wmin, export_wmin, minutes = summed.get((ean, start_s), (None, None, 0))
            responses[ean].append(
                PtuResponse(ptu, _wh(import_wmin), _wh(export_wmin), expected * MINUTES_PER_PTU, minutes)
            )
    return responses


def _members_by_ptu(
    eans: Sequence[str], ptus: Sequence[datetime], partner_id: int | None
) -> dict[str, NDArray[np.int64]]:
    """Return by group how many assets are in it at the start of each PTU: those that joined, less those that left."""
    joined: dict[str, list[float]] = defaultdict(list)
    left: dict[str, list[float]] = defaultdict(list)
    with connection.cursor() as cursor:
        # As numbers: ten thousand ranges take longer to read as such than all the rest.
        cursor.execute(
            """
            SELECT aggregation_ean_id, COALESCE(extract(epoch FROM lower(period)), '-infinity')::float8,
                   COALESCE(extract(epoch FROM upper(period)), 'infinity')::float8
            FROM assets_membership
            WHERE aggregation_ean_id = ANY(%(eans)s)
              AND (%(partner)s::bigint IS NULL
                   OR asset_id IN (SELECT id FROM assets_asset WHERE partner_id = %(partner)s))
            """,
            {"eans": list(eans), "partner": partner_id},
        )
        for ean, start_s, end_s in cursor.fetchall():
            joined[ean].append(start_s)
            left[ean].append(end_s)
    starts_s = np.array([ptu.timestamp() for ptu in ptus])
    return {
        ean: np.searchsorted(np.sort(joined[ean]), starts_s, side="right")
        - np.searchsorted(np.sort(left[ean]), starts_s, side="right")
        for ean in eans
    }


def _of(partner_id: int | None) -> Q:
    return Q() if partner_id is None else Q(asset__partner_id=partner_id)


def _seconds(period: DateTimeTZRange) -> tuple[float, float]:
    """Return when a membership starts and ends, in epoch seconds."""
    return (
        period.lower.timestamp() if period.lower else -np.inf,
        period.upper.timestamp() if period.upper else np.inf,
    )


def _wh(wmin: int | None) -> int | None:
    return None if wmin is None else round(wmin / WMIN_PER_WH)
