"""A group's assets as the arrays that sizing and dispatch calculate with.

Reading is separate from thinking: everything here is queries and unit changes, nothing decides.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

import numpy as np
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange
from numpy.typing import NDArray

from aggregator.core.interval import Interval
from aggregator.core.ptu import PTU
from assets.models import (
    AggregationEan,
    Asset,
    AssetKind,
    AssetState,
    ChargingSession,
    Declaration,
    MeterInterval,
)
from bidding.forecast.declarations import Declarations
from bidding.forecast.sessions import NO_CARD, PluggedIn, SessionTable

Floats = NDArray[np.float64]

W_PER_KW = 1_000
PTUS_PER_HOUR = 4
DAY_SECONDS = 86_400
HISTORY = timedelta(weeks=12)
LONGEST_STAY = timedelta(weeks=4)
"""An open session older than this is taken for a plug-out that was lost, or for a car that is full: nobody counts on it
to move anything, and what was metered and told since is not read again in every plan."""
PLUGGED_KINDS = (AssetKind.CHARGER, AssetKind.V2G_CHARGER, AssetKind.BUS_CHARGER)


@dataclass(frozen=True, slots=True)
class Group:
    """Members of an aggregation EAN, by what they are."""

    aggregation_ean: AggregationEan
    plugs: tuple[Asset, ...]
    batteries: tuple[Asset, ...]
    heat_pumps: tuple[Asset, ...]

    @property
    def members(self) -> tuple[Asset, ...]:
        """All of them."""
        return self.plugs + self.batteries + self.heat_pumps


def group_at(*, aggregation_ean: AggregationEan, instant: datetime) -> Group:
    """Return the active members of a group at an instant whose partners take part."""
    return _group(aggregation_ean, instant)


def group_during(*, aggregation_ean: AggregationEan, period: Interval) -> Group:
    """Return those that are members for all of a period: what can be counted on in it, by what is known now."""
    return _group(aggregation_ean, DateTimeTZRange(period.starts_at, period.ends_at))


def _group(aggregation_ean: AggregationEan, during: datetime | DateTimeTZRange) -> Group:
    members = Asset.objects.filter(
        memberships__aggregation_ean=aggregation_ean,
        memberships__period__contains=during,
        is_active=True,
        partner__is_active=True,
        partner__is_stopped=False,
    ).order_by("pk")
    by_kind: dict[str, list[Asset]] = {kind: [] for kind in AssetKind.values}
    for asset in members:
        by_kind[asset.kind].append(asset)
    plugs = sorted((asset for kind in PLUGGED_KINDS for asset in by_kind[kind]), key=lambda asset: asset.pk)
    return Group(aggregation_ean, tuple(plugs), tuple(by_kind[AssetKind.BATTERY]), tuple(by_kind[AssetKind.HEAT_PUMP]))


@dataclass(frozen=True, slots=True, eq=False)
class PlugHistory:
    """Completed sessions of a group and the cars plugged in now, with chargers numbered alike in both.

    Attributes:
        sessions: completed at the instant.
        plugged_in: as far as known at the instant, without those that came longer than `LONGEST_STAY` ago.
        asset_ids: asset of each charger number; chargers without a completed session come last.
        energy_in_kwh: what the meter of each plugged-in car's session says so far.
        arrival_level_kwh: in the battery of each plugged-in car at plug-in; NaN when not told.
    """

    sessions: SessionTable
    plugged_in: PluggedIn
    asset_ids: tuple[int, ...]
    energy_in_kwh: Floats
    arrival_level_kwh: Floats


def plug_history(*, plugs: Sequence[Asset], now: datetime, reach: timedelta = HISTORY) -> PlugHistory:
    """Return what is known at `now` of the sessions at some chargers, `reach` back, in two queries."""
    known = ChargingSession.objects.filter(asset__in=[asset.pk for asset in plugs], plug_in_at__lte=now)
    done = list(
        known.filter(plug_out_at__lte=now, plug_in_at__gte=_first_day(now, reach)).values_list(
            "asset_id", "plug_in_at", "plug_out_at", "energy_wh", "max_import_w", "driver_token"
        )
    )
    cards = _Cards()
    sessions = SessionTable.from_columns(
        charger_ids=[str(row[0]) for row in done],
        plug_in_s=[int(row[1].timestamp()) for row in done],
        plug_out_s=[int(row[2].timestamp()) for row in done if row[2]],
        energy_kwh=[row[3] / W_PER_KW for row in done],
        power_kw=[row[4] / W_PER_KW for row in done],
        card=[cards.number(row[5]) for row in done],
    )
    numbered = [int(name) for name in sessions.charger_ids]
    seen = set(numbered)
    asset_ids = (*numbered, *(asset.pk for asset in plugs if asset.pk not in seen))
    number = {asset_id: index for index, asset_id in enumerate(asset_ids)}
    here = list(
        known.filter(plug_out_at__isnull=True, plug_in_at__gte=now - LONGEST_STAY)
        .order_by("plug_in_at", "pk")
        .values_list(
            "asset_id",
            "plug_in_at",
            "max_import_w",
            "declared_departure_at",
            "declared_energy_wh",
            "energy_wh",
            "arrival_level_wh",
            "driver_token",
        )
    )
    return PlugHistory(
        sessions=sessions,
        plugged_in=PluggedIn(
            charger=np.array([number[row[0]] for row in here], dtype=np.int32),
            plug_in_s=np.array([int(row[1].timestamp()) for row in here], dtype=np.int64),
            power_kw=np.array([row[2] / W_PER_KW for row in here], dtype=np.float64),
            declared_plug_out_s=np.array([row[3].timestamp() if row[3] else np.nan for row in here], dtype=np.float64),
            declared_energy_kwh=_kilo_or_nan(row[4] for row in here),
            card=np.array([cards.number(row[7]) for row in here], dtype=np.int32),
        ),
        asset_ids=asset_ids,
        energy_in_kwh=_kilo_or_nan(row[5] for row in here),
        arrival_level_kwh=_kilo_or_nan(row[6] for row in here),
    )


def declarations(*, history: PlugHistory, now: datetime, reach: timedelta = HISTORY) -> Declarations:
    """Return what drivers had declared by `now` of the sessions in a history, and when each word was told (1 query)."""
    number = {asset_id: index for index, asset_id in enumerate(history.asset_ids)}
    said = list(
        Declaration.objects.filter(
            session__asset__in=history.asset_ids, session__plug_in_at__gte=_first_day(now, reach), told_at__lte=now
        ).values_list("session__asset_id", "session__plug_in_at", "told_at", "departure_at", "energy_wh")
    )
    return Declarations.of(
        charger=np.array([number[row[0]] for row in said], dtype=np.int32),
        plug_in_s=np.array([int(row[1].timestamp()) for row in said], dtype=np.int64),
        told_s=np.array([ceil(row[2].timestamp()) for row in said], dtype=np.int64),
        plug_out_s=np.array([row[3].timestamp() if row[3] else np.nan for row in said], dtype=np.float64),
        energy_kwh=_kilo_or_nan(row[4] for row in said),
    )


def latest_states(assets: Sequence[Asset]) -> dict[int, AssetState]:
    """Return the newest reported state of each asset that reported one."""
    return AssetState.objects.in_bulk([asset.pk for asset in assets])


def usual_power_kw(*, assets: Sequence[Asset], period: Interval, days: int) -> Floats:
    """Return the mean power of each asset in each PTU of `period` over the `days` days before, shape (assets, PTUs).

    NaN where no value was received. Days repeat by 24 hours, so the days around a clock change are an hour off: a
    small error next to the spread between days.
    """
    starts = [piece.starts_at for piece in period.steps(PTU)]
    shifted = {start - timedelta(days=day + 1): ptu for day in range(days) for ptu, start in enumerate(starts)}
    position = {asset.pk: index for index, asset in enumerate(assets)}
    total_kw, count = np.zeros((len(assets), len(starts))), np.zeros((len(assets), len(starts)))
    rows = (
        MeterInterval.objects.filter(asset__in=position, starts_at__in=shifted)
        .order_by("asset_id", "starts_at", "-revision")
        .distinct("asset_id", "starts_at")
        .values_list("asset_id", "starts_at", "import_wh", "export_wh")
    )
    for asset_id, start, import_wh, export_wh in rows:
        place = position[asset_id], shifted[start]
        total_kw[place] += (import_wh - export_wh) * PTUS_PER_HOUR / W_PER_KW
        count[place] += 1
    return np.divide(total_kw, count, out=np.full_like(total_kw, np.nan), where=count > 0)


def _first_day(now: datetime, reach: timedelta) -> datetime:
    """Return where a history begins: it stays there all day, so that what was read from it can be found again."""
    return now - timedelta(seconds=now.timestamp() % DAY_SECONDS) - reach


class _Cards:
    """Numbers for cards, in order of appearance."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def number(self, token: str) -> int:
        return self._numbers.setdefault(token, len(self._numbers)) if token else NO_CARD


def _kilo_or_nan(values: Iterable[int | None]) -> Floats:
    return np.array([np.nan if value is None else value / W_PER_KW for value in values], dtype=np.float64)
