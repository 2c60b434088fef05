"""What an activation wishes of whom: the situation read, and the policy asked."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from aggregator.core.interval import Interval
from aggregator.core.ptu import PTU
from assets.control.connections import import_room_w
from assets.control.standing import left_alone_w
from assets.models import Asset
from assets.queries import out_of_use
from bidding.dispatch.allocation.caps import Scope
from bidding.dispatch.allocation.decision import Decision, Records, decide
from bidding.dispatch.allocation.live_policy import live_policy
from bidding.dispatch.allocation.release import release_delays_ptus
from bidding.dispatch.allocation.reserve import LEAST_TRUSTED
from bidding.dispatch.commands import LEAST_HOLD_PTUS, standing_power_w
from bidding.dispatch.duties import not_doing_their_part
from bidding.dispatch.limits import is_limited, turn_limit_into_order
from bidding.dispatch.records import records_of
from bidding.dispatch.situation import PlugSituation, arriving_kw, plugs_at
from bidding.dispatch.steady import steady_resources
from bidding.dispatch.together import runs_beside_another, with_a_part_elsewhere
from bidding.driver_record import driver_record
from bidding.models import Activation, ActivationPtu
from bidding.models.directions import as_literal
from bidding.portfolio import group_at

Floats = NDArray[np.float64]

W_PER_KW = 1_000


@dataclass(frozen=True, slots=True, eq=False)
class Intent:
    """n assets with what each would take, takes when it may, is asked, and how it stands; cars first. Shape (n,)."""

    assets: tuple[Asset, ...]
    usual_kw: Floats
    most_kw: Floats
    asked_kw: Floats
    records: Records
    delays_ptus: NDArray[np.int64]


def intent_of(
    activation: Activation,
    ptu: ActivationPtu,
    *,
    starts_at: datetime,
    now: datetime,
    wanted_w: int | None,
    not_to_ask: AbstractSet[int],
) -> Intent:
    """Return who is to do what; arguments as for `plan`. A limit that was called becomes an order on the way.

    Assets in `not_to_ask` are left to their own ways.
    """
    group = group_at(aggregation_ean=activation.aggregation_ean, instant=now)
    everyone = (*group.plugs, *group.batteries, *group.heat_pumps)
    place = {asset.pk: index for index, asset in enumerate(everyone)}
    records = records_of(assets=everyone, activation=activation, now=now)
    ignored = not_doing_their_part(activation) | out_of_use(asset_ids=place) | not_to_ask
    ignored |= with_a_part_elsewhere(activation, starts_at=starts_at)
    ignored |= {pk for pk, at in place.items() if records.follows[at] < LEAST_TRUSTED}
    remaining = Interval(starts_at, activation.ends_at)
    direction = as_literal(activation.direction)
    plugs = plugs_at(group=group, remaining=remaining, now=now, ignored_asset_ids=ignored, is_limit=is_limited(ptu))
    steady_assets, steady = steady_resources(
        group=group, remaining=remaining, direction=direction, now=now, ignored_asset_ids=ignored
    )
    if wanted_w is None:
        if is_limited(ptu):
            renew_order(activation, ptu, starts_at=starts_at, now=now)
        wanted_w = aim_w(activation, ptu.ordered_w + ptu.room_w)
    plug_records = records.of([place[asset.pk] for asset in plugs.assets])
    steady_records = records.of([place[asset.pk] for asset in steady_assets])
    decision = decide(
        direction=direction,
        wanted_kw=wanted_w / W_PER_KW,
        plugs=plugs.view,
        steady=steady,
        policy=live_policy(driver_record(aggregation_ean=activation.aggregation_ean, now=now).most_risk),
        plug_records=plug_records,
        steady_records=steady_records,
        is_exact=activation.is_balancing,
    )
    plug_kw = decision.plan.plug_kw
    told_w = standing_power_w(activation, ptu.ptu_start)
    alone_w = np.array([left_alone_w(asset.kind, asset.max_import_w) for asset in steady_assets], dtype=np.float64)
    is_moved = np.abs(decision.plan.steady_kw - steady.usual_kw) > 0
    # Who is told something and is not needed any more goes back; who does not do its part stays as it is told.
    is_freed = ~is_moved & np.array(
        [
            asset.pk not in ignored and told_w.get(asset.pk, alone) != alone
            for asset, alone in zip(steady_assets, alone_w.tolist(), strict=True)
        ],
        dtype=np.bool_,
    )
    steady_kw = np.where(is_freed, alone_w / W_PER_KW, decision.plan.steady_kw)
    part = np.flatnonzero(is_moved | is_freed)
    chosen = (*plugs.assets, *(steady_assets[index] for index in part))
    return Intent(
        assets=chosen,
        usual_kw=np.concatenate([decision.plug_usual_kw, steady.usual_kw[part]]),
        most_kw=np.concatenate([decision.plug_draw_kw, np.maximum(decision.plan.steady_kw, steady.usual_kw)[part]]),
        asked_kw=np.concatenate([plug_kw, steady_kw[part]]),
        records=records.of([place[asset.pk] for asset in chosen]),
        delays_ptus=np.concatenate(
            [
                _delays(decision, plugs, window_ptus=(activation.ends_at - ptu.ptu_start) // PTU, now=now),
                np.zeros(len(part), dtype=np.int64),
            ]
        ),
    )


def renew_order(activation: Activation, ptu: ActivationPtu, *, starts_at: datetime, now: datetime) -> None:
    """Turn the limit of a PTU into an order by what is known now, from `starts_at` on.

    A limit holds for all that the group takes, also by those who do not follow.
    """
    group = group_at(aggregation_ean=activation.aggregation_ean, instant=now)
    remaining = Interval(starts_at, activation.ends_at)
    direction = as_literal(activation.direction)
    _, steady = steady_resources(group=group, remaining=remaining, direction=direction, now=now)
    plugs = plugs_at(group=group, remaining=remaining, now=now, ignored_asset_ids=())
    turn_limit_into_order(
        ptu,
        starts_at=starts_at,
        plugs=plugs,
        steady=steady,
        arriving_kw=arriving_kw(history=plugs.history, period=Interval(ptu.ptu_start, ptu.ptu_start + PTU), now=now),
        ignored_asset_ids=not_doing_their_part(activation),
        may_catch_up=not runs_beside_another(activation, at=ptu.ptu_start),
    )


def within_cap(activation: Activation, ordered_w: int) -> int:
    """Return what is to be delivered of an order: no more than the operator's cap, nothing once it is stopped."""
    cap_w = 0 if activation.stop_reason else activation.cap_w
    return ordered_w if cap_w is None else min(ordered_w, cap_w)


def aim_w(activation: Activation, ordered_w: int) -> int:
    """Return what a plan aims for: what is to be delivered, of balancing energy corrected by what the group brings."""
    return within_cap(activation, round(activation.aim_share * within_cap(activation, ordered_w)))


def _delays(decision: Decision, plugs: PlugSituation, *, window_ptus: int, now: datetime) -> NDArray[np.int64]:
    """Return how long after the window each car waits; under a limit that outlasts its stay it ends before."""
    is_held = decision.plan.plug_kw < plugs.view.power_kw
    return release_delays_ptus(
        spare_h=decision.laxity_h,
        needs_h=decision.need_h,
        power_kw=plugs.view.power_kw,
        is_held=is_held,
        ptu_h=plugs.view.ptu_h,
        earliest_ptus=min(LEAST_HOLD_PTUS - window_ptus, 0) if plugs.view.is_limit else 0,
        connections=_connections(plugs.assets, is_held, now),
    )


def _connections(assets: Sequence[Asset], is_held: NDArray[np.bool_], now: datetime) -> Scope | None:
    """Return what the connections of some cars leave to those of them that are held; None where none has a limit."""
    held = [asset for asset, is_one in zip(assets, is_held.tolist(), strict=True) if is_one]
    room_w = import_room_w(assets=held, now=now)
    if not room_w:
        return None
    names, part = np.unique([asset.connection_ean for asset in assets], return_inverse=True)
    room_kw = np.array([room_w.get(name, np.inf) for name in names.tolist()], dtype=np.float64) / W_PER_KW
    return Scope(part=part.astype(np.int64), room_kw=room_kw)
