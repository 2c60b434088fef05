"""Who does what in a quarter hour: reserve, urgency, fairness, put together.

Drivers come first (the policy), then the promise with a reserve from everybody's record, and among equals the cheapest
and the least called upon.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bidding.dispatch.allocation.burden import merit_order, shared_fairly
from bidding.dispatch.allocation.expectations import expected, fitting_samples
from bidding.dispatch.allocation.live_policy import LEAST_RESERVE_SHARE
from bidding.dispatch.allocation.plan import PtuPlan, SteadyResources, plan_ptu
from bidding.dispatch.allocation.release import laxity_h, need_h
from bidding.dispatch.allocation.reserve import SAFETY, reserve_share
from bidding.dispatch.allocation.tranches import Tranches
from bidding.dispatch.allocation.urgency import DispatchPolicy
from bidding.dispatch.allocation.view import DispatchView
from bidding.optimisation.interface import Direction

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Records:
    """What is known of n assets from before, shape (n,) each.

    Attributes:
        follows: the probability that each does what it is told.
        burden: what using it costs all concerned, EUR per kWh.
    """

    follows: Floats
    burden: Floats

    def of(self, which: Sequence[int]) -> "Records":
        """Return the records of the assets at some positions."""
        places = np.array(which, dtype=np.intp)
        return Records(follows=self.follows[places], burden=self.burden[places])


@dataclass(frozen=True, slots=True, eq=False)
class Decision:
    """A plan for one PTU.

    Attributes:
        plan: power asked of each asset [kW].
        plug_usual_kw: what each car would take by its baseline.
        plug_draw_kw: what each is expected to take when it may charge.
        laxity_h: time each car has to spare after the window.
        need_h: time of charging that each car still wants.
    """

    plan: PtuPlan
    plug_usual_kw: Floats
    plug_draw_kw: Floats
    laxity_h: Floats
    need_h: Floats


def decide(
    *,
    direction: Direction,
    wanted_kw: float,
    plugs: DispatchView,
    steady: SteadyResources,
    policy: DispatchPolicy,
    plug_records: Records,
    steady_records: Records,
    is_exact: bool = False,
) -> Decision:
    """Return who does what so that `wanted_kw` is moved in `direction`.

    An order is met where more is moved. With `is_exact` more is as wrong as less, so what is expected is aimed at.
    """
    usual_kw, draw_kw = _expected_kw(plugs)
    spare_h = laxity_h(plugs)
    share = reserve_share(
        gain_kw=np.concatenate([_gain_kw(plugs, usual_kw, direction), steady.movable_kw]),
        follows=np.concatenate([plug_records.follows, steady_records.follows]),
        safety=0.0 if is_exact else SAFETY,
    )
    plan = plan_ptu(
        direction=direction,
        ordered_kw=wanted_kw,
        reserve_share=share if is_exact else max(LEAST_RESERVE_SHARE, share),
        plugs=plugs,
        steady=steady,
        steady_order=merit_order(steady_records.burden),
        policy=Tranches(policy),
    )
    plug_kw = plan.plug_kw.copy()
    alike = ~plugs.v2g & ~plugs.is_full  # what a V2G car can feed in is its own; a full car has nothing to give
    plug_kw[alike] = shared_fairly(
        asked_kw=plug_kw[alike],
        power_kw=plugs.power_kw[alike],
        floor_kw=plugs.floor_kw[alike],
        usual_kw=usual_kw[alike],
        draw_kw=draw_kw[alike],
        laxity_h=spare_h[alike],
        burden=plug_records.burden[alike],
    )
    return Decision(
        plan=PtuPlan(plug_kw=plug_kw, steady_kw=plan.steady_kw),
        plug_usual_kw=usual_kw,
        plug_draw_kw=draw_kw,
        laxity_h=spare_h,
        need_h=need_h(plugs),
    )


def _expected_kw(plugs: DispatchView) -> tuple[Floats, Floats]:
    """Return what each car would take by its baseline, and what it takes when it may charge."""
    if not len(plugs.power_kw):
        return np.zeros(0), np.zeros(0)
    now = expected(plugs, fitting_samples(plugs))
    return now.baseline_kwh / plugs.ptu_h, now.draw_kwh / plugs.ptu_h


def _gain_kw(plugs: DispatchView, usual_kw: Floats, direction: Direction) -> Floats:
    """Return what each car would bring if it were chosen."""
    if direction == "increase":
        return np.where(plugs.is_full, 0.0, np.maximum(plugs.takes_kw - usual_kw, 0.0))
    return np.where(plugs.v2g, usual_kw + plugs.power_kw, usual_kw)
