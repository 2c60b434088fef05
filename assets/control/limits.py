"""What a setpoint may ask of an asset: the checks that stand between a plan and the grid. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from aggregator.core.ptu import PTU, ptu_start

LONGEST_SETPOINT = timedelta(hours=24)
"""A setpoint that outlives its order by far would be a standing limit that nobody decided on."""


@dataclass(frozen=True, slots=True)
class PlannedSetpoint:
    """The power an asset should keep in each PTU of [starts_at, ends_at).

    `power_w` from 0: take at most this; below 0: feed in this much.
    """

    asset_id: int
    starts_at: datetime
    ends_at: datetime
    power_w: Sequence[int]


@dataclass(frozen=True, slots=True)
class AssetLimits:
    """What is known of an asset when it is asked for something; the membership is the one in the asking group."""

    partner_id: int
    external_id: str
    is_active: bool
    max_import_w: int
    max_export_w: int
    member_from: datetime | None
    member_until: datetime | None
    is_member: bool

    def covers(self, starts_at: datetime, ends_at: datetime) -> bool:
        """Tell whether the asset is a member through the whole period."""
        return (
            self.is_member
            and (self.member_from is None or self.member_from <= starts_at)
            and (self.member_until is None or ends_at <= self.member_until)
        )


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
    return None


def _broken_limit(
    planned: PlannedSetpoint, asset: AssetLimits | None, stopped: Mapping[int, str]
) -> tuple[str, str] | None:
    if asset is None:
        return "unknown-asset", "is not registered."
    name = asset.external_id
    lowest, highest = min(planned.power_w), max(planned.power_w)
    rules = (
        (
            not asset.covers(planned.starts_at, planned.ends_at),
            "not-a-member",
            f"({name}) is not a member of the group through the whole period.",
        ),
        (
            asset.partner_id in stopped,
            "partner-stopped",
            f"({name}) belongs to {stopped.get(asset.partner_id)}, which is stopped or inactive. Plan without it.",
        ),
        (not asset.is_active, "inactive", f"({name}) is not active. Plan without it."),
        (
            highest > asset.max_import_w,
            "above-limit",
            f"({name}) is asked {highest} W and may take at most {asset.max_import_w} W.",
        ),
        (
            -lowest > asset.max_export_w,
            "above-limit",
            f"({name}) is asked to feed in {-lowest} W and may feed in at most {asset.max_export_w} W.",
        ),
    )
    return next(((code, why) for is_broken, code, why in rules if is_broken), None)
