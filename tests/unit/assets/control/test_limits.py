"""How long an asset may be bound at once, and how far around its quarter hours."""

from datetime import timedelta

import pytest

from aggregator.core.ptu import PTU
from assets.control.limits import AssetLimits, PlannedSetpoint, refusals
from tests.field_side import NOW, at

ANY = AssetLimits(1, "a", "charger", is_active=True, max_import_w=11_000, max_export_w=0, membership=(None, None))


def codes(*, lasts=PTU, **offsets):
    planned = PlannedSetpoint(1, at("16:15"), at("16:15") + lasts, [0] * (lasts // PTU), **offsets)
    return [one.code for one in refusals([planned], limits={1: ANY}, stopped={}, now=NOW)]


def test_a_setpoint_binds_for_a_day_at_most():
    assert codes(lasts=timedelta(hours=24)) == []
    assert codes(lasts=timedelta(hours=24) + PTU) == ["too-long"]


@pytest.mark.parametrize("end", ["start_early_s", "end_late_s"])
@pytest.mark.parametrize(("seconds", "broken"), [(0, []), (900, []), (901, ["outside-ramp"]), (-1, ["outside-ramp"])])
def test_it_begins_and_ends_within_a_quarter_hour_of_its_period(end, seconds, broken):
    assert codes(**{end: seconds}) == broken
