"""Forecasting windows of the past as they would have been forecast then, to learn how good the forecast is."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from bidding.forecast.capacity import Sessions, window_capacity
from bidding.forecast.like_days import like_days
from bidding.forecast.sessions import PluggedIn
from bidding.forecast.window_forecast import ChargerGroup, ForecastWindow, forecast_window
from bidding.optimisation.calibration import Calibrator
from bidding.optimisation.reliability_curve import ReliabilityCurve

Floats = NDArray[np.float64]

REHEARSED_WINDOWS = 40
"""Eight weeks of weekdays: what still counts by its weight, at a few milliseconds each for a hundred chargers."""


def group_at(group: ChargerGroup, *, now_s: int) -> ChargerGroup:
    """Return a group as it was known at an earlier instant: later departures forgotten."""
    gone = group.history.plugged_in_at(now_s)
    still = group.plugged_in.take(group.plugged_in.plug_in_s <= now_s)
    return replace(group, history=group.history.completed_before(now_s), plugged_in=PluggedIn.undeclared(gone, still))


def rehearse(
    groups: Sequence[ChargerGroup],
    window: ForecastWindow,
    *,
    scenarios: int,
    seed: int,
    others_kw: Floats | float = 0.0,
) -> ReliabilityCurve | None:
    """Forecast a past window from what the groups knew at its bidding time; None with too little history then.

    `others_kw` is what assets without sessions add, per scenario and PTU (S, T).
    """
    past = [group_at(group, now_s=window.now_s) for group in groups]
    forecast = forecast_window(past, window, scenarios=scenarios, rng=window_rng(seed, window))
    return None if forecast is None else ReliabilityCurve.of((forecast.capacity_kw + others_kw).min(axis=1))


def calibrate_on_past(
    groups: Sequence[ChargerGroup],
    window: ForecastWindow,
    *,
    scenarios: int,
    seed: int,
    others_kw: Floats | float = 0.0,
) -> Calibrator:
    """Calibrate on the last like days, the outcome being what the completed sessions could have held.

    A stand-in until dispatched windows are on record: it takes departures as known, so it knows nothing of what
    dispatch loses by not knowing them. Assets without sessions have no such record: one of the cases that they are
    taken to add now is taken to have happened then.
    """
    cases_kw = np.atleast_2d(others_kw)
    plug_ins_s = np.sort(np.concatenate([group.history.plug_in_s for group in groups])) if groups else np.zeros(0)
    days = like_days(
        plug_ins_s.astype(np.int64),
        now_s=window.now_s,
        starts_s=window.starts_s,
        ends_s=window.ends_s,
        timezone=window.timezone,
    )
    calibrator = Calibrator()
    for starts_s in days.starts_s[-REHEARSED_WINDOWS:]:
        shift_s = window.starts_s - int(starts_s)
        past = replace(window, now_s=window.now_s - shift_s, starts_s=int(starts_s), ends_s=window.ends_s - shift_s)
        curve = rehearse(groups, past, scenarios=scenarios, seed=seed, others_kw=others_kw)
        if curve is not None:
            happened_kw = cases_kw[window_rng(seed, past).integers(len(cases_kw))]
            calibrator.learn(curve, realised_kw=realised_kw(groups, past, others_kw=happened_kw))
    return calibrator


def realised_kw(groups: Sequence[ChargerGroup], window: ForecastWindow, *, others_kw: Floats | float = 0.0) -> float:
    """Return the block-minimum that the completed sessions of a past window could have held [kW].

    `others_kw` is what assets without sessions added, per PTU (T,).
    """
    total_kw = np.zeros(window.steps) + others_kw
    for group in groups:
        rows = group.history.rows_present(window.starts_s, window.ends_s)
        charger = group.history.charger[rows]
        sessions = Sessions(
            plug_in_s=group.history.plug_in_s[rows],
            plug_out_s=group.history.plug_out_s[rows],
            energy_kwh=group.history.energy_kwh[rows],
            power_kw=group.history.power_kw[rows],
            floor_kw=group.traits.floor_kw[charger],
            v2g=group.traits.v2g[charger],
        )
        capacity = window_capacity(
            sessions, edges_s=window.edges_s, direction=window.direction, prices=window.prices
        ).capacity_kw
        total_kw += capacity.sum(axis=0)
    return max(float(total_kw.min()), 0.0)


def window_rng(seed: int, window: ForecastWindow) -> np.random.Generator:
    """Return the chance of one window: the same whatever was sized before it."""
    return np.random.default_rng([seed, window.starts_s, window.now_s])
