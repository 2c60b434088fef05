"""The session counterfactual: what chargers would have drawn had nobody intervened.

Every car charges at full power from plug-in until its energy is in. The bid is sized against the same baseline
(`bidding.forecast.baselines.arrival_kwh`), there in floats; money is paid on this one, so it is in whole watt-hours.
Method: the uncontrolled ("dumb") schedule of Panda and Tindemans, arXiv 2310.02729.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]

HOUR_S = 3600
PTU_S = 900


@dataclass(frozen=True, slots=True, eq=False)
class SessionNeeds:
    """m charging sessions and what their cars needed; arrays of shape (m,).

    Attributes:
        asset: row of the session's asset in the result.
        plug_in_s: UTC epoch seconds.
        plug_out_s: UTC epoch seconds, exclusive; for a car still plugged in, the instant up to which that is known.
        needed_wh: energy the car would have taken; more than full power over the stay is cut off.
        power_w: full power of car and charger together.
    """

    asset: Integers
    plug_in_s: Integers
    plug_out_s: Integers
    needed_wh: Integers
    power_w: Integers


def arrival_wh(needs: SessionNeeds, *, ptu_starts_s: Integers, assets: int) -> Integers:
    """Return the energy each asset would have taken in each PTU [Wh], shape (assets, len(ptu_starts_s)).

    A car's meter reading t seconds after plug-in, while it stays, would be min(power * t, needed), whole watt-hours
    rounded down. So the PTUs of a session add up to its energy exactly, and one it occupies in part counts in part.
    """
    stay_s = needs.plug_out_s - needs.plug_in_s

    def reading_wh(instants_s: Integers) -> Integers:
        charged_s = np.clip(instants_s[None, :] - needs.plug_in_s[:, None], 0, stay_s[:, None])
        return np.asarray(np.minimum(needs.power_w[:, None] * charged_s // HOUR_S, needs.needed_wh[:, None]))

    total = np.zeros((assets, len(ptu_starts_s)), dtype=np.int64)
    np.add.at(total, needs.asset, reading_wh(ptu_starts_s + PTU_S) - reading_wh(ptu_starts_s))
    return total
