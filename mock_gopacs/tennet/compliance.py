"""How much requested energy a BSP missed: models to choose from. What TenneT really tolerates is not public.

Pure. Powers in MW per cycle, signed as the setpoint; delivered is measured minus reference.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from mock_gopacs.tennet.cycles import CYCLE_SECONDS

REACTION_CYCLES = 10  # the setpoints of the last 31 s, rounded up, and of the cycle in which a BSP learns of a change
RAMP_CYCLES = 68  # those of the 270 s before
SECONDS_TO_FULL = 270
LEAST_STEP_MW = 1.0
TOLERANCE = 0.05
FLAGGED_CYCLES = 75  # 300 s
FLAGGED_SHARE = 0.05
HISTORY = REACTION_CYCLES + RAMP_CYCLES - 1

Powers = np.ndarray[tuple[int], np.dtype[np.float64]]


@dataclass(frozen=True, slots=True)
class Missed:
    """MW that were missed in each cycle, both at least 0."""

    up_mw: Powers
    down_mw: Powers


def acceptance_band(setpoints_mw: Sequence[float], delivered_mw: Sequence[float]) -> Missed:
    """Return what is missing at the near edge of a band that follows the setpoint, as German TSOs draw it.

    Another TSO's rule, without its running account of energy caught up with late. The band: after a change 30 s pass,
    then its edge moves at a 270th of the step per second, of 1 MW at the least. A shortage of more than 5 % of the edge
    flags a cycle; it counts where more than 5 % of the last 300 s are flagged.
    """
    setpoints, delivered = np.asarray(setpoints_mw, float), np.asarray(delivered_mw, float)
    return Missed(_missed(setpoints, delivered), _missed(-setpoints, -delivered))


def nothing_missed(setpoints_mw: Sequence[float], delivered_mw: Sequence[float]) -> Missed:  # noqa: ARG001 - a model
    """Return that nothing was missed, whatever was delivered."""
    none = np.zeros(len(setpoints_mw))
    return Missed(none, none)


MODELS: dict[str, Callable[[Sequence[float], Sequence[float]], Missed]] = {
    "acceptance_band": acceptance_band,
    "none": nothing_missed,
}


def _missed(setpoints: Powers, delivered: Powers) -> Powers:
    """Return the shortage of upward power: below the lower edge of the band, where that is above 0."""
    edge = _lower_edge(setpoints)
    flagged = (edge > 0) & (delivered < edge * (1 - TOLERANCE))
    share = np.convolve(flagged, np.ones(FLAGGED_CYCLES))[: len(flagged)] / FLAGGED_CYCLES
    shortage: Powers = np.where(flagged & (share > FLAGGED_SHARE), edge - np.maximum(delivered, 0), 0.0)
    return shortage


def _lower_edge(setpoints: Powers) -> Powers:
    """Return the least power that is accepted in each cycle; before the first, its setpoint held."""
    held = np.concatenate([np.full(HISTORY, setpoints[0]), setpoints])
    recent = sliding_window_view(held[RAMP_CYCLES:], REACTION_CYCLES).min(axis=1)
    before = sliding_window_view(held[:-REACTION_CYCLES], RAMP_CYCLES).min(axis=1)
    step_mw = np.maximum(LEAST_STEP_MW, np.abs(recent - before)) / SECONDS_TO_FULL * CYCLE_SECONDS
    edge = np.empty(len(setpoints))
    last = recent[0]
    for number, (target, rise) in enumerate(zip(recent, step_mw, strict=True)):
        last = edge[number] = min(target, last + rise)
    return edge
