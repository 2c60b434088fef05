"""What the dispatcher knows of a group at the start of a PTU, read from sessions, states and meter values."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from django.conf import settings
from numpy.typing import NDArray

from aggregator.core.interval import Interval
from aggregator.core.ptu import MARKET_ZONE, PTU, ptu_start
from assets.control.connections import may_feed_in_together
from assets.models import Asset
from bidding.dispatch.allocation.pausing import State
from bidding.dispatch.allocation.view import DispatchView
from bidding.dispatch.metered import metered_so_far
from bidding.dispatch.pausing import pausing_states
from bidding.forecast.late_arrivals import late_arrivals_kw
from bidding.forecast.outlook import Outlook, OutlookModel
from bidding.forecast.sessions import SessionTable
from bidding.portfolio import Group, PlugHistory, latest_states, plug_history

Floats = NDArray[np.float64]

W_PER_KW = 1_000
FULL_WITHIN_KWH = 0.05
STILL_HERE_S = 1 << 40  # a plug-out so late that no session counts it as past
OUTLOOK_REACH = timedelta(weeks=4)  # enough to know a charger by; more would only cost time in every plan


@dataclass(frozen=True, slots=True, eq=False)
class PlugSituation:
    """The plugged-in cars that can be steered, how the policy sees them, and what was read of the group's sessions."""

    assets: tuple[Asset, ...]
    view: DispatchView
    history: PlugHistory


def plugs_at(
    *, group: Group, remaining: Interval, now: datetime, ignored_asset_ids: Iterable[int], is_limit: bool = False
) -> PlugSituation:
    """Return the cars plugged in at `now` as they will stand when `remaining`, the rest of the window, starts.

    `ignored_asset_ids` are left out: an asset that does not follow changes baseline and meter alike. `is_limit` tells
    whether the window limits what they take.
    """
    history = plug_history(plugs=group.plugs, now=now, reach=OUTLOOK_REACH)
    by_id = {asset.pk: asset for asset in group.plugs}
    skip = set(ignored_asset_ids)
    keep = np.array([history.asset_ids[number] not in skip for number in history.plugged_in.charger], dtype=np.bool_)
    here = history.plugged_in
    assets = tuple(by_id[history.asset_ids[number]] for number in here.charger[keep])
    plug_in_s, power_kw = here.plug_in_s[keep], here.power_kw[keep]
    sofar = metered_so_far(assets=assets, plug_in_s=plug_in_s, rated_kw=power_kw, until=ptu_start(now))
    ahead_h = (remaining.starts_at - ptu_start(now)).total_seconds() / 3600
    energy_kwh = sofar.energy_kwh + _power_now_kw(assets, now) * ahead_h
    # A car seen idle while nothing held it back is full: what it had then is what it wants, as if it had told.
    wanted_kwh = np.where(np.isnan(sofar.full_at_kwh), here.declared_energy_kwh[keep], sofar.full_at_kwh)
    left_kwh = wanted_kwh - energy_kwh
    left_kwh = np.where(left_kwh < FULL_WITHIN_KWH, 0.0, left_kwh)
    # They stand in the order in which they came, so a car that comes takes nobody's place on a connection.
    feeding_in = may_feed_in_together(
        batteries=[asset for asset in group.batteries if asset.pk not in skip],
        plugs=assets,
        period=remaining,
    )
    feeds_in = np.array([asset.pk in feeding_in for asset in assets], dtype=np.bool_)
    stored_kwh = np.where(feeds_in, _stored_before_arrival_kwh(assets, history.arrival_level_kwh[keep]), 0.0)
    outlook = _outlook(
        sessions=history.sessions,
        assets=assets,
        plug_in_s=plug_in_s,
        power_kw=power_kw,
        now=now,
        declared_kwh=wanted_kwh,
        declared_plug_out_s=here.declared_plug_out_s[keep],
    )
    pausing = pausing_states(assets)
    # A V2G car may give what it brought above its floor. Seen from the policy it came earlier, at its floor, and has
    # charged that much since: energy, stay and elapsed time are shifted together, so its baseline does not change.
    shift_h = stored_kwh / power_kw
    view = DispatchView(
        ptu_h=PTU.total_seconds() / 3600,
        left_in_window_h=remaining.duration.total_seconds() / 3600,
        elapsed_h=(remaining.starts_at.timestamp() - plug_in_s) / 3600 + shift_h,
        power_kw=power_kw,
        takes_kw=sofar.power_kw,
        floor_kw=np.array(
            [0.0 if pausing[asset.pk] == State.CAN_PAUSE else asset.min_import_w / W_PER_KW for asset in assets]
        ),
        v2g=feeds_in,
        energy_in_kwh=energy_kwh + stored_kwh,
        left_kwh=left_kwh,
        planned_kwh=None,
        outlook=Outlook(
            stay_h=outlook.stay_h + shift_h[:, None],
            energy_kwh=outlook.energy_kwh + stored_kwh[:, None],
            weight=outlook.weight,
            own=outlook.own,
        ),
        is_limit=is_limit,
    )
    return PlugSituation(assets, view, history)


def arriving_kw(*, history: PlugHistory, period: Interval, now: datetime) -> float:
    """Return the most that cars still to come may take in `period`, by `LIMIT_ARRIVALS_QUANTILE` of like days."""
    return late_arrivals_kw(
        history.sessions,
        history.plugged_in,
        now_s=int(now.timestamp()),
        starts_s=int(period.starts_at.timestamp()),
        ends_s=int(period.ends_at.timestamp()),
        timezone=MARKET_ZONE.key,
        quantile=settings.LIMIT_ARRIVALS_QUANTILE,
    )


def _outlook(
    *,
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
    outlook = OutlookModel(table, timezone=MARKET_ZONE.key).of(rows, now_s=int(now.timestamp()))
    return outlook.told(stay_h=(declared_plug_out_s - plug_in_s) / 3600, energy_kwh=declared_kwh)


def _power_now_kw(assets: Sequence[Asset], now: datetime) -> Floats:
    """Return the power each asset reported last; an asset silent for two PTUs is taken to draw nothing."""
    states = latest_states(assets)
    known = [states.get(asset.pk) for asset in assets]
    return np.array([state.power_w / W_PER_KW if state and now - state.at < 2 * PTU else 0.0 for state in known])


def _stored_before_arrival_kwh(assets: Sequence[Asset], arrival_level_kwh: Floats) -> Floats:
    """Return what each car brought above the level it must keep; nothing where it did not tell."""
    floor_kwh = np.array([asset.min_level_wh / W_PER_KW for asset in assets])
    return np.asarray(np.maximum(np.nan_to_num(arrival_level_kwh) - floor_kwh, 0.0))
