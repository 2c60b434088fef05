from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from bidding.markets.uftp.messages import FlexRequestIsp, PowerIsp
from bidding.markets.uftp.powers import (
    PowerMeaning,
    PtuLimits,
    Side,
    UnclearPower,
    activated_isps,
    confirming_power_w,
    ordered_limits,
    requested_limits,
)
from tests.conformance.uftp.samples import DAY, ORDER

FIVE_PM = datetime(2026, 7, 1, 15, tzinfo=UTC)  # 17:00 in Amsterdam, ISP 69


def order(*isps: tuple[int, int], factor: str = "1.00", period: date = DAY):
    rows = tuple(PowerIsp(power_w=power_w, start=start) for power_w, start in isps)
    return replace(ORDER, isps=rows, activation_factor=Decimal(factor), period=period)


def test_a_limit_caps_import_or_export_by_its_sign():
    limits = ordered_limits(order((50_000, 69), (-20_000, 70)), meaning=PowerMeaning.LIMIT, side=Side.IMPORT)
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
    assert ordered_limits(order((0, 69)), meaning=PowerMeaning.LIMIT, side=side) == (limits,)


@pytest.mark.parametrize(
    ("base_w", "power_w", "limits"),
    [
        (300_000, -100_000, {"max_import_w": 200_000}),
        (50_000, -100_000, {"max_import_w": 0, "min_export_w": 50_000}),
        (-50_000, 100_000, {"max_export_w": 0, "min_import_w": 50_000}),
        (-300_000, 100_000, {"max_export_w": 200_000}),
        (300_000, 0, {}),
    ],
)
def test_a_deviation_moves_the_baseline(base_w, power_w, limits):
    found = ordered_limits(order((power_w, 69)), meaning=PowerMeaning.DELTA, side=Side.IMPORT, baseline_w=[base_w] * 96)
    assert found == (PtuLimits(starts_at=FIVE_PM, **limits),)


def test_a_duration_covers_its_ptus_and_the_clock_change_is_counted():
    autumn = replace(ORDER, period=date(2026, 10, 25), isps=(PowerIsp(power_w=1, start=99, duration=2),))
    limits = ordered_limits(autumn, meaning=PowerMeaning.LIMIT, side=Side.IMPORT)
    assert [limit.starts_at for limit in limits] == [
        datetime(2026, 10, 25, 22, 30, tzinfo=UTC),
        datetime(2026, 10, 25, 22, 45, tzinfo=UTC),
    ]


def test_part_of_a_deviation_can_be_activated_and_of_a_limit_cannot():
    half = order((-100_001, 69), factor="0.50")
    assert activated_isps(half) == (PowerIsp(power_w=-50_000, start=69),)
    (limits,) = ordered_limits(half, meaning=PowerMeaning.DELTA, side=Side.IMPORT, baseline_w=[60_000] * 96)
    assert limits.max_import_w == 10_000
    with pytest.raises(UnclearPower, match=r"activates a limit for 0\.50"):
        ordered_limits(half, meaning=PowerMeaning.LIMIT, side=Side.IMPORT)


@pytest.mark.parametrize("baseline_w", [None, [0] * 92])
def test_a_deviation_needs_a_baseline_for_the_whole_day(baseline_w):
    with pytest.raises(UnclearPower, match="for a day of 96"):
        ordered_limits(order((-1, 69)), meaning=PowerMeaning.DELTA, side=Side.IMPORT, baseline_w=baseline_w)


def request_isp(min_power_w: int, max_power_w: int) -> FlexRequestIsp:
    return FlexRequestIsp(min_power_w=min_power_w, max_power_w=max_power_w, start=69)


@pytest.mark.parametrize(
    ("low_w", "high_w", "meaning", "limits"),
    [
        (-20_000, 50_000, PowerMeaning.LIMIT, {"max_import_w": 50_000, "max_export_w": 20_000}),
        (0, 50_000, PowerMeaning.LIMIT, {"max_import_w": 50_000}),
        (50_000, 50_000, PowerMeaning.LIMIT, {"max_import_w": 50_000}),
        (0, 0, PowerMeaning.LIMIT, {"max_import_w": 0}),
        (-100_000, 0, PowerMeaning.DELTA, {"max_import_w": 300_000, "max_export_w": 0, "min_import_w": 200_000}),
    ],
)
def test_a_request_sets_bounds(low_w, high_w, meaning, limits):
    found = requested_limits(
        [request_isp(low_w, high_w)], period=DAY, meaning=meaning, side=Side.IMPORT, baseline_w=[300_000] * 96
    )
    assert found == (PtuLimits(starts_at=FIVE_PM, **limits),)


@pytest.mark.parametrize(("low_w", "high_w", "power_w"), [(0, 50, 50), (-100, 0, -100), (-100, -50, -50), (0, 0, 0)])
def test_the_confirming_power_is_the_upper_bound_unless_that_is_zero(low_w, high_w, power_w):
    assert confirming_power_w(request_isp(low_w, high_w)) == power_w
