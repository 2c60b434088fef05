"""Heat pumps with the building as a buffer: bounds on electric power and cumulative energy that keep homes comfortable.

Building (1R1C): T⁺ = a·T + (1 - a)·(T_out + R·COP·P), a = exp(-Δt/τ). Seen from a baseline, an energy change d_j in
step j moves the temperature after k by Σ_j w_j·d_j with w_j = a^(k-j)·(1 - a)·R·COP_j/Δt. Heat leaks, so the weights
differ per step and the exact set is not a generalised polymatroid. With E_j the running sum of d, summation by parts
gives
    ΔT_k = w_k·E_k - Σ_{j<k} (w_{j+1} - w_j)·E_j,
so bounds on the E_j bound ΔT_k on every path. The corridor takes the worst of them: it is an inner one.

Numbers without a source here are general engineering knowledge, to be replaced per home.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from bidding.flexibility.corridor import Corridor
from bidding.flexibility.ul import Floats
from bidding.flexibility.window import Window

COP_POINTS = ((-15.0, 2.1), (-7.0, 2.7), (2.0, 3.4), (7.0, 4.2), (12.0, 4.9))
"""(outdoor °C, COP) of an air-water pump at 35 °C flow, after typical EN 14511 test points."""


@dataclass(frozen=True, slots=True)
class Homes:
    """N homes with a heat pump; arrays (n,).

    Attributes:
        time_constant_hours: τ = R·C; 20-40 old, 50-100 insulated, above 150 heavy new-build.
        resistance_k_per_kw: R, from indoors to outdoors.
        set_point_c: Temperature the thermostat keeps.
        comfort_band_k: Allowed deviation either way.
        power_max_kw: Electric.
        power_min_running_kw: Least electric power while the compressor runs.
        min_run_hours: A started compressor runs at least this long.
        min_off_hours: A stopped one rests at least this long.
    """

    time_constant_hours: Floats
    resistance_k_per_kw: Floats
    set_point_c: Floats
    comfort_band_k: Floats
    power_max_kw: Floats
    power_min_running_kw: Floats
    min_run_hours: float = 0.25
    min_off_hours: float = 0.25


@dataclass(frozen=True, slots=True)
class HeatPumpPlan:
    """Baseline (n, T) with its temperatures at the end of each step, and what the pumps can do around it."""

    baseline_kw: Floats
    baseline_c: Floats
    corridor: Corridor


def cop_at(outdoor_c: ArrayLike, *, points: tuple[tuple[float, float], ...] = COP_POINTS) -> Floats:
    """Coefficient of performance by outdoor temperature, linear between points and flat outside."""
    temperatures, values = zip(*points, strict=True)
    return np.asarray(np.interp(np.asarray(outdoor_c, np.float64), temperatures, values))


def heat_pump_plan(
    *, homes: Homes, outdoor_c: ArrayLike, window: Window, rebound_kw: float | None = None
) -> HeatPumpPlan:
    """Thermostat baseline over the horizon and the corridor around it.

    A pump that would run out of power at the set point (colder than its design temperature) gets no flexibility.
    Within a step average power between zero and full is driven by switching, if a run and a rest fit into a step. An
    average below one shortest run at least power is then kept by homes that take turns, not by each: their sum follows
    to within one such run. Otherwise a pump whose baseline is at its least power or more keeps running, and one below
    it, which rests or runs in some steps only, follows its baseline.

    Args:
        homes: The homes.
        outdoor_c: Outdoor temperature of each step (T,).
        window: The horizon.
        rebound_kw: Most power per home above the baseline in any step; None lets pumps catch up at full power.
    """
    outdoor = np.broadcast_to(np.asarray(outdoor_c, np.float64), (window.steps,))
    cop = cop_at(outdoor)
    resistance, power_max = homes.resistance_k_per_kw[:, None], homes.power_max_kw[:, None]
    wanted = np.maximum(homes.set_point_c[:, None] - outdoor, 0.0) / (resistance * cop)
    baseline = np.minimum(wanted, power_max)
    keep = np.exp(-window.step_hours / homes.time_constant_hours)[:, None]
    temperature = _temperatures(homes.set_point_c, keep, outdoor + resistance * cop * baseline)

    band = np.where(np.any(wanted > power_max, axis=1), 0.0, homes.comfort_band_k)[:, None]
    lowest = np.minimum(homes.set_point_c[:, None] - band - temperature, 0.0)
    highest = np.maximum(homes.set_point_c[:, None] + band - temperature, 0.0)
    weight = (1 - keep) * resistance * cop / window.step_hours
    least, most = _inner_energy(lowest_k=lowest, highest_k=highest, weight=weight, keep=keep)

    upper = power_max if rebound_kw is None else np.minimum(power_max, baseline + rebound_kw)
    switched = homes.min_run_hours + homes.min_off_hours <= window.step_hours
    least_running = homes.power_min_running_kw[:, None]
    floor = 0.0 if switched else least_running
    inflexible = (band <= 0) | (((baseline <= 0) | (baseline < least_running)) & (not switched))
    planned = np.cumsum(baseline, axis=1) * window.step_hours
    return HeatPumpPlan(
        baseline_kw=baseline,
        baseline_c=temperature,
        corridor=Corridor.of(
            power_min_kw=np.where(inflexible, baseline, floor),
            power_max_kw=np.where(inflexible, baseline, upper),
            energy_min_kwh=planned + least,
            energy_max_kwh=planned + most,
            shape=baseline.shape,
        ),
    )


def temperatures_c(*, homes: Homes, outdoor_c: ArrayLike, profile_kw: Floats, window: Window) -> Floats:
    """Indoor temperature (n, T) at the end of each step when the pumps run a profile (n, T), from the set point."""
    outdoor = np.broadcast_to(np.asarray(outdoor_c, np.float64), (window.steps,))
    keep = np.exp(-window.step_hours / homes.time_constant_hours)[:, None]
    return _temperatures(
        homes.set_point_c, keep, outdoor + homes.resistance_k_per_kw[:, None] * cop_at(outdoor) * profile_kw
    )


def _temperatures(start_c: Floats, keep: Floats, equilibrium_c: Floats) -> Floats:
    result = np.empty(equilibrium_c.shape)
    current = start_c[:, None]
    for step in range(equilibrium_c.shape[1]):
        current = keep * current + (1 - keep) * equilibrium_c[:, step, None]
        result[:, step] = current[:, 0]
    return result


def _inner_energy(*, lowest_k: Floats, highest_k: Floats, weight: Floats, keep: Floats) -> tuple[Floats, Floats]:
    """Bounds (n, T) on the energy change up to each step that keep the temperature change within lowest..highest.

    Starts from the bounds a change in the step itself would have, and shrinks all of them by the one factor per home
    that keeps the worst path inside the band. About 1/(2 - a^T) when COP and band are constant.
    """
    least, most = lowest_k / weight, highest_k / weight
    factor = np.ones(len(weight))
    for step in range(weight.shape[1]):
        decayed = weight[:, : step + 1] * keep ** np.arange(step, -1, -1)
        rise = np.diff(decayed, axis=1)
        up, down = np.maximum(rise, 0.0), np.minimum(rise, 0.0)
        drop = np.sum(up * most[:, :step] + down * least[:, :step], axis=1) - lowest_k[:, step]
        lift = highest_k[:, step] - np.sum(up * least[:, :step] + down * most[:, :step], axis=1)
        for band, worst in ((-lowest_k[:, step], drop), (highest_k[:, step], lift)):
            factor = np.minimum(factor, np.divide(band, worst, out=np.zeros(band.shape), where=worst > 0))
    return least * factor[:, None], most * factor[:, None]
