from dataclasses import replace
from datetime import time
from decimal import Decimal

import pytest

from bidding.autonomy import Limits, standing

LIMITS = Limits(
    automatic_up_to_w=500_000, automatic_up_to_eur=Decimal(1_000), automatic_hours=(time(8), time(18)),
    two_people_above_w=2_000_000, two_people_above_eur=Decimal(5_000),
)  # fmt: skip


def people(limits=LIMITS, autonomy="automatic", power_w=300_000, worth="200", day="200", at=time(12)):
    return standing(
        autonomy=autonomy, limits=limits, power_w=power_w, worth_eur=Decimal(worth), day_worth_eur=Decimal(day),
        local_time=at,
    )  # fmt: skip


def test_a_bid_within_every_limit_goes_out_alone():
    assert people().people == 0
    assert people(power_w=500_000, day="1000", at=time(8)).people == 0  # limits are included


@pytest.mark.parametrize(
    ("over", "why"),
    [
        ({"power_w": 500_001}, "500 kW is above the mandate's 500 kW"),
        ({"day": "1000.01"}, "The day's bids are worth € 1000.01, above the mandate's € 1000"),
        ({"at": time(7, 59)}, "It is 07:59, outside the mandate's hours from 08:00 to 18:00"),
        ({"at": time(18)}, "It is 18:00"),
        ({"autonomy": "approve"}, "A person decides about each bid"),
        ({"autonomy": "manual"}, "A person decides about each bid"),
        ({"limits": None}, "no mandate"),
    ],
)
def test_beyond_a_limit_a_person_decides(over, why):
    decision = people(**over)
    assert decision.people == 1
    assert why in decision.reason


@pytest.mark.parametrize("autonomy", ["automatic", "approve", "manual"])
@pytest.mark.parametrize("over", [{"power_w": 2_000_001}, {"worth": "5000.01"}])
def test_large_bids_need_two_people_whatever_the_autonomy(autonomy, over):
    assert people(autonomy=autonomy, **over).people == 2
    assert people(autonomy=autonomy, power_w=2_000_000, worth="5000").people == 1


def test_hours_may_run_past_midnight():
    night = replace(LIMITS, automatic_hours=(time(22), time(6)))
    assert [people(night, at=at).people for at in (time(21, 59), time(22), time(0), time(5, 59), time(6))] == [
        1, 0, 0, 0, 1,
    ]  # fmt: skip


def test_without_hours_any_hour_will_do():
    assert people(replace(LIMITS, automatic_hours=None), at=time(3)).people == 0
