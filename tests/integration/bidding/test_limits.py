"""A called limit, dispatched on a fleet."""

from datetime import timedelta

import pytest

from assets.models import AssetState, ChargingSession, Setpoint
from bidding.dispatch.operations import run_activation
from tests.integration.bidding.evening import asked_w
from tests.integration.bidding.limited_group import (
    BEFORE,
    CARS,
    MINUTE,
    STARTS_AT,
    call_limit,
    come,
    make_chargers,
    remember_arrivals,
)

CAME_AT = STARTS_AT - timedelta(minutes=30)
LIMIT_W = 120_000


@pytest.fixture
def cars(group):
    return make_chargers(group)


@pytest.fixture
def fleet(cars):
    """They all came half an hour before, as they always do: about 220 kW."""
    for car in cars:
        remember_arrivals(car, CAME_AT)
        come(car, CAME_AT)
    return cars


@pytest.fixture
def limited(group, cars):
    """Make an activation that limits the group's import for an hour."""

    def make(max_import_w):
        return call_limit(group, hours=1, max_import_w=max_import_w)

    return make


def test_what_is_expected_beyond_the_limit_is_ordered(limited, fleet):
    activation = limited(100_000)

    run_activation(activation_id=activation.pk, now=BEFORE)

    first, second = activation.ptus.order_by("ptu_start")[:2]
    assert 90_000 <= first.ordered_w <= 120_000
    assert second.ordered_w == 0  # known only when its turn comes
    held = Setpoint.objects.filter(power_w__contains=[0]).count()
    assert (CARS - held) * 11_000 <= 100_000


def test_a_limit_above_consumption_asks_nothing(limited, fleet):
    activation = limited(300_000)

    run_activation(activation_id=activation.pk, now=BEFORE)

    assert set(activation.ptus.values_list("ordered_w", flat=True)) == {0}
    assert not Setpoint.objects.exclude(power_w__contains=[11_000]).exists()


def test_a_call_that_ordered_nothing_ends_although_its_limit_was_passed(limited, fleet):
    activation = limited(CARS * 11_000)
    run_activation(activation_id=activation.pk, now=BEFORE)
    AssetState.objects.update(at=STARTS_AT, power_w=11_600)
    run_activation(activation_id=activation.pk, now=STARTS_AT + timedelta(seconds=5))

    run_activation(activation_id=activation.pk, now=STARTS_AT + timedelta(hours=1))

    activation.refresh_from_db()
    assert activation.status == "finished"
    assert activation.shortfall_note == (
        "Nothing was ordered, but a limit was passed by 3.0 kWh in 1 of 4 quarter hours, by the states the assets "
        "reported: more consumption than expected 100 %."
    )


def play(activation, cars, *, arrivals, minutes=60):
    """Play the hour: cars do as told, those of `arrivals` come at their minute; return the power of each minute."""
    came = dict.fromkeys((car.pk for car in cars if car.pk not in arrivals), 0)
    run_activation(activation_id=activation.pk, now=BEFORE)
    drawn_w = []
    for minute in range(minutes):
        now = STARTS_AT + minute * MINUTE
        for car in cars:
            if arrivals.get(car.pk) == minute:
                come(car, now)
                came[car.pk] = minute
        told = asked_w(now)
        power_w = {pk: told.get(pk, 11_000) for pk in came}
        for pk, power in power_w.items():
            AssetState.objects.filter(asset_id=pk).update(at=now, power_w=power)
        drawn_w.append(sum(power_w.values()))
        run_activation(activation_id=activation.pk, now=now + timedelta(seconds=5))
    return drawn_w


def means_w(drawn_w):
    """Return the mean power of each quarter hour."""
    return [sum(drawn_w[start : start + 15]) / 15 for start in range(0, len(drawn_w), 15)]


@pytest.fixture
def late(cars):
    """Ten cars are here; ten come one by one from the third minute on, as on every day. Return the minute of each."""
    for car in cars[:10]:
        remember_arrivals(car, CAME_AT)
        come(car, CAME_AT)
    arrivals = {car.pk: 3 + 2 * number for number, car in enumerate(cars[10:])}
    for car in cars[10:]:
        remember_arrivals(car, STARTS_AT + arrivals[car.pk] * MINUTE)
    return arrivals


def test_a_limit_holds_in_each_quarter_hour_while_cars_come(limited, cars, late):
    activation = limited(LIMIT_W)

    drawn_w = play(activation, cars, arrivals=late)

    assert len(drawn_w) == 60
    assert max(means_w(drawn_w)) <= LIMIT_W
    first = activation.ptus.order_by("ptu_start")[0]
    assert first.ordered_w > 0  # what has come by its end is part of the order


def test_room_is_kept_for_who_is_expected_and_is_no_part_of_the_order(limited, cars, late):
    activation = limited(LIMIT_W)

    run_activation(activation_id=activation.pk, now=BEFORE)

    first = activation.ptus.order_by("ptu_start")[0]
    # Of the ten, six come within the quarter hour, for 42 of its 60 minutes: 42 / 15 of 11 kW.
    assert first.ordered_w == 0
    assert 0 < first.room_w <= 30_800
    assert first.planned_w >= first.room_w


def test_who_comes_unexpectedly_is_held_within_the_quarter_hour(limited, cars, late):
    ChargingSession.objects.filter(asset__in=late).delete()
    activation = limited(LIMIT_W)

    drawn_w = play(activation, cars, arrivals=dict.fromkeys(late, 3), minutes=30)

    assert drawn_w[3] > LIMIT_W
    assert max(drawn_w[4:]) <= LIMIT_W
    assert max(means_w(drawn_w)) <= LIMIT_W


def test_a_limit_holds_where_nobody_was_there_when_it_was_planned(limited, cars):
    for car in cars:
        remember_arrivals(car, CAME_AT)
    activation = limited(LIMIT_W)

    # they come when the next quarter hour is planned already
    arrivals = {car.pk: 6 + number // 2 for number, car in enumerate(cars)}
    drawn_w = play(activation, cars, arrivals=arrivals, minutes=30)

    assert drawn_w[15] == CARS * 11_000
    assert max(drawn_w[16:]) <= LIMIT_W
    assert max(means_w(drawn_w)) <= LIMIT_W
