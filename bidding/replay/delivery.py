"""Playing a window: the policy asks, the cars do what they can, the drivers leave when they leave."""

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bidding.dispatch.allocation.urgency import DispatchPolicy
from bidding.dispatch.allocation.view import FULL_KWH, DispatchView
from bidding.flexibility.storage import ROUND_TRIP_EFFICIENCY
from bidding.forecast.declarations import Declarations
from bidding.forecast.outlook import Outlook
from bidding.optimisation.interface import BaselineKind, Direction
from bidding.replay.fleet import WindowFleet

Floats = NDArray[np.float64]

DELIVERED_TOLERANCE_KW = 1e-6
"""A PTU counts as delivered when it is short by no more than this: rounding of floats, not of kilowatts."""

CAPACITY_STEP = 1 / 128
MOST_PLAYS = 10


@dataclass(frozen=True, slots=True, eq=False)
class Delivery:
    """What a window gave: power against the baseline per PTU, shape (T,), and energy drivers left without."""

    delivered_kw: Floats
    unserved_kwh: float

    @property
    def least_kw(self) -> float:
        """The weakest PTU."""
        return float(self.delivered_kw.min())

    def keeps(self, promise_kw: float) -> bool:
        """Tell whether every PTU reached the promise."""
        return self.least_kw >= promise_kw - DELIVERED_TOLERANCE_KW

    def shortfall_kwh(self, promise_kw: float, *, ptu_h: float) -> float:
        """Return the energy by which the PTUs stayed under the promise."""
        return float(np.maximum(promise_kw - self.delivered_kw, 0.0).sum() * ptu_h)


@dataclass(frozen=True, slots=True, eq=False)
class WindowPlay:
    """A window ready to be played against any promise.

    Attributes:
        declared: what drivers declared and when. Where one said nothing, the policy has only samples and the one sure
            sign that a car has stopped drawing. None: every plugged-in car tells how much it still wants (ISO 15118,
            OCPP 2.1 charging needs), and none when it leaves.
        others_kw: what assets without sessions add by themselves, a number or one per PTU (T,).
    """

    fleet: WindowFleet
    outlook: Outlook
    policy: DispatchPolicy
    direction: Direction
    baseline: BaselineKind
    declared: Declarations | None = None
    others_kw: Floats | float = 0.0

    def deliver(self, promise_kw: float) -> Delivery:
        """Play the window towards a promise.

        At the start of each PTU the policy sees the cars plugged in then; a car that comes inside a PTU follows its
        baseline until the next one. After the window every car catches up at full power.
        """
        fleet = self.fleet
        energy_in = fleet.before_kwh.copy()
        others_kw = np.broadcast_to(self.others_kw, (fleet.ptus,))
        delivered_kwh = np.zeros(fleet.ptus)
        for ptu in range(fleet.ptus):
            now_s = fleet.starts_s + ptu * fleet.ptu_s
            here = np.flatnonzero((fleet.plug_in_s <= now_s) & (fleet.plug_out_s > now_s))
            drawn_kwh = fleet.baseline_kwh[:, ptu].copy()
            asked_kw = self.policy.powers_kw(
                self._view(here, ptu, now_s, energy_in[here]),
                direction=self.direction,
                promise_kw=max(promise_kw - float(others_kw[ptu]), 0.0),
            )
            drawn_kwh[here] = _drawn_kwh(fleet, here, ptu, asked_kw, energy_in[here])
            energy_in += np.where(drawn_kwh < 0, drawn_kwh / ROUND_TRIP_EFFICIENCY, drawn_kwh)
            delivered_kwh[ptu] = (fleet.baseline_kwh[:, ptu] - drawn_kwh).sum()
        at_plug_out_kwh = np.minimum(energy_in + fleet.power_kw * fleet.after_h, fleet.energy_kwh)
        sign = 1.0 if self.direction == "reduce" else -1.0
        return Delivery(
            delivered_kw=sign * delivered_kwh / fleet.ptu_h + others_kw,
            unserved_kwh=float(np.maximum(fleet.energy_kwh - at_plug_out_kwh - FULL_KWH, 0.0).sum()),
        )

    @property
    def most_kw(self) -> float:
        """No promise above this can be kept: every car at its rating, wherever that leads."""
        fleet = self.fleet
        rated_kwh = fleet.power_kw[:, None] * fleet.present_h
        if self.direction == "increase":
            moved_kwh = rated_kwh - fleet.baseline_kwh
        else:
            moved_kwh = fleet.baseline_kwh + np.where(fleet.v2g[:, None], rated_kwh, 0.0)
        return float((moved_kwh.sum(axis=0) / fleet.ptu_h + self.others_kw).min())

    def capacity_kw(self, upper_kw: float, *, likely_kw: float = 0.0) -> float:
        """Return the largest promise the policy keeps: by bisection, so within 1/128 of it.

        Args:
            upper_kw: promises above this do not count, kept or not.
            likely_kw: where the answer may be, to be quick if it is.
        """
        low_kw, high_kw = 0.0, upper_kw
        if high_kw <= DELIVERED_TOLERANCE_KW:
            return 0.0
        first_kw = [likely_kw, likely_kw * (1 + CAPACITY_STEP)] if 0 < likely_kw < upper_kw else []
        promises = deque([*first_kw, upper_kw])
        for _ in range(MOST_PLAYS):
            promise_kw = promises.popleft()
            least_kw = self.deliver(promise_kw).least_kw
            if least_kw >= promise_kw - DELIVERED_TOLERANCE_KW:
                low_kw = promise_kw
            else:
                high_kw = promise_kw
                promises.clear()
            if low_kw >= high_kw * (1 - CAPACITY_STEP):
                break
            if not promises:
                promises.append(least_kw if low_kw < least_kw < high_kw else (low_kw + high_kw) / 2)
        return low_kw

    def reached_kw(self, *, within: float) -> float:
        """Return the most that any promise brings in every PTU, short of itself or not.

        A loop that sees what is missing asks for more until it is there or there is nothing left to ask. So it keeps
        what asking for everything brings, except where that spends early what is wanted late (feeding in, charging
        ahead): there lower promises are tried as well, to within a share of the best.
        """
        upper_kw = self.most_kw
        if upper_kw <= DELIVERED_TOLERANCE_KW:
            return 0.0
        best_kw = max(self.deliver(upper_kw).least_kw, 0.0)
        if self.direction == "reduce" and not self.fleet.v2g.any():
            return best_kw
        promise_kw = best_kw * (1 + within)
        for _ in range(MOST_PLAYS):
            if best_kw >= upper_kw * (1 - within):
                break
            least_kw = self.deliver(promise_kw).least_kw
            if least_kw < promise_kw:
                upper_kw = promise_kw
            best_kw = max(best_kw, min(least_kw, promise_kw))
            promise_kw = (best_kw + upper_kw) / 2
        return best_kw

    def _view(self, here: NDArray[np.intp], ptu: int, now_s: int, energy_in_kwh: Floats) -> DispatchView:
        fleet = self.fleet
        left_kwh = fleet.energy_kwh[here] - energy_in_kwh
        outlook = self.outlook.take(here)
        if self.declared is not None:
            plug_in_s = fleet.plug_in_s[here]
            plug_out_s, wanted_kwh = self.declared.known_at(fleet.charger[here], plug_in_s, now_s=now_s)
            wanted_kwh = np.where(left_kwh <= FULL_KWH, energy_in_kwh, wanted_kwh)
            left_kwh = np.maximum(wanted_kwh - energy_in_kwh, 0.0)
            outlook = outlook.told(stay_h=(plug_out_s - plug_in_s) / 3600, energy_kwh=wanted_kwh)
        return DispatchView(
            ptu_h=fleet.ptu_h,
            left_in_window_h=(fleet.ptus - ptu) * fleet.ptu_h,
            elapsed_h=(now_s - fleet.plug_in_s[here]) / 3600,
            power_kw=fleet.power_kw[here],
            takes_kw=fleet.power_kw[here],
            floor_kw=fleet.floor_kw[here],
            v2g=fleet.v2g[here],
            energy_in_kwh=energy_in_kwh,
            left_kwh=left_kwh,
            planned_kwh=fleet.baseline_kwh[here, ptu] if self.baseline == "price" else None,
            outlook=outlook,
        )


def _drawn_kwh(fleet: WindowFleet, here: NDArray[np.intp], ptu: int, asked_kw: Floats, energy_in_kwh: Floats) -> Floats:
    """Return what cars draw of what is asked: within rating and floor, until full, or until back at arrival charge."""
    power_kw = fleet.power_kw[here]
    lowest_kw = np.where(fleet.v2g[here], -power_kw, fleet.floor_kw[here])
    drawn_kwh = np.clip(asked_kw, lowest_kw, power_kw) * fleet.present_h[here, ptu]
    return np.asarray(
        np.clip(drawn_kwh, -ROUND_TRIP_EFFICIENCY * energy_in_kwh, fleet.energy_kwh[here] - energy_in_kwh)
    )
