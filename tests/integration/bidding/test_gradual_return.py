"""When holds end without a successor, by plan or because we are dead, cars do not all charge again at one moment."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User

from assets.models import SteeringLimit
from bidding.dispatch.acts import stop_activation
from bidding.dispatch.commands import Command, send_commands
from tests.integration.bidding.evening import MINUTE, PTU, STARTS_AT, let_go_at

ENDS_AT = STARTS_AT + 12 * PTU
LAST = ENDS_AT - PTU
RAMP_S = 600
CARS = 20
AT_ONCE = 6
"""Of twenty cars that go free at random in ten minutes, in one of them: two are expected."""


@pytest.fixture
def cars(fleet):
    SteeringLimit.objects.create(ramp_seconds=RAMP_S, reason="the transformer")
    return fleet[:CARS]


def hold(activation, cars, release_after_ptus, *, starts_at=STARTS_AT):
    send_commands(
        activation,
        [Command(car, 0, release_after_ptus) for car in cars],
        starts_at=starts_at,
        ramp_s=RAMP_S,
        now=starts_at - 8 * MINUTE,
    )


def test_who_is_told_to_wait_less_is_let_go_within_the_ramp_too(activation, cars):
    hold(activation, cars, 8)
    hold(activation, cars, 2, starts_at=LAST)

    went = let_go_at(cars, since=LAST, minutes=150)

    assert went.total() == CARS
    assert max(went.values()) <= AT_ONCE
    assert min(went) >= ENDS_AT + 2 * PTU
    assert max(went) <= ENDS_AT + 2 * PTU + RAMP_S / 60 * MINUTE


def test_after_a_stop_nobody_is_let_go_together(activation, cars):
    hold(activation, cars, 0)
    at = STARTS_AT + 20 * MINUTE

    stop_activation(activation_id=activation.pk, now=at, actor=User.objects.create_user("night"), reason="a fault")

    went = let_go_at(cars, since=at, minutes=100)
    assert went.total() == CARS
    assert max(went.values()) <= AT_ONCE
    assert max(went) <= at + 60 * MINUTE


def test_where_a_part_of_a_long_order_is_the_last_that_was_told_cars_are_let_go_within_the_ramp(activation, cars):
    activation.ends_at = STARTS_AT + timedelta(hours=25)
    activation.save()
    hold(activation, cars, 0)
    day = timedelta(hours=24)
    late_s = {car.setpoints.get().end_late_s for car in cars}

    assert len(late_s) > CARS / 2
    assert {car.setpoints.get().ends_at for car in cars} == {STARTS_AT + day}


def test_who_must_start_inside_the_window_is_let_go_within_the_ramp_before_that(activation, cars):
    hold(activation, cars, -6)
    must_start_at = STARTS_AT + 6 * PTU

    went = let_go_at(cars, since=STARTS_AT, minutes=170)

    assert went.total() == CARS
    assert max(went.values()) <= AT_ONCE
    assert min(went) >= must_start_at - RAMP_S / 60 * MINUTE
    assert max(went) <= must_start_at


def test_what_is_held_half_an_hour_at_least_is_held_so_long(activation, cars):
    hold(activation, cars, -10)

    went = let_go_at(cars, since=STARTS_AT, minutes=170)

    assert went.total() == CARS
    assert max(went.values()) <= AT_ONCE
    assert min(went) >= STARTS_AT + 2 * PTU
