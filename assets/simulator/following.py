"""Did the asset do what it was told? Judged on metered energy, as a CPO would."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aggregator.core.ptu import PTU_SECONDS
from assets.simulator.setpoints import Schedule, Setpoint

JUDGED_PTUS = 2
TOLERANCE_W = 250
"""Mean power over a quarter that still counts as following; about 2 % of an 11 kW charger."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict on one setpoint; `at` is the end of the last PTU looked at."""

    setpoint_id: int
    is_followed: bool
    at: int
    reason: str

    def row(self) -> dict[str, Any]:
        """Return the judgement as the aggregator reads it."""
        return {
            "setpoint_id": self.setpoint_id,
            "status": "followed" if self.is_followed else "not_followed",
            "at": datetime.fromtimestamp(self.at, UTC).isoformat(),
            "reason": self.reason,
        }


def judged_ptus(setpoint: Setpoint, effective_at: int) -> range:
    """Return the starts of the PTUs the setpoint is judged on: the first two whole ones that it could rule."""
    first = -(-max(setpoint.starts_at, effective_at) // PTU_SECONDS) * PTU_SECONDS
    last = setpoint.ends_at // PTU_SECONDS * PTU_SECONDS
    return range(first, min(first + JUDGED_PTUS * PTU_SECONDS, last), PTU_SECONDS)


def judge(*, setpoint: Setpoint, ptus: range, net_wh: list[float], schedule: Schedule) -> Judgement | None:
    """Return the verdict from the metered net energy of each of `ptus`; None where later batches replaced all of it."""
    ruled = [index for index, ptu in enumerate(ptus) if schedule.is_in_force(setpoint, ptu)]
    if not ruled:
        return None
    for index in ruled:
        told_w = setpoint.power_w[(ptus[index] - setpoint.starts_at) // PTU_SECONDS]
        mean_w = net_wh[index] * 3600 / PTU_SECONDS
        if mean_w > told_w + TOLERANCE_W:
            reason = f"Took {round(mean_w)} W where {told_w} W was asked."
            return Judgement(setpoint.setpoint_id, is_followed=False, at=ptus[-1] + PTU_SECONDS, reason=reason)
    return Judgement(setpoint.setpoint_id, is_followed=True, at=ptus[-1] + PTU_SECONDS, reason="")
