"""Past windows of groups of chargers, played under the policy that will dispatch the next one.

The policy decides for all cars of a portfolio together, whatever group they are forecast in, and knows at each moment
what drivers had declared by then, no more.
"""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from bidding.dispatch.allocation.urgency import DispatchPolicy
from bidding.forecast.baselines import PriceCurve
from bidding.forecast.declarations import Declarations
from bidding.forecast.outlook import OutlookModel
from bidding.forecast.sessions import SessionTable
from bidding.forecast.window_forecast import ChargerGroup
from bidding.optimisation.interface import ChargerTraits, WindowSpec
from bidding.replay.delivery import WindowPlay
from bidding.replay.fleet import window_fleet

Floats = NDArray[np.float64]


CAPACITY_WITHIN = 1 / 32
"""How close to the largest promise kept: a past window is one of forty, and each play costs as much."""

SAMPLES_AT_ONCE = 10_000
"""Of all cars: up to some eighty have all their samples, as in the backtest; more have fewer each, for a past window is
played many times."""


class PastWindows:
    """The sessions of some groups, ready to be played; made once for any number of windows."""

    def __init__(
        self,
        groups: Sequence[ChargerGroup],
        *,
        now_s: int,
        policy: DispatchPolicy,
        timezone: str,
        prices: PriceCurve | None = None,
    ) -> None:
        self._sessions, self._traits, self._declared = _together(groups, now_s=now_s)
        self._timezone = timezone
        self._policy = policy
        self._prices = prices

    @cached_property
    def _outlooks(self) -> OutlookModel:
        return OutlookModel(self._sessions, timezone=self._timezone)

    def kept_kw(self, window: WindowSpec, *, others_kw: Floats | float = 0.0, promised_kw: float = 0.0) -> float:
        """Return the largest promise that dispatch with its loop would have kept [kW].

        Args:
            window: a window that is over.
            others_kw: what assets without sessions added, a number or one per PTU (T,).
            promised_kw: played as well, so that whether it was kept does not hang on how finely the largest is found.
        """
        rows = self._sessions.rows_present(window.starts_s, window.ends_s)
        play = WindowPlay(
            fleet=window_fleet(self._sessions, window=window, traits=self._traits, prices=self._prices),
            outlook=self._outlooks.of(rows, now_s=window.starts_s, samples_at_once=SAMPLES_AT_ONCE),
            policy=self._policy,
            direction=window.direction,
            baseline=window.baseline,
            declared=self._declared,
            others_kw=others_kw,
        )
        reached_kw = play.reached_kw(within=CAPACITY_WITHIN)
        if reached_kw < promised_kw and play.deliver(promised_kw).keeps(promised_kw):
            return promised_kw
        return reached_kw


def _together(groups: Sequence[ChargerGroup], *, now_s: int) -> tuple[SessionTable, ChargerTraits, Declarations | None]:
    """Return all sessions as one table, the chargers numbered one group after the other."""
    counts = [len(group.traits.floor_kw) for group in groups]
    first = np.cumsum([0, *counts[:-1]]).tolist()
    tables = [_sessions_so_far(group, now_s=now_s) for group in groups]
    charger = np.concatenate([table.charger + start for table, start in zip(tables, first, strict=True)])
    plug_in_s = np.concatenate([table.plug_in_s for table in tables])
    order = np.argsort(plug_in_s, kind="stable")
    table = SessionTable(
        charger=charger[order].astype(np.int32),
        plug_in_s=plug_in_s[order],
        plug_out_s=np.concatenate([table.plug_out_s for table in tables])[order],
        energy_kwh=np.concatenate([table.energy_kwh for table in tables])[order],
        power_kw=np.concatenate([table.power_kw for table in tables])[order],
        charger_ids=tuple(map(str, range(sum(counts)))),
    )
    traits = ChargerTraits(
        floor_kw=np.concatenate([group.traits.floor_kw for group in groups]),
        v2g=np.concatenate([group.traits.v2g for group in groups]),
    )
    said = [group.declared for group in groups if group.declared is not None]
    declared = Declarations.joined(said, first_charger=first) if len(said) == len(groups) else None
    return table, traits, declared


def _sessions_so_far(group: ChargerGroup, *, now_s: int) -> SessionTable:
    """Return the completed sessions, and those of the cars plugged in as if they ended now."""
    done, here = group.history, group.plugged_in
    if group.energy_in_kwh is None:
        return done
    stay_h = np.maximum(now_s - here.plug_in_s, 1) / 3600
    return SessionTable(
        charger=np.concatenate([done.charger, here.charger]),
        plug_in_s=np.concatenate([done.plug_in_s, here.plug_in_s]),
        plug_out_s=np.concatenate([done.plug_out_s, np.maximum(here.plug_in_s + 1, now_s)]),
        energy_kwh=np.concatenate([done.energy_kwh, np.minimum(group.energy_in_kwh, here.power_kw * stay_h)]),
        power_kw=np.concatenate([done.power_kw, here.power_kw]),
        charger_ids=done.charger_ids,
    )
