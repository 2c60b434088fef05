"""What the dispatcher knows of a group at the start of a PTU, read from sessions, states and meter values."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from aggregator.core.interval import Interval
from aggregator.core.ptu import PTU, ptu_start
from assets.models import Asset, AssetKind, Setpoint
from bidding.backtest.outlook import Outlook, OutlookModel
from bidding.backtest.policy import DispatchView
from bidding.forecast.sessions import SessionTable
from bidding.portfolio import Group, latest_states, plug_history

Floats = NDArray[np.float64]

W_PER_KW = 1_000
IDLE_KW = 0.1
STILL_HERE_S = 1 << 40  # a plug-out so late that no session counts it as past
LOCAL_TIME = "Europe/Amsterdam"


@dataclass(frozen=True, slots=True, eq=False)
class PlugSituation:
    """The plugged-in cars that can be steered, and how the policy sees them."""

    assets: tuple[Asset, ...]
    view: DispatchView


def plugs_at(*, group: Group, remaining: Interval, now: datetime, ignored_asset_ids: Iterable[int]) -> PlugSituation:
    """Return the cars plugged in at `now` as they will stand when `remaining`, the rest of the window, starts.

    `ignored_asset_ids` are left out: an asset that does not follow changes baseline and meter alike.
    """
    history = plug_history(plugs=group.plugs, now=now)
    by_id = {asset.pk: asset for asset in group.plugs}
    skip = set(ignored_asset_ids)
    keep = np.array([history.asset_ids[number] not in skip for number in history.plugged_in.charger], dtype=np.bool_)
    here = history.plugged_in
    assets = tuple(by_id[history.asset_ids[number]] for number in here.charger[keep])
    plug_in_s, power_kw = here.plug_in_s[keep], here.power_kw[keep]
    power_now_kw, is_idle = _measured(assets, now)
    ahead_h = (remaining.starts_at - _metered_until(now)).total_seconds() / 3600
    metered_kwh = _metered_since_plug_in(assets, plug_in_s, now)
    energy_kwh = np.maximum(metered_kwh + power_now_kw * ahead_h, 0.0)
    limited = _is_limited(assets, now)
    declared_kwh = here.declared_energy_kwh[keep]
    is_full = (is_idle & ~limited) | (energy_kwh >= np.nan_to_num(declared_kwh, nan=np.inf))
    stored_kwh = _stored_before_arrival_kwh(assets, history.arrival_level_kwh[keep])
    outlook = _outlook(history.sessions, assets, plug_in_s, power_kw, now, declared_kwh, here.declared_plug_out_s[keep])
    # A V2G car may give what it brought above its floor. Seen from the policy it came earlier, at its floor, and has
    # charged that much since: energy, stay and elapsed time are shifted together, so its baseline does not change.
    shift_h = stored_kwh / power_kw
    view = DispatchView(
        ptu_h=PTU.total_seconds() / 3600,
        left_in_window_h=remaining.duration.total_seconds() / 3600,
        elapsed_h=(remaining.starts_at.timestamp() - plug_in_s) / 3600 + shift_h,
        power_kw=power_kw,
        floor_kw=np.array(
            [0.0 if asset.pausing == Asset.Pausing.CAN_PAUSE else asset.min_import_w / W_PER_KW for asset in assets]
        ),
        v2g=np.array([asset.kind == AssetKind.V2G_CHARGER for asset in assets], dtype=np.bool_),
        energy_in_kwh=energy_kwh + stored_kwh,
        is_full=is_full,
        planned_kwh=None,
        outlook=Outlook(
            stay_h=outlook.stay_h + shift_h[:, None],
            energy_kwh=outlook.energy_kwh + stored_kwh[:, None],
            weight=outlook.weight,
        ),
    )
    return PlugSituation(assets, view)


def _outlook(
    sessions: SessionTable,
    assets: Sequence[Asset],
    plug_in_s: NDArray[np.int64],
    power_kw: Floats,
    now: datetime,
    declared_kwh: Floats,
    declared_plug_out_s: Floats,
) -> Outlook:
    """Return what to expect of the cars; what a driver declared replaces every sample of it."""
    table = SessionTable.from_columns(
        charger_ids=[*(sessions.charger_ids[number] for number in sessions.charger), *(str(a.pk) for a in assets)],
        plug_in_s=np.concatenate([sessions.plug_in_s, plug_in_s]),
        plug_out_s=np.concatenate([sessions.plug_out_s, np.full(len(assets), STILL_HERE_S)]),
        energy_kwh=np.concatenate([sessions.energy_kwh, np.zeros(len(assets))]),
        power_kw=np.concatenate([sessions.power_kw, power_kw]),
    )
    row_of = {table.charger_ids[table.charger[row]]: row for row in np.flatnonzero(table.plug_out_s == STILL_HERE_S)}
    rows = np.array([row_of[str(asset.pk)] for asset in assets], dtype=np.intp)
    outlook = OutlookModel(table, timezone=LOCAL_TIME).of(rows, now_s=int(now.timestamp()))
    declared_stay_h = (declared_plug_out_s - plug_in_s) / 3600
    return Outlook(
        stay_h=np.where(np.isnan(declared_stay_h)[:, None], outlook.stay_h, declared_stay_h[:, None]),
        energy_kwh=np.where(np.isnan(declared_kwh)[:, None], outlook.energy_kwh, declared_kwh[:, None]),
        weight=outlook.weight,
    )


def _measured(assets: Sequence[Asset], now: datetime) -> tuple[Floats, NDArray[np.bool_]]:
    """Return the power each asset reported last, and whether it is known to draw nothing."""
    states = latest_states(assets)
    known = [states.get(asset.pk) for asset in assets]
    power = np.array([state.power_w / W_PER_KW if state else 0.0 for state in known])
    fresh = np.array([state is not None and now - state.at < 2 * PTU for state in known], dtype=np.bool_)
    return power, fresh & (np.abs(power) < IDLE_KW)


def _metered_until(now: datetime) -> datetime:
    """Return the end of the last PTU whose meter values can be here: the running one has none yet."""
    return ptu_start(now)


def _metered_since_plug_in(assets: Sequence[Asset], plug_in_s: NDArray[np.int64], now: datetime) -> Floats:
    """Return the net energy metered at each asset since its car came, in one query."""
    if not assets:
        return np.zeros(0)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT open.position, COALESCE(SUM(latest.net_wh), 0)
              FROM unnest(%s::bigint[], %s::bigint[]) WITH ORDINALITY AS open(asset_id, plug_in_s, position)
              LEFT JOIN LATERAL (
                    SELECT DISTINCT ON (starts_at) import_wh - export_wh AS net_wh
                      FROM assets_meterinterval
                     WHERE asset_id = open.asset_id
                       AND starts_at >= to_timestamp(open.plug_in_s - open.plug_in_s %% 900)
                       AND starts_at < %s
                     ORDER BY starts_at, revision DESC
                   ) AS latest ON true
             GROUP BY open.position
             ORDER BY open.position
            """,
            [[asset.pk for asset in assets], [int(second) for second in plug_in_s], _metered_until(now)],
        )
        return np.array([float(total) / W_PER_KW for _, total in cursor.fetchall()])


def _is_limited(assets: Sequence[Asset], now: datetime) -> NDArray[np.bool_]:
    """Tell which assets we hold below their rated power now; an idle car among them need not be full."""
    held = set(
        Setpoint.objects.filter(
            asset__in=[asset.pk for asset in assets], starts_at__lte=now, ends_at__gt=now
        ).values_list("asset_id", flat=True)
    )
    return np.array([asset.pk in held for asset in assets], dtype=np.bool_)


def _stored_before_arrival_kwh(assets: Sequence[Asset], arrival_level_kwh: Floats) -> Floats:
    """Return what each V2G car brought above the level it must keep; nothing where it did not tell."""
    floor_kwh = np.array([asset.min_level_wh / W_PER_KW for asset in assets])
    is_v2g = np.array([asset.kind == AssetKind.V2G_CHARGER for asset in assets], dtype=np.bool_)
    return np.where(is_v2g, np.maximum(np.nan_to_num(arrival_level_kwh) - floor_kwh, 0.0), 0.0)
