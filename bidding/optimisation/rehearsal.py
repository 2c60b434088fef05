"""Rehearsing windows of the past: forecast as they would have been forecast then, dispatched as they would be now.

The forecasts with their outcomes show how much of a forecast can be promised. Both see only what was known at the time:
sessions completed and cars plugged in, with what their drivers had declared by then; the dispatch policy learns of a
departure when it happens. What a rehearsal plays is what the backtest plays (`bidding/replay`).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from bidding.dispatch.allocation.urgency import DispatchPolicy
from bidding.forecast.declarations import Declarations
from bidding.forecast.like_days import like_days
from bidding.forecast.sessions import PluggedIn
from bidding.forecast.window_forecast import (
    ChargerGroup,
    ForecastWindow,
    forecast_window,
    known_plug_ins_s,
)
from bidding.optimisation.calibration import Calibrator
from bidding.optimisation.interface import WindowSpec
from bidding.optimisation.rehearsal_memory import RehearsalMemory, Rehearsed, basis_of
from bidding.optimisation.reliability_curve import ReliabilityCurve
from bidding.replay.past_windows import PastWindows

Floats = NDArray[np.float64]

REHEARSED_WINDOWS = 40
"""Eight weeks of weekdays: what still counts by its weight."""

QUARTER_S = 900
LEAD_STEPS = 8
"""Leads are rehearsed in quarter hours, longer ones in about as many steps as this: a bid sized anew some minutes later
rests on the same rehearsals, which knew a little less than it does."""


def group_at(group: ChargerGroup, *, now_s: int) -> ChargerGroup:
    """Return a group as it was known at an earlier instant: later departures and later words forgotten."""
    gone = group.history.plugged_in_at(now_s)
    still = group.plugged_in.take(group.plugged_in.plug_in_s <= now_s)
    here = PluggedIn.undeclared(gone, still)
    said = group.declared or Declarations.none()
    plug_out_s, energy_kwh = said.known_at(here.charger, here.plug_in_s, now_s=now_s)
    return replace(
        group,
        history=group.history.completed_before(now_s),
        plugged_in=replace(here, declared_plug_out_s=plug_out_s, declared_energy_kwh=energy_kwh),
        reported_s=None if group.reported_s is None else group.reported_s[group.reported_s <= now_s],
    )


def rehearse(
    groups: Sequence[ChargerGroup],
    window: ForecastWindow,
    *,
    scenarios: int,
    seed: int,
    others_kw: Floats | float = 0.0,
    outdoor_c: Mapping[int, float] | None = None,
) -> ReliabilityCurve | None:
    """Forecast a past window from what the groups knew at its bidding time; None with too little history then.

    `others_kw` is what assets without sessions add, per scenario and PTU (S, T).
    """
    past = [group_at(group, now_s=window.now_s) for group in groups]
    forecast = forecast_window(past, window, scenarios=scenarios, rng=window_rng(seed, window), outdoor_c=outdoor_c)
    return None if forecast is None else ReliabilityCurve.of(forecast.room(others_kw).least_kw)


def calibrate_on_past(
    groups: Sequence[ChargerGroup],
    spec: WindowSpec,
    window: ForecastWindow,
    *,
    policy: DispatchPolicy,
    scenarios: int,
    seed: int,
    others_kw: Floats | float = 0.0,
    outdoor_c: Mapping[int, float] | None = None,
    memory: RehearsalMemory | None = None,
) -> Calibrator:
    """Calibrate on the last like days, the outcome being what dispatch would have kept.

    Assets without sessions have no record: one of the cases that they are taken to add now is taken to have happened
    then. What `memory` holds is not rehearsed again.
    """
    calibrator = Calibrator()
    if not groups:
        return calibrator
    cases_kw = np.atleast_2d(others_kw)
    played = PastWindows(groups, now_s=window.now_s, policy=policy, timezone=window.timezone, prices=window.prices)
    days = like_days(
        known_plug_ins_s(groups),
        now_s=window.now_s,
        starts_s=window.starts_s,
        ends_s=window.ends_s,
        timezone=window.timezone,
    )
    length_s, lead_s = window.ends_s - window.starts_s, rehearsed_lead_s(window.starts_s - window.now_s)
    asked = (policy, scenarios, seed, length_s, window.direction, spec.baseline, window.timezone, cases_kw)
    basis = basis_of(groups, *asked, prices=window.prices, now_s=window.now_s, outdoor_c=outdoor_c)

    def rehearsed(past: ForecastWindow) -> Rehearsed:
        curve = rehearse(groups, past, scenarios=scenarios, seed=seed, others_kw=others_kw, outdoor_c=outdoor_c)
        if curve is None:
            return Rehearsed(None, 0.0)
        happened_kw = cases_kw[window_rng(seed, past).integers(len(cases_kw))]
        kept_kw = played.kept_kw(replace(spec, starts_s=past.starts_s, ends_s=past.ends_s), others_kw=happened_kw)
        return Rehearsed(curve, kept_kw)

    memory = memory or RehearsalMemory(most=0)
    for starts_s in days.starts_s[-REHEARSED_WINDOWS:].tolist():
        past = replace(window, now_s=starts_s - lead_s, starts_s=starts_s, ends_s=starts_s + length_s)
        curve, kept_kw = memory.recall(basis, now_s=past.now_s, starts_s=starts_s, rehearse=partial(rehearsed, past))
        if curve is not None:
            calibrator.learn(curve, realised_kw=kept_kw)
    return calibrator


def rehearsed_lead_s(lead_s: int) -> int:
    """Return the lead to rehearse with, not shorter and at most an eighth longer, or up to a quarter hour."""
    step_s = QUARTER_S << int(math.log2(max(lead_s / (LEAD_STEPS * QUARTER_S), 1.0)))
    return -(-lead_s // step_s) * step_s


def window_rng(seed: int, window: ForecastWindow) -> np.random.Generator:
    """Return the chance of one window: the same whatever was sized before it."""
    return np.random.default_rng([seed, window.starts_s, window.now_s])
