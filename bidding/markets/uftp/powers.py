"""What the powers of a request, offer or order mean for the connection: the one place where that is decided.

The specification makes them deviations from a baseline. Called contracts on the Dutch platform appear to use them as
absolute limits of the connection instead (both public clients read them so; the operators' manual is not public), and
therefore the meaning is a setting of the contract.

Sign: net power is positive for import. Limits per direction are never negative.
"""

from collections.abc import Iterable
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


@dataclass(frozen=True, slots=True)
class PtuLimits:
    """What a connection may take or feed in at most in one PTU, in Watt; `None` where nothing is demanded."""

    starts_at: datetime
    max_import_w: int | None = None
    max_export_w: int | None = None


def absolute_limits(isps: Iterable[PowerIsp], *, period: date, side: Side) -> tuple[PtuLimits, ...]:
    """Return the limits that powers mean under LIMIT, PTU by PTU in the order of `isps`."""
    starts = ptus_of_day(period)
    return tuple(_limit(starts[ptu], power_w, side) for isp in isps for ptu, power_w in _each_ptu(isp))


def deviations(isps: Iterable[PowerIsp], *, period: date) -> tuple[tuple[datetime, int], ...]:
    """Return start and deviation of each PTU, for those who need no baseline: dispatch moves by what is asked."""
    starts = ptus_of_day(period)
    return tuple((starts[ptu], power_w) for isp in isps for ptu, power_w in _each_ptu(isp))


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
    return PtuLimits(starts_at, max_import_w=power_w) if caps_import else PtuLimits(starts_at, max_export_w=-power_w)


def _each_ptu(isp: PowerIsp) -> Iterable[tuple[int, int]]:
    return ((ptu, isp.power_w) for ptu in range(isp.start - 1, isp.start - 1 + isp.duration))


def _whole(power_w: Decimal) -> int:
    return int(power_w.to_integral_value(ROUND_HALF_EVEN))
