"""Day-ahead plan: charge many cars in the cheapest steps under a group cap and connection limits.

What cars can take together under a cap is a polymatroid, so filling the cheapest steps first and exchanging energy
between steps leads to the least cost. What a car may leave until after the horizon is one more step, free of charge and
without limits, so that negative prices are no special case. Steps are filled in order of price; where a limit binds,
cars with the least laxity (time left beyond what they need at full power) go first; `exchange` then serves who is left
and saves what can be saved. Under a group cap alone that is the optimum, and a car left over is proof that the cap is
too low. With connection limits too, an exact programme over the cars concerned repairs what exchanges cannot; only in
small fleets is the cost then the least. Caps hold by construction, at every step.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bidding.flexibility import lp
from bidding.flexibility.corridor import Corridor
from bidding.flexibility.exchange import Plan, first_in_order, improve
from bidding.flexibility.ul import Floats, Integers

UNSERVED_KWH = 1e-6
"""A car short of less than a milliwatt-hour is served."""

ROUNDING = 1e-12
"""Caps are kept back by this part, so that sums over devices in any order stay below them."""

AFTER_HORIZON = 0
"""The row of what waits until after the horizon; the steps of the horizon follow, and what a device is short of."""

LARGEST_RANK = 32_000
"""Laxities beyond this many 64ths of a step need no order among themselves."""

REPAIR_DEVICES = 100
"""Cars in the first repair programme beside those that are short: about 0.1 s for a day of quarter hours.

A fleet of so few behind connections is planned by the programme altogether.
"""

REPAIR_GROWTH = 8
"""Factor by which the repair grows while it has no solution."""


class PlanInfeasibleError(ValueError):
    """The cars cannot all be served under the caps.

    Attributes:
        unserved_kwh: Energy short per device (n,) in the best plan found before the proof; zero when the least power
            of the devices already passes a cap.
    """

    def __init__(self, message: str, *, unserved_kwh: Floats) -> None:
        super().__init__(message)
        self.unserved_kwh = unserved_kwh


@dataclass(frozen=True, slots=True)
class _Limits:
    """Energy still free after the horizon and in its steps: group cap (1 + T,) and connections (sites, 1 + T)."""

    group_kwh: Floats
    site: Integers | None
    site_kwh: Floats

    def site_spare_kwh(self, drawn_kwh: Floats) -> Floats:
        """Room left under each connection's limit beside what is drawn (1 + T + 1, n)."""
        spare = self.site_kwh.copy()
        if self.site is not None:
            np.subtract.at(spare, self.site, drawn_kwh[:-1].T)
        return spare

    def cut(self, step: int, want: Floats, laxity: Floats) -> Floats:
        """What each device gets of its want in a step: all, or least laxity first when a limit binds."""
        take = want
        if self.site is not None:
            wanted = np.bincount(self.site, weights=want, minlength=len(self.site_kwh))
            if np.any(wanted > self.site_kwh[:, step]):
                order = np.lexsort((_rank(laxity), self.site))
                take = first_in_order(want, order, self.site_kwh[self.site, step], self.site)
        if take.sum() > self.group_kwh[step]:
            order = np.argsort(_rank(laxity), kind="stable")
            take = first_in_order(take, order, float(self.group_kwh[step]), None)
        return take

    def cut_back(self, drawn_kwh: Floats) -> Floats:
        """Scale down what is drawn in the horizon's steps (n, T) where it passes a limit, as solvers do in the end."""
        if self.site is not None:
            by_site = np.zeros((len(self.site_kwh), drawn_kwh.shape[1]))
            np.add.at(by_site, self.site, drawn_kwh)
            drawn_kwh = drawn_kwh * _part_within(by_site, self.site_kwh[:, AFTER_HORIZON + 1 :])[self.site]
        return drawn_kwh * _part_within(drawn_kwh.sum(axis=0), self.group_kwh[AFTER_HORIZON + 1 :])


def plan_by_price(
    *,
    corridor: Corridor,
    price: ArrayLike,
    step_hours: float,
    cap_kw: ArrayLike = np.inf,
    sites: lp.SiteLimits | None = None,
    exact: bool = True,
) -> Floats:
    """Power (n, T) of one-way devices at the least cost.

    A device takes at least its `energy_min_kwh` at the horizon's end, and up to its `energy_max_kwh` where the price is
    negative. What may wait until after the horizon waits unless it is paid for.

    Args:
        corridor: One-way devices (n, T), from `devices.one_way_charger`: the energy bounds before the end must follow
            from those at the end and from the power bounds.
        price: Price of each step (T,), in any unit.
        step_hours: Length of a step.
        cap_kw: Most power of all devices together, scalar or (T,).
        sites: Connections and their limits.
        exact: Exchange energy between steps until the cost is the least under a group cap; without it the plan is made
            in one pass, several times faster and a few per cent dearer, or more where prices are negative or cars few.
            All else holds either way.

    Raises:
        PlanInfeasibleError: the cars cannot all be served; proven.
        ValueError: a device can feed in.
    """
    if np.any(corridor.power_min_kw < 0):
        raise ValueError("this plan is for devices that only charge; plan two-way devices with lp.solve_fleet")
    prices = np.broadcast_to(np.asarray(price, np.float64), (corridor.steps,))
    cap = np.broadcast_to(np.asarray(cap_kw, np.float64), (corridor.steps,))
    limits = _free(corridor, cap, sites, step_hours)
    plan, short = _fill_cheapest_first(corridor, prices, step_hours, limits, exact=exact)
    if sites is None and np.any(short > UNSERVED_KWH):
        raise _infeasible(short)
    if sites is not None and (np.any(short > UNSERVED_KWH) or (exact and corridor.devices <= REPAIR_DEVICES)):
        plan = _repair(plan, short, corridor=corridor, prices=prices, step_hours=step_hours, cap=cap, sites=sites)
        floor = corridor.power_min_kw
        plan = floor + limits.cut_back((plan - floor) * step_hours) / step_hours
    return plan


def _part_within(drawn_kwh: Floats, limit_kwh: Floats) -> Floats:
    passed = drawn_kwh > limit_kwh
    return np.divide(
        np.maximum(limit_kwh, 0.0), drawn_kwh, out=np.ones(drawn_kwh.shape), where=passed & (drawn_kwh > 0)
    )


def _rank(laxity_steps: Floats) -> NDArray[np.int16]:
    """Laxity in 64ths of a step, short enough for a radix sort, which is ten times faster."""
    return np.clip(laxity_steps * 64, -LARGEST_RANK, LARGEST_RANK).astype(np.int16)


def _free(corridor: Corridor, cap_kw: Floats, sites: lp.SiteLimits | None, step_hours: float) -> _Limits:
    """Limits left beside the least power of all devices."""

    def left_kwh(limit_kw: Floats, floor_kw: Floats) -> Floats:
        kept_kw = limit_kw * (1 - ROUNDING) - floor_kw
        if np.any(floor_kw > limit_kw * (1 + ROUNDING)):
            raise PlanInfeasibleError(
                f"the least power of the devices passes a cap by {-kept_kw.min():.3f} kW; "
                "raise the cap, or leave devices out that cannot pause",
                unserved_kwh=np.zeros(corridor.devices),
            )
        after = np.full((*kept_kw.shape[:-1], 1), np.inf)
        return np.concatenate((after, kept_kw * step_hours), axis=-1)

    group_kwh = left_kwh(cap_kw, corridor.power_min_kw.sum(axis=0))
    if sites is None:
        return _Limits(group_kwh=group_kwh, site=None, site_kwh=np.zeros((0, 1 + corridor.steps)))
    by_site = np.zeros(sites.max_import_kw.shape)
    np.add.at(by_site, sites.site, corridor.power_min_kw)
    return _Limits(group_kwh=group_kwh, site=sites.site, site_kwh=left_kwh(sites.max_import_kw, by_site))


def _fill_cheapest_first(
    corridor: Corridor, prices: Floats, step_hours: float, limits: _Limits, *, exact: bool
) -> tuple[Floats, Floats]:
    """Plan (n, T) within all limits, and what each device is short of."""
    floor_kwh = corridor.power_min_kw.sum(axis=1) * step_hours
    least = np.maximum(corridor.energy_min_kwh[:, -1] - floor_kwh, 0.0)
    need = np.maximum(corridor.energy_max_kwh[:, -1] - floor_kwh, least)
    swing = (corridor.power_max_kw - corridor.power_min_kw).T * step_hours
    room = np.vstack((need - least, swing))
    full_power = np.where((most := swing.max(axis=0)) > 0, most, 1.0)
    prices = np.concatenate(([0.0], prices))
    later = room.sum(axis=0)
    drawn = np.zeros((len(room) + 1, corridor.devices))
    for step in np.argsort(prices, kind="stable"):
        later -= room[step]
        want = np.minimum(room[step], need)
        drawn[step] = limits.cut(int(step), want, (later - need) / full_power)
        need = need - drawn[step]
    drawn[-1] = need
    if exact or np.any(need > UNSERVED_KWH):
        improve(
            Plan(
                drawn_kwh=drawn,
                room_kwh=np.vstack((room - drawn[:-1], np.zeros(corridor.devices))),
                spare_kwh=limits.group_kwh - drawn[:-1].sum(axis=1),
                price=np.append(prices if exact else np.zeros(prices.shape), np.inf),
                site=limits.site,
                site_spare_kwh=limits.site_spare_kwh(drawn),
            )
        )
    return corridor.power_min_kw + drawn[AFTER_HORIZON + 1 : -1].T / step_hours, drawn[-1]


def _repair(
    plan: Floats,
    short: Floats,
    *,
    corridor: Corridor,
    prices: Floats,
    step_hours: float,
    cap: Floats,
    sites: lp.SiteLimits,
) -> Floats:
    """Re-plan the short devices together with those that use their steps, until all fit or all are in."""
    missing = np.flatnonzero(short > UNSERVED_KWH)
    contested = (corridor.power_max_kw[missing] > 0).any(axis=0)
    rivalry = (plan[:, contested] - corridor.power_min_kw[:, contested]).sum(axis=1)
    rivalry += plan.sum() * np.isin(sites.site, sites.site[missing])
    rivalry[missing] = np.inf
    ranked = np.argsort(-rivalry, kind="stable")
    size = len(missing) + REPAIR_DEVICES
    while True:
        chosen = np.sort(ranked[:size])
        others = np.delete(np.arange(corridor.devices), chosen)
        try:
            part = lp.solve_fleet(
                corridor=corridor.select(chosen),
                step_hours=step_hours,
                aggregate_max_kw=cap - plan[others].sum(axis=0),
                cost=prices,
                sites=_sites_without(sites, plan, others, chosen),
            )
        except lp.InfeasibleFleetError as error:
            if not len(others):
                raise _infeasible(short) from error
            size *= REPAIR_GROWTH
            continue
        result = plan.copy()
        result[chosen] = np.clip(part.profile_kw, corridor.power_min_kw[chosen], corridor.power_max_kw[chosen])
        return result


def _sites_without(sites: lp.SiteLimits, plan: Floats, others: Integers, chosen: Integers) -> lp.SiteLimits:
    used = np.zeros(sites.max_import_kw.shape)
    np.add.at(used, sites.site[others], plan[others])
    return lp.SiteLimits(
        site=sites.site[chosen],
        max_import_kw=sites.max_import_kw - used,
        max_export_kw=sites.max_export_kw + used,
    )


def _infeasible(short: Floats) -> PlanInfeasibleError:
    return PlanInfeasibleError(
        f"{int(np.count_nonzero(short > UNSERVED_KWH))} of {len(short)} devices cannot be served under the caps "
        f"({float(short.sum()):.3f} kWh short); raise the cap, or accept less energy or later departures",
        unserved_kwh=short,
    )
