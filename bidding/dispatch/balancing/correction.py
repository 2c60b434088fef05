"""How much to aim for where a group brings more or less than is asked of it. Pure.

A plan aims for a share of what is asked: a group that brings a tenth too much is asked a tenth less, whatever TenneT
asks next. While the setpoint moves nobody can tell which of its values an asset answers, so all that lies between the
least and the most that was asked in the time of an answer is right, and the share never goes beyond what mends a group
that always brings the same part of its aim.
"""

from dataclasses import dataclass
from datetime import timedelta

ANSWER_TIME = timedelta(minutes=2)
"""From a setpoint to states that show it: half a minute between plans, a minute to respond, the rest to be told."""
TOLERANCE_SHARE = 0.05
"""Of what is asked [cited: the German model, which our mock TenneT counts by]."""
TOLERANCE_W = 11_000
"""Half of a charger of 22 kW: a car waits or charges, so a group comes no nearer, and trying would only turn cars."""
MOST_SHARE = 2.0
"""Of what is asked; the least is the inverse. As far as the reserve of other orders goes."""
LEAST_MEASURED = 0.5
"""Of a plan: who sees less than half of it corrects nothing."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What a group was asked and brings.

    Attributes:
        least_w: the least that was asked all through the time of an answer, less what the plan could not reach.
        most_w: the most that was asked in it, and what the plan had to keep beyond that.
        brought_w: what is measured of it.
        measured_share: the part of the plan that those who are measured have; others are taken to bring the rest.
    """

    least_w: float
    most_w: float
    brought_w: float
    measured_share: float


def tolerance_w(asked_w: float) -> float:
    """Return by how much more or less than what is asked is right all the same [W]."""
    return max(TOLERANCE_SHARE * asked_w, TOLERANCE_W)


def corrected_share(share: float, measured: Measured) -> float:
    """Return the share of what is asked to aim for from now on, where `share` was aimed for so far."""
    if measured.measured_share < LEAST_MEASURED:
        return share
    least_w, most_w = measured.measured_share * measured.least_w, measured.measured_share * measured.most_w
    right_w = min(max(measured.brought_w, least_w), most_w)
    is_right = abs(measured.brought_w - right_w) <= tolerance_w(right_w)
    if is_right or right_w <= 0:
        return share
    brought_w = max(measured.brought_w, right_w / MOST_SHARE**2)
    return min(max(share * right_w / brought_w, 1 / MOST_SHARE), MOST_SHARE)
