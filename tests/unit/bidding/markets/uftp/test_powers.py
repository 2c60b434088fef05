from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from bidding.markets.uftp.messages import FlexRequestIsp, PowerIsp
from bidding.markets.uftp.powers import (
    PtuLimits,
    Side,
    absolute_limits,
    activated_isps,
    confirming_power_w,
    deviations,
)
from tests.conformance.uftp.samples import DAY, ORDER

FIVE_PM = datetime(2026, 7, 1, 15, tzinfo=UTC)  # 17:00 in Amsterdam, ISP 69


def isps(*powers: tuple[int, int]):
    return tuple(PowerIsp(power_w=power_w, start=start) for power_w, start in powers)


def test_a_limit_caps_import_or_export_by_its_sign():
    limits = absolute_limits(isps((50_000, 69), (-20_000, 70)), period=DAY, side=Side.IMPORT)
    assert limits == (
        PtuLimits(starts_at=FIVE_PM, max_import_w=50_000),
        PtuLimits(starts_at=FIVE_PM + timedelta(minutes=15), max_export_w=20_000),
    )


@pytest.mark.parametrize(
    ("side", "limits"),
    [
        (Side.IMPORT, PtuLimits(starts_at=FIVE_PM, max_import_w=0)),
        (Side.EXPORT, PtuLimits(starts_at=FIVE_PM, max_export_w=0)),
    ],
)
def test_a_limit_of_zero_caps_the_side_of_the_contract(side, limits):
    assert absolute_limits(isps((0, 69)), period=DAY, side=side) == (limits,)


def test_a_duration_covers_its_ptus_and_the_clock_change_is_counted():
    last = PowerIsp(power_w=1, start=99, duration=2)
    found = deviations([last], period=date(2026, 10, 25))
    assert found == ((datetime(2026, 10, 25, 22, 30, tzinfo=UTC), 1), (datetime(2026, 10, 25, 22, 45, tzinfo=UTC), 1))


def test_part_of_what_was_offered_can_be_activated():
    half = replace(ORDER, isps=isps((-100_001, 69)), activation_factor=Decimal("0.50"))
    assert activated_isps(half) == isps((-50_000, 69))


def request_isp(min_power_w: int, max_power_w: int) -> FlexRequestIsp:
    return FlexRequestIsp(min_power_w=min_power_w, max_power_w=max_power_w, start=69)


@pytest.mark.parametrize(("low_w", "high_w", "power_w"), [(0, 50, 50), (-100, 0, -100), (-100, -50, -50), (0, 0, 0)])
def test_the_confirming_power_is_the_upper_bound_unless_that_is_zero(low_w, high_w, power_w):
    assert confirming_power_w(request_isp(low_w, high_w)) == power_w
