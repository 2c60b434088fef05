"""The day-ahead plan as a baseline: what cars draw when a group charges at the least cost under its limits.

`price_kwh` lets each car charge in its own cheapest PTUs, and a fleet then peaks together. This plan is made for all
cars at once (`flexibility.price_plan`, with OR-Tools where connections bind), so it can be nominated as it stands.
"""

import numpy as np
from numpy.typing import NDArray

from bidding.flexibility.devices import one_way_charger
from bidding.flexibility.lp import SiteLimits
from bidding.flexibility.price_plan import plan_by_price
from bidding.flexibility.window import Window
from bidding.forecast.baselines import HOUR_S, PTU_S, PriceCurve, arrival_kwh
from bidding.forecast.drawn_sessions import Sessions

Floats = NDArray[np.float64]
Seconds = NDArray[np.int64]


def planned_kwh(
    sessions: Sessions,
    edges_s: Seconds,
    *,
    prices: PriceCurve,
    group_max_kw: float | Floats = np.inf,
    sites: SiteLimits | None = None,
) -> Floats:
    """Return the energy each session takes in each PTU of a horizon under the cheapest plan, (n, T).

    A car that came before the horizon has charged on arrival until then. What may wait beyond the horizon waits. Cars
    that cannot pause keep their floor; V2G cars are planned to charge only.

    Args:
        sessions: n sessions, known or forecast, whose energy fits their stay.
        edges_s: PTU boundaries, shape (T + 1,), UTC epoch seconds.
        prices: day-ahead prices.
        group_max_kw: most power of all cars together, scalar or (T,).
        sites: connections of the cars and their limits.

    Raises:
        PlanInfeasibleError: the cars cannot all be served under the limits.
    """
    start_s = edges_s[0]
    before_kwh = arrival_kwh(
        sessions.plug_in_s, sessions.energy_kwh, sessions.power_kw, np.array([0, start_s], dtype=np.int64)
    )[:, 0]
    window = Window(steps=len(edges_s) - 1, step_hours=PTU_S / HOUR_S)
    plan_kw = plan_by_price(
        corridor=one_way_charger(
            arrival_hours=(sessions.plug_in_s - start_s) / HOUR_S,
            departure_hours=(sessions.plug_out_s - start_s) / HOUR_S,
            energy_needed_kwh=np.where(sessions.plug_out_s > start_s, sessions.energy_kwh - before_kwh, 0.0),
            power_max_kw=sessions.power_kw,
            power_floor_kw=sessions.floor_kw,
            window=window,
        ),
        price=prices.at_ptu(edges_s[:-1] // PTU_S),
        step_hours=window.step_hours,
        cap_kw=group_max_kw,
        sites=sites,
    )
    return plan_kw * window.step_hours
