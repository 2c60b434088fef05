"""Quarter hours inside a call in which nothing is called: nobody is asked, and nothing can be missed."""

from datetime import timedelta

import pytest

from assets import operations as portfolio
from assets.models import AssetState, MeterInterval
from bidding.dispatch.operations import run_activation
from bidding.dispatch.report import shortfalls
from bidding.models import ActivationSample, DispatchAlarm
from tests.integration.bidding.evening import asked_w
from tests.integration.bidding.limited_group import (
    MINUTE,
    PTU,
    STARTS_AT,
    call_limit,
    come,
    make_chargers,
    remember_arrivals,
)

LIMIT_W = 60_000
GAP = 1


def ten_cars(group, *, came_h, **declared):
    portfolio.maintain_partitions(now=STARTS_AT)
    came_at = STARTS_AT - timedelta(hours=came_h)
    cars = make_chargers(group)[:10]
    for car in cars:
        remember_arrivals(car, came_at)
        come(car, came_at, declared_departure_at=STARTS_AT + timedelta(hours=14), **declared)
    return cars


@pytest.fixture
def cars(group):
    """They charged for half an hour and were held for hours since: whatever they take is beyond their baseline."""
    cars = ten_cars(group, came_h=4, declared_energy_wh=22_000)
    for start in (STARTS_AT - timedelta(hours=4), STARTS_AT - timedelta(hours=3.75)):
        MeterInterval.objects.bulk_create(
            MeterInterval(asset=car, starts_at=start, import_wh=2_750, known_at=start + PTU) for car in cars
        )
    return cars


@pytest.fixture
def activation(group, cars):
    return call_limit(group, hours=1, max_import_w=LIMIT_W, gaps=(GAP,))


def play(activation, cars, minutes, *, disobey=()):
    """Have a look each minute at cars that do as told, but for those that take all they can."""
    for minute in minutes:
        at = STARTS_AT + minute * MINUTE
        told = asked_w(at)
        for car in cars:
            power_w = 11_000 if car.pk in disobey else told.get(car.pk, 11_000)
            AssetState.objects.filter(asset=car).update(at=at, power_w=power_w)
        run_activation(activation_id=activation.pk, now=at + timedelta(seconds=5))


def alarms():
    return set(DispatchAlarm.objects.filter(cleared_at=None).values_list("kind", flat=True))


@pytest.fixture
def disobey(cars):
    """They all charge, whatever they are told."""
    return {car.pk for car in cars}


def test_what_cars_take_in_a_gap_rings_no_alarm_and_is_no_shortfall(activation, cars, disobey):
    play(activation, cars, [-8, *range(5, 15)], disobey=disobey)
    assert "below_order" in alarms()

    play(activation, cars, range(15, 19), disobey=disobey)

    in_gap = ActivationSample.objects.filter(at__gte=STARTS_AT + GAP * PTU)
    assert set(in_gap.values_list("delivered_w", flat=True)) == {-110_000}
    assert alarms() <= {"not_following"}
    assert not [one for one in in_gap if one.lost_by_cause.keys() & {"not_enough", "limited"}]
    assert [row.missing_w > 0 for row in shortfalls(activation)] == [True, False, False, False]


def test_a_look_in_a_gap_counts_for_no_alarm_after_it(activation, cars, disobey):
    play(activation, cars, [-8, *range(16, 31)], disobey=disobey)
    assert "below_order" not in alarms()

    play(activation, cars, [31], disobey=disobey)
    assert "below_order" in alarms()


def test_that_too_little_can_be_moved_is_told_of_each_quarter_hour_that_is_called_and_of_no_gap(group):
    cars = ten_cars(group, came_h=0.5, declared_energy_wh=50_000)
    activation = call_limit(group, hours=1, max_import_w=LIMIT_W, gaps=(GAP,))
    AssetState.objects.update(is_available=False)  # so nobody can be asked, and all charge

    rings = {}
    for minute in (-8, 4, 5, 6, 9, 14, 15, 19, 20, 21, 25):
        play(activation, cars, [minute], disobey={car.pk for car in cars})
        rings[minute] = "not_enough" in alarms()

    assert rings == {-8: True, 4: True, 5: True, 6: True, 9: True, 14: True, 15: False, 19: False} | {
        20: True,
        21: True,
        25: True,
    }
