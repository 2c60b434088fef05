"""UL-flexibility: what devices that stay connected during a whole window can do together, in 2(T+1) numbers.

Sign: consumption positive. A device draws between `power_min_kw` and `power_max_kw` in each of T equal steps and
takes between `energy_min_kwh` and `energy_max_kwh` in all of them. `u_k` is the most, `l_k` the least energy it can
take in any k of the T steps; both add up over devices without loss (the Minkowski sum is exact).

Source: Panda and Tindemans, "Efficient quantification and representation of aggregate flexibility in electric
vehicles", PSCC 2024, arXiv 2310.02729, theorem 7.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

TOLERANCE_KWH = 1e-7
"""Rounding left by summing 1e6 devices in double precision stays below this."""


class InfeasibleDeviceError(ValueError):
    """A device cannot meet its own bounds, so nothing can be promised with it."""


@dataclass(frozen=True, slots=True)
class UlVectors:
    """Most and least energy in any k of T steps, k = 0..T; arrays (..., T+1), leading axes are scenarios or groups."""

    u_kwh: Floats
    l_kwh: Floats

    @property
    def steps(self) -> int:
        """T, the number of steps of the window."""
        return int(self.u_kwh.shape[-1]) - 1


def ul_vectors(
    *,
    power_min_kw: ArrayLike,
    power_max_kw: ArrayLike,
    energy_min_kwh: ArrayLike,
    energy_max_kwh: ArrayLike,
    steps: int,
    step_hours: float,
) -> UlVectors:
    """Aggregate n devices, each argument a scalar or (n,), into vectors (T+1,).

    u_k = Σ min(k·Pmax·Δt, Emax - (T-k)·Pmin·Δt), l_k = Σ max(k·Pmin·Δt, Emin - (T-k)·Pmax·Δt).

    Raises:
        InfeasibleDeviceError: a device has Emin > Emax, Pmin > Pmax, or energy bounds its power cannot reach.
    """
    vectors = ul_vectors_by_group(
        group=None,
        groups=1,
        power_min_kw=power_min_kw,
        power_max_kw=power_max_kw,
        energy_min_kwh=energy_min_kwh,
        energy_max_kwh=energy_max_kwh,
        steps=steps,
        step_hours=step_hours,
    )
    return UlVectors(u_kwh=vectors.u_kwh[0], l_kwh=vectors.l_kwh[0])


def ul_vectors_by_group(
    *,
    group: NDArray[np.integer] | None,
    groups: int,
    power_min_kw: ArrayLike,
    power_max_kw: ArrayLike,
    energy_min_kwh: ArrayLike,
    energy_max_kwh: ArrayLike,
    steps: int | Integers,
    step_hours: float,
) -> UlVectors:
    """Aggregate devices per group (a scenario, a category, a stay inside the window): vectors (groups, T+1).

    Every device adds a clipped ramp in k, so a group's vector is a running sum over a histogram of where the ramps
    end: O(n + groups·T) work and O(n) memory instead of the O(n·T) of evaluating each k.

    Args:
        group: Group of each device, integers (n,) in 0..groups-1; None puts all devices in group 0.
        groups: Number of groups.
        power_min_kw: Least power of a device, scalar or (n,), as are the three that follow.
        power_max_kw: Most power.
        energy_min_kwh: Least energy over the group's steps.
        energy_max_kwh: Most energy over the group's steps; what power cannot reach is cut off.
        steps: Steps of all groups, or (groups,); T is the largest. Past its own steps a group's vectors stay flat.
        step_hours: Length of a step.

    Raises:
        InfeasibleDeviceError: a device cannot meet its own bounds.
    """
    own_steps = np.broadcast_to(np.asarray(steps, np.int64), (groups,))
    size = int(own_steps.max(initial=0))
    lower, upper, least, most = (
        np.asarray(value, np.float64) for value in (power_min_kw, power_max_kw, energy_min_kwh, energy_max_kwh)
    )
    keys = None if group is None else np.asarray(group, np.int64)
    count = own_steps[0] if keys is None else own_steps[keys]
    swing = (upper - lower) * step_hours
    reach = count * swing
    idle = count * (lower * step_hours)
    above_least, above_most = least - idle, most - idle
    _require_feasible(swing, above_least, above_most, reach)

    shape = np.broadcast_shapes(lower.shape, swing.shape, above_least.shape, above_most.shape, np.shape(count), (1,))

    def increments(end_kwh: Floats) -> Floats:
        clipped = np.minimum(np.maximum(end_kwh, 0.0), reach)
        position = np.divide(clipped, swing, out=np.zeros(shape), where=swing > 0)
        return ramp_increments(
            position=position, slope_kwh=np.broadcast_to(swing, shape), group=keys, groups=groups, steps=size
        )

    in_group = np.arange(size) < own_steps[:, None]
    floor = _sum_by_group(np.broadcast_to(lower * step_hours, shape), keys, groups)[:, None] * in_group
    return UlVectors(
        u_kwh=running_sum(increments(above_most) + floor),
        l_kwh=running_sum(mirrored(increments(above_least), own_steps) + floor),
    )


def ramp_increments(*, position: Floats, slope_kwh: Floats, group: Integers | None, groups: int, steps: int) -> Floats:
    """Σ over devices of slope·clip(position - k, 0, 1) for k = 0..T-1, per group: (groups, T).

    What ramps that rise by `slope_kwh` (n,) per step and stop at `position` (n,), between 0 and T, add in each step.
    """
    whole = position.astype(np.int64)
    width = steps + 1
    cell = whole if group is None else group * width + whole
    slopes = weighted_counts(cell, slope_kwh, groups * width).reshape(groups, width)
    ends = weighted_counts(cell, slope_kwh * position, groups * width).reshape(groups, width)
    not_yet_ended = np.cumsum(slopes[:, ::-1], axis=1)[:, ::-1]
    return np.asarray(not_yet_ended[:, 1:] + (ends - np.arange(width) * slopes)[:, :-1])


def is_feasible(
    *, profile_kw: ArrayLike, vectors: UlVectors, step_hours: float, tolerance_kwh: float = TOLERANCE_KWH
) -> NDArray[np.bool_]:
    """Whether an aggregate profile (..., T) can be split over the devices.

    The k largest steps may hold at most u_k and the k smallest at least l_k, for every k. Leading axes broadcast
    against those of the vectors.
    """
    rising = np.sort(np.asarray(profile_kw, np.float64) * step_hours, axis=-1)
    smallest = np.cumsum(rising, axis=-1)
    largest = np.cumsum(rising[..., ::-1], axis=-1)
    fits = (largest <= vectors.u_kwh[..., 1:] + tolerance_kwh) & (smallest >= vectors.l_kwh[..., 1:] - tolerance_kwh)
    result: NDArray[np.bool_] = np.all(fits, axis=-1)
    return result


def weighted_counts(cell: Integers, weights: Floats, cells: int) -> Floats:
    """Sum of the weights that fall in each cell 0..cells-1."""
    return np.bincount(cell, weights=weights, minlength=cells).astype(np.float64, copy=False)


def running_sum(increments: Floats) -> Floats:
    """Cumulative sum along the last axis with a leading zero: increments (..., T) to vectors (..., T+1)."""
    return np.concatenate((np.zeros((*increments.shape[:-1], 1)), np.cumsum(increments, axis=-1)), axis=-1)


def _require_feasible(swing: Floats, least: Floats, most: Floats, reach: Floats) -> None:
    broken = (swing < 0) | (least > most + TOLERANCE_KWH) | (most < -TOLERANCE_KWH) | (least > reach + TOLERANCE_KWH)
    if np.any(broken):
        raise InfeasibleDeviceError(
            f"{int(np.count_nonzero(broken))} device(s) cannot meet their own bounds (least above most power or "
            "energy, or energy out of reach of the power); clip the need to what the stay allows before aggregating"
        )


def _sum_by_group(values: Floats, keys: Integers | None, groups: int) -> Floats:
    return np.full(1, values.sum()) if keys is None else weighted_counts(keys, values, groups)


def mirrored(increments: Floats, own_steps: Integers) -> Floats:
    """Reverse each row within its own steps: the least energy fills up from the last step backwards."""
    source = own_steps[:, None] - 1 - np.arange(increments.shape[1])
    return np.where(source >= 0, np.take_along_axis(increments, np.maximum(source, 0), axis=1), 0.0)
