"""What a setpoint may ask of an asset: the checks that stand between a plan and the grid. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from aggregator.core.ptu import PTU, ptu_start

LONGEST_SETPOINT = timedelta(hours=24)
"""A setpoint that outlives its order by far would be a standing limit that nobody decided on."""

LONGEST_RAMP_S = 900


@dataclass(frozen=True, slots=True)
class PlannedSetpoint:
    """The power an asset should keep in each PTU of [starts_at, ends_at).

    `power_w` from 0: take at most this; below 0: feed in this much. It takes effect `start_early_s` seconds before it
    starts and stays in effect `end_late_s` seconds after it ends: random moments inside the ramp. Where its last values
    leave the asset alone, it is let go that much later too.
    """

    asset_id: int
    starts_at: datetime
    ends_at: datetime
    power_w: Sequence[int]
    start_early_s: int = 0
    end_late_s: int = 0


@dataclass(frozen=True, slots=True)
class AssetLimits:
    """What is known of an asset when it is asked for something; `membership` is its period in the asking group."""

    partner_id: int
    external_id: str
    kind: str
    is_active: bool
    max_import_w: int
    max_export_w: int
    membership: tuple[datetime | None, datetime | None] | None

    def is_member_through(self, starts_at: datetime, ends_at: datetime) -> bool:
        """Tell whether the asset is a member through the whole period."""
        if self.membership is None:
            return False
        joined, left = self.membership
        return (joined is None or joined <= starts_at) and (left is None or ends_at <= left)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an asset cannot be asked this; `code` names the rule."""

    asset_id: int
    code: str
    message: str


def refusals(
    plan: Sequence[PlannedSetpoint],
    *,
    limits: Mapping[int, AssetLimits],
    stopped: Mapping[int, str],
    now: datetime,
) -> Iterable[Refusal]:
    """Yield the first broken rule of each planned setpoint; `stopped` names the partners that may not be sent to."""
    seen: set[int] = set()
    for planned in plan:
        broken = _broken_period(planned, now) or _broken_limit(planned, limits.get(planned.asset_id), stopped)
        if broken is None and planned.asset_id in seen:
            broken = "repeated-asset", "is in the plan twice. Give it one row of power values."
        seen.add(planned.asset_id)
        if broken is not None:
            code, why = broken
            yield Refusal(planned.asset_id, code, f"Asset {planned.asset_id} {why}")


def _broken_period(planned: PlannedSetpoint, now: datetime) -> tuple[str, str] | None:
    start, end = planned.starts_at, planned.ends_at
    if ptu_start(start) != start or ptu_start(end) != end:
        return "off-grid", f"has a period {start.isoformat()} to {end.isoformat()} that is not on quarter hours."
    if end <= now or end <= start:
        return "past", f"has a period that ends at {end.isoformat()}, which is past. Plan for what is still ahead."
    if end - start > LONGEST_SETPOINT:
        return "too-long", f"would be bound for {end - start}; at most {LONGEST_SETPOINT} is asked at once."
    if len(planned.power_w) != (end - start) // PTU:
        return "wrong-length", f"has {len(planned.power_w)} values for {(end - start) // PTU} PTUs. Give one per PTU."
    if not (0 <= planned.start_early_s <= LONGEST_RAMP_S and 0 <= planned.end_late_s <= LONGEST_RAMP_S):
        return "outside-ramp", f"starts or ends outside a ramp of {LONGEST_RAMP_S} seconds."
    return None


def _broken_limit(
    planned: PlannedSetpoint, asset: AssetLimits | None, stopped: Mapping[int, str]
) -> tuple[str, str] | None:
    if asset is None:
        return "unknown-asset", "is not registered."
    lowest, highest = min(planned.power_w), max(planned.power_w)
    if not asset.is_member_through(planned.starts_at, planned.ends_at):
        broken = "not-a-member", "is not a member of the group through the whole period."
    elif asset.partner_id in stopped:
        broken = (
            "partner-stopped",
            f"belongs to {stopped[asset.partner_id]}, which is stopped or inactive. Plan without it.",
        )
    elif not asset.is_active:
        broken = "inactive", "is not active. Plan without it."
    elif highest > asset.max_import_w:
        broken = "above-limit", f"is asked {highest} W and may take at most {asset.max_import_w} W."
    elif -lowest > asset.max_export_w:
        broken = "above-limit", f"is asked to feed in {-lowest} W and may feed in at most {asset.max_export_w} W."
    else:
        return None
    return broken[0], f"({asset.external_id}) {broken[1]}"
