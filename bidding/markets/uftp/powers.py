"""What the powers of a request, offer or order mean for the connection: the one place where that is decided.

The specification makes them deviations from a baseline. Called contracts on the Dutch platform appear to use them as
absolute limits of the connection instead (both public clients read them so; the operators' manual is not public), and
therefore the meaning is a setting of the contract.

Sign: net power is positive for import. Limits per direction are never negative.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from enum import StrEnum

from aggregator.core.ptu import ptus_of_day
from bidding.markets.uftp.messages import FlexOrder, FlexRequestIsp, PowerIsp


class PowerMeaning(StrEnum):
    """How a contract's powers are to be read."""

    LIMIT = "limit"
    DELTA = "delta"


class Side(StrEnum):
    """Which direction of a connection a contract is about."""

    IMPORT = "import"
    EXPORT = "export"


class UnclearPower(ValueError):
    """A power that cannot be turned into a limit with what is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PtuLimits:
    """Bounds on net power in one PTU, in Watt; `None` where nothing is demanded."""

    starts_at: datetime
    max_import_w: int | None = None
    max_export_w: int | None = None
    min_import_w: int | None = None
    min_export_w: int | None = None


def ordered_limits(
    order: FlexOrder, *, meaning: PowerMeaning, side: Side, baseline_w: Sequence[int] | None = None
) -> tuple[PtuLimits, ...]:
    """Return what an order demands, PTU by PTU.

    Args:
        order: accepted; its ISPs lie within its period.
        meaning: LIMIT: power > 0 caps import and power < 0 caps export. DELTA: net power must reach baseline + power.
        side: which direction a power of 0 caps under LIMIT, where the sign says nothing.
        baseline_w: net power per PTU of the whole day, needed for DELTA.

    Raises:
        UnclearPower: DELTA without a baseline for every PTU of the day, or a limit that is activated in part.
    """
    if meaning is PowerMeaning.LIMIT and order.activation_factor != 1:
        raise UnclearPower(
            f"Order {order.order_reference} activates a limit for {order.activation_factor}; only a deviation can be "
            "activated in part. Offer limits with a minimum activation factor of 1.00."
        )
    if meaning is PowerMeaning.LIMIT:
        return absolute_limits(order.isps, period=order.period, side=side)
    starts = ptus_of_day(order.period)
    baseline = _whole_baseline(baseline_w, meaning, len(starts))
    return tuple(
        _deviation(starts[ptu], power_w, baseline[ptu])
        for isp in activated_isps(order)
        for ptu, power_w in _each_ptu(isp)
    )


def absolute_limits(isps: Iterable[PowerIsp], *, period: date, side: Side) -> tuple[PtuLimits, ...]:
    """Return the limits that powers mean under LIMIT, PTU by PTU in the order of `isps`."""
    starts = ptus_of_day(period)
    return tuple(_limit(starts[ptu], power_w, side) for isp in isps for ptu, power_w in _each_ptu(isp))


def deviations(isps: Iterable[PowerIsp], *, period: date) -> tuple[tuple[datetime, int], ...]:
    """Return start and deviation of each PTU, for those who need no baseline: dispatch moves by what is asked."""
    starts = ptus_of_day(period)
    return tuple((starts[ptu], power_w) for isp in isps for ptu, power_w in _each_ptu(isp))


def requested_limits(
    isps: Iterable[FlexRequestIsp],
    *,
    period: date,
    meaning: PowerMeaning,
    side: Side,
    baseline_w: Sequence[int] | None = None,
) -> tuple[PtuLimits, ...]:
    """Return the bounds that a request would set if all of it were ordered; arguments as for `ordered_limits`."""
    starts = ptus_of_day(period)
    baseline = _whole_baseline(baseline_w, meaning, len(starts))
    limits = []
    for isp in isps:
        for ptu in range(isp.start - 1, isp.start - 1 + isp.duration):
            if meaning is PowerMeaning.DELTA:
                base_w = baseline[ptu]
                limits.append(_bounds(starts[ptu], base_w + isp.min_power_w, base_w + isp.max_power_w))
            elif isp.min_power_w == isp.max_power_w == 0:
                limits.append(_limit(starts[ptu], 0, side))
            else:
                at_least_w = isp.min_power_w if isp.min_power_w < 0 else None
                limits.append(_bounds(starts[ptu], at_least_w, isp.max_power_w if isp.max_power_w > 0 else None))
    return tuple(limits)


def activated_isps(order: FlexOrder) -> tuple[PowerIsp, ...]:
    """Return the ISPs of an order with the power that is really ordered: the offered power times the factor."""
    if order.activation_factor == 1:
        return order.isps
    return tuple(
        PowerIsp(power_w=_whole(isp.power_w * order.activation_factor), start=isp.start, duration=isp.duration)
        for isp in order.isps
    )


def confirming_power_w(isp: FlexRequestIsp) -> int:
    """Return the one power that answers a requested ISP in full: its upper bound, or the lower one where that is 0."""
    return isp.max_power_w or isp.min_power_w


def _limit(starts_at: datetime, power_w: int, side: Side) -> PtuLimits:
    caps_import = power_w > 0 or (power_w == 0 and side is Side.IMPORT)
    return _bounds(starts_at, None, power_w) if caps_import else _bounds(starts_at, power_w, None)


def _deviation(starts_at: datetime, power_w: int, base_w: int) -> PtuLimits:
    target_w = base_w + power_w
    return _bounds(starts_at, target_w if power_w > 0 else None, target_w if power_w < 0 else None)


def _bounds(starts_at: datetime, at_least_w: int | None, at_most_w: int | None) -> PtuLimits:
    """Express bounds on signed net power as limits per direction."""
    return PtuLimits(
        starts_at=starts_at,
        max_import_w=None if at_most_w is None else max(at_most_w, 0),
        min_export_w=None if at_most_w is None or at_most_w >= 0 else -at_most_w,
        max_export_w=None if at_least_w is None else max(-at_least_w, 0),
        min_import_w=None if at_least_w is None or at_least_w <= 0 else at_least_w,
    )


def _each_ptu(isp: PowerIsp) -> Iterable[tuple[int, int]]:
    return ((ptu, isp.power_w) for ptu in range(isp.start - 1, isp.start - 1 + isp.duration))


def _whole_baseline(baseline_w: Sequence[int] | None, meaning: PowerMeaning, ptus: int) -> Sequence[int]:
    if meaning is PowerMeaning.DELTA and (baseline_w is None or len(baseline_w) != ptus):
        given = "no baseline" if baseline_w is None else f"a baseline of {len(baseline_w)} PTUs"
        raise UnclearPower(f"A deviation needs a baseline; there is {given} for a day of {ptus}. Give one per PTU.")
    return baseline_w or ()


def _whole(power_w: Decimal) -> int:
    return int(power_w.to_integral_value(ROUND_HALF_EVEN))
