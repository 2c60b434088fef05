"""What assets are under after the window, once their setpoints were replaced by ones that ask less."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User

from assets import operations as portfolio
from assets.control.operations import PlannedSetpoint, send_setpoints
from assets.models import Setpoint, SteeringLimit
from assets.ocpi.profiles import Told, standing_schedule
from bidding.dispatch.acts import stop_activation
from bidding.dispatch.commands import Command, Sent, send_commands
from tests.field_side import charger, make_assets, make_partner
from tests.integration.bidding.evening import BEFORE, MINUTE, PTU, STARTS_AT, limits_w

HOUR = timedelta(hours=1)
ENDS_AT = STARTS_AT + 3 * HOUR
LAST = ENDS_AT - PTU
LONG_WAIT_PTUS = 8


def told(activation, command, *, starts_at=STARTS_AT, ramp_s=0):
    return send_commands(
        activation, [command], starts_at=starts_at, ramp_s=ramp_s, now=starts_at - timedelta(minutes=8)
    )


@pytest.fixture
def car(activation, fleet):
    """A car that waits from the start of the window to two hours after it."""
    told(activation, Command(fleet[0], 0, LONG_WAIT_PTUS))
    return fleet[0]


def test_who_is_let_go_inside_the_window_stays_free_after_it(activation, car):
    told(activation, Command(car, 11_000), starts_at=STARTS_AT + HOUR)

    moments = [STARTS_AT + 30 * MINUTE, STARTS_AT + 2 * HOUR, ENDS_AT + 30 * MINUTE, ENDS_AT + 2 * HOUR]
    assert limits_w(car, moments) == [0, 11_000, 11_000, None]
    rows = Setpoint.objects.filter(asset=car).order_by("batch_id")
    profile = [Told(*row) for row in rows.values_list("starts_at", "power_w", "start_early_s", "end_late_s", "ttl_s")]
    assert standing_schedule(profile, since=ENDS_AT + 30 * MINUTE, free_w=11_000) is None


def test_after_a_stop_nobody_waits_again_at_the_end_of_the_window(activation, car):
    SteeringLimit.objects.create(ramp_seconds=900, reason="the transformer")
    told(activation, Command(car, 11_000), starts_at=STARTS_AT + HOUR)
    told(activation, Command(car, 0, LONG_WAIT_PTUS), starts_at=STARTS_AT + HOUR + PTU, ramp_s=900)
    assert Setpoint.objects.filter(asset=car).latest("batch_id").end_late_s > 60

    stop_activation(
        activation_id=activation.pk,
        now=STARTS_AT + 2 * HOUR,
        actor=User.objects.create_user("night-shift"),
        reason="a driver rang",
    )

    moments = [ENDS_AT, ENDS_AT + 30 * MINUTE, ENDS_AT + 2 * HOUR - MINUTE]
    assert limits_w(car, moments) == [11_000] * 3
    assert set(limits_w(car, [ENDS_AT + 2 * HOUR + number * MINUTE for number in range(16)])) == {11_000, None}


def test_a_wait_can_get_shorter_and_is_told_once(activation, car):
    assert told(activation, Command(car, 0, 2), starts_at=LAST) == Sent(1)
    assert told(activation, Command(car, 0, 2), starts_at=LAST) == Sent(0)

    assert limits_w(car, [ENDS_AT + number * PTU for number in range(3)]) == [0, 0, 11_000]
    assert limits_w(car, [ENDS_AT + number * PTU for number in (7, 8)]) == [11_000, None]


def test_a_wait_can_get_longer(activation, car):
    assert told(activation, Command(car, 0, 9), starts_at=LAST) == Sent(1)

    assert limits_w(car, [ENDS_AT + number * PTU for number in (8, 9)]) == [0, None]


def test_who_waited_and_then_fed_in_waits_as_long_as_it_was_told_last(activation, group):
    [car] = make_assets(
        make_partner("Deelstroom"), [charger("v", kind="v2g_charger", category="shared_car", max_export_w=11_000)]
    )
    portfolio.enrol_assets(
        aggregation_ean=group.ean, asset_ids=[car.pk], starts_at=STARTS_AT - timedelta(days=40), now=STARTS_AT
    )
    told(activation, Command(car, 0, LONG_WAIT_PTUS))

    told(activation, Command(car, -5_000, 3), starts_at=LAST)

    assert limits_w(car, [LAST + number * PTU for number in range(6)]) == [-5_000, 0, 0, 0, 11_000, 11_000]


def test_what_another_order_asks_after_the_window_is_not_replaced(activation, car):
    next_order = {"order_reference": "next", "aggregation_ean": activation.aggregation_ean_id, "reason": ""}
    plan = [PlannedSetpoint(car.pk, ENDS_AT + PTU, ENDS_AT + HOUR, [0] * 3)]
    send_setpoints(now=BEFORE, revision=1, plan=plan, deadline_at=ENDS_AT, **next_order)

    told(activation, Command(car, 11_000), starts_at=LAST)

    assert limits_w(car, [ENDS_AT + number * PTU for number in range(3)]) == [11_000, 0, 0]


def test_an_order_of_a_day_of_25_hours_is_told_in_two_parts(activation, fleet):
    activation.ends_at = STARTS_AT + 25 * HOUR
    activation.save()
    wait = Command(fleet[0], 0, 2)

    assert [told(activation, wait, starts_at=STARTS_AT + hours * HOUR) for hours in (0, 1, 24)] == [
        Sent(1),
        Sent(0),
        Sent(1),
    ]

    periods = Setpoint.objects.order_by("batch_id").values_list("starts_at", "ends_at")
    day = STARTS_AT + 24 * HOUR
    assert list(periods) == [(STARTS_AT, day), (day, activation.ends_at + 2 * PTU)]


def test_a_stop_in_the_first_hour_of_a_day_of_25_lets_everybody_go(activation, fleet):
    activation.ends_at = STARTS_AT + 25 * HOUR
    activation.save()
    told(activation, Command(fleet[0], 0))

    stop_activation(
        activation_id=activation.pk, now=STARTS_AT, actor=User.objects.create_user("night-shift"), reason="a fault"
    )

    assert limits_w(fleet[0], [STARTS_AT + hours * HOUR for hours in (1, 11)]) == [11_000] * 2
    assert not Setpoint.objects.filter(ends_at__gt=STARTS_AT + 24 * HOUR).exists()


def test_who_leaves_the_group_in_between_is_let_go_all_the_same(activation, car):
    portfolio.end_membership(asset_id=car.pk, ends_at=ENDS_AT + HOUR, reason="it moved", now=STARTS_AT)

    assert told(activation, Command(car, 11_000), starts_at=STARTS_AT + HOUR) == Sent(1)

    assert limits_w(car, [STARTS_AT + number * HOUR for number in (1, 3)]) == [11_000, 11_000]


def test_a_hold_that_ends_inside_its_window_is_told_anew_before_it_runs_out_or_to_end_it_sooner(activation, fleet):
    plans = [(0, -6), (1, -5), (1, -8), (2, -6), (3, -6)]  # ends after 6, 7, 4, 6 and 6 of 12 quarter hours

    sent = [
        told(activation, Command(fleet[0], 0, release), starts_at=STARTS_AT + ptu * PTU).setpoints
        for ptu, release in plans
    ]

    assert sent == [1, 0, 1, 0, 1]
    assert limits_w(fleet[0], [STARTS_AT + ptu * PTU for ptu in (0, 3, 4, 5, 6)]) == [0, 0, 0, 0, None]
