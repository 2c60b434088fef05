"""An aggregate profile back to devices, exactly: whatever the aggregate promised, the parts add up to it.

Cars that share a stay are split by rule. In units of "steps still needed at full power" the most even energies allow
every profile any energies allow (they are least majorised), and giving each step, highest first, to the cars that need
longest keeps the rest feasible (Gale and Ryser's argument for fluid quantities). Between stays, and for two-way
devices, a linear programme splits the profile; cars enter it as at most two per stay and number of steps, so its size
does not depend on the number of cars.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from bidding.flexibility import lp
from bidding.flexibility.corridor import Corridor
from bidding.flexibility.stays import StayVectors, stay_vectors
from bidding.flexibility.ul import TOLERANCE_KWH, Floats, Integers, UlVectors, is_feasible
from bidding.flexibility.window import Sessions, Window, WindowDevices, window_devices

BISECTIONS = 60
"""Halvings of an interval of at most T steps: far below double precision."""

PROFILE_SLACK = 1e-9
"""Relative rounding allowed on a profile at the very edge of the set."""

OUT_OF_REACH = "these devices cannot follow the profile together; ask for no more than the deliverable power"


class ProfileOutOfReachError(ValueError):
    """The aggregate profile lies outside what the devices can do together."""


@dataclass(frozen=True, slots=True)
class Split:
    """Profiles per car (n, T) and per other device (m, T); together they add up to the profile asked."""

    sessions_kw: Floats
    others_kw: Floats


def disaggregate(*, profile_kw: Floats, sessions: Sessions, window: Window, others: Corridor | None = None) -> Split:
    """Split an aggregate profile (T,) over cars, and over other devices given as corridors.

    Energy that `window_devices` counts as fixed is part of the profile and of the split.

    Raises:
        ProfileOutOfReachError: no split exists.
    """
    devices = window_devices(sessions, window)
    vectors = stay_vectors(sessions, window)
    profile = np.asarray(profile_kw, np.float64)
    shares, others_kw = _split_over_stays(profile, vectors, others, window)
    result = _fixed_kw(devices, window)
    stay = devices.first_step * (window.steps + 1) + devices.last_step
    order = np.argsort(stay, kind="stable")
    names, starts = np.unique(stay[order], return_index=True)
    for name, members in zip(names, np.split(order, starts[1:]), strict=True):
        first, last = divmod(int(name), window.steps + 1)
        if last > first:
            result[members, first:last] += _split_within_stay(
                shares[first, last, first:last], _members(devices, members), window.step_hours
            )
    return Split(sessions_kw=result, others_kw=others_kw)


@dataclass(frozen=True, slots=True)
class _Members:
    """Cars of one stay, in units of steps at full power above their floor."""

    floor_kw: Floats
    swing_kw: Floats
    energy_min_kwh: Floats
    energy_max_kwh: Floats


def _members(devices: WindowDevices, rows: Integers) -> _Members:
    return _Members(
        floor_kw=devices.power_min_kw[rows],
        swing_kw=devices.power_max_kw[rows] - devices.power_min_kw[rows],
        energy_min_kwh=devices.energy_min_kwh[rows],
        energy_max_kwh=devices.energy_max_kwh[rows],
    )


def _split_within_stay(profile_kw: Floats, cars: _Members, step_hours: float) -> Floats:
    """Split the profile (L,) of one stay over its cars: (n, L)."""
    steps = len(profile_kw)
    above_kw = profile_kw - cars.floor_kw.sum()
    swing_kwh = cars.swing_kw * step_hours
    per_step = np.divide(1.0, swing_kwh, out=np.zeros(swing_kwh.shape), where=swing_kwh > 0)
    idle_kwh = steps * step_hours * cars.floor_kw
    least = np.clip((cars.energy_min_kwh - idle_kwh) * per_step, 0.0, steps)
    most = np.clip((cars.energy_max_kwh - idle_kwh) * per_step, least, steps)

    needed = _shares_at_level(partial(np.clip, a_min=least, a_max=most), cars.swing_kw, above_kw.sum(), highest=steps)
    result = np.empty((len(swing_kwh), steps))
    for step in np.argsort(-above_kw, kind="stable"):
        drawn = _shares_at_level(
            partial(_longest_need_first, needed=needed, steps=steps), cars.swing_kw, above_kw[step], highest=steps
        )
        result[:, step] = cars.floor_kw + cars.swing_kw * drawn
        needed -= drawn
    return result


def _longest_need_first(level: float, *, needed: Floats, steps: int) -> Floats:
    """Part of full power per car when all that need more than `steps - level` steps are served down to it."""
    return np.asarray(np.clip(needed + (level - steps), 0.0, 1.0))


def _shares_at_level(shares: Callable[[float], Floats], weight: Floats, total: float, *, highest: float) -> Floats:
    """Shares whose weighted sum is `total`; they rise with a level between 0 and `highest`, and so does their sum."""
    low, high = 0.0, float(highest)
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        if weight @ shares(middle) < total:
            low = middle
        else:
            high = middle
    below, above = shares(low), shares(high)
    gap = weight @ (above - below)
    part = np.clip((total - weight @ below) / gap, 0.0, 1.0) if gap > 0 else 0.0
    return np.asarray(below + part * (above - below))


def _fixed_kw(devices: WindowDevices, window: Window) -> Floats:
    fixed = np.zeros((len(devices.first_step), window.steps))
    rows = np.arange(len(fixed))
    fixed[rows, np.maximum(devices.first_step - 1, 0)] += devices.fixed_first_kwh / window.step_hours
    fixed[rows, devices.departure_step] += devices.fixed_last_kwh / window.step_hours
    return fixed


def _split_over_stays(
    profile: Floats, vectors: StayVectors, others: Corridor | None, window: Window
) -> tuple[Floats, Floats]:
    """Split over stays (T+1, T+1, T) and other devices (m, T)."""
    edges = window.steps + 1
    shiftable = profile - vectors.fixed_kwh[0] / window.step_hours
    shares = np.zeros((edges, edges, window.steps))
    used = np.argwhere(vectors.u_kwh[0, :, :, -1] > 0)
    if others is None and len(used) <= 1 and (not len(used) or tuple(used[0]) == (0, window.steps)):
        _require_in_reach(shiftable, vectors, window)
        shares[0, window.steps] = shiftable
        return shares, np.zeros((0, window.steps))

    stand_ins = [_stand_ins(vectors, int(first), int(last), window) for first, last in used]
    fleet = Corridor.stack(*stand_ins, *([] if others is None else [others]))
    slack = PROFILE_SLACK * max(1.0, float(np.abs(profile).max(initial=0.0)))
    try:
        solution = lp.solve_fleet(
            corridor=fleet,
            step_hours=window.step_hours,
            aggregate_min_kw=shiftable - slack,
            aggregate_max_kw=shiftable + slack,
        )
    except lp.InfeasibleFleetError as error:
        raise ProfileOutOfReachError(OUT_OF_REACH) from error
    row = 0
    for (first, last), part in zip(used, stand_ins, strict=True):
        shares[first, last] = solution.profile_kw[row : row + part.devices].sum(axis=0)
        row += part.devices
    return shares, solution.profile_kw[row:]


def _require_in_reach(profile: Floats, vectors: StayVectors, window: Window) -> None:
    whole = UlVectors(u_kwh=vectors.u_kwh[0, 0, window.steps], l_kwh=vectors.l_kwh[0, 0, window.steps])
    tolerance = TOLERANCE_KWH + PROFILE_SLACK * float(np.abs(whole.u_kwh).max(initial=0.0))
    if not is_feasible(profile_kw=profile, vectors=whole, step_hours=window.step_hours, tolerance_kwh=tolerance):
        raise ProfileOutOfReachError(OUT_OF_REACH)


def _stand_ins(vectors: StayVectors, first: int, last: int, window: Window) -> Corridor:
    """A few devices with whole numbers of steps to take that can do exactly what all cars of one stay can together.

    A need between two whole numbers of steps is the mean of both, and which least goes with which most does not matter
    to u and l: the needs are paired in order.
    """
    steps = last - first
    most = _power_by_steps(np.diff(vectors.u_kwh[0, first, last, : steps + 1]))
    least = _power_by_steps(np.diff(vectors.l_kwh[0, first, last, : steps + 1])[::-1])
    least[0] += most.sum() - least.sum()
    most_edges, least_edges = np.cumsum(most), np.cumsum(least)
    edges = np.sort(np.concatenate((most_edges, least_edges)))
    energy = np.diff(edges, prepend=0.0)
    kept = energy > TOLERANCE_KWH * 1e-3
    middle = (edges - energy / 2)[kept]
    energy = energy[kept][:, None]
    most_steps = np.minimum(np.searchsorted(most_edges, middle), steps)[:, None]
    least_steps = np.minimum(np.searchsorted(least_edges, middle)[:, None], most_steps)
    grid = np.arange(window.steps)
    return Corridor.of(
        power_min_kw=0.0,
        power_max_kw=np.where((grid >= first) & (grid < last), energy / window.step_hours, 0.0),
        energy_min_kwh=np.where(grid >= last - 1, energy * least_steps, 0.0),
        energy_max_kwh=energy * most_steps,
        shape=(len(energy), window.steps),
    )


def _power_by_steps(increments: Floats) -> Floats:
    """Energy per step of the stand-ins that take 0, 1, … T steps, from non-increasing increments of a vector."""
    return np.append(0.0, np.maximum(-np.diff(increments, append=0.0), 0.0))
