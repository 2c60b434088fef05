"""What a plan comes to, as alarms, samples and operators read it: no more than what assets are told and will do."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User

from assets.models import AssetState, ChargingSession, MeterInterval, Setpoint, SteeringLimit
from bidding.dispatch import planning
from bidding.dispatch.acts import cap_activation
from bidding.dispatch.commands import send_commands
from bidding.models import Activation, ActivationPtu, ActivationSample, DispatchAlarm
from tests.integration.bidding.evening import BEFORE, STARTS_AT, asked_w


def hold_back(cars, **declared):
    """Have cars stand idle for ten hours, as under an order before; by their baseline they would be full by now."""
    MeterInterval.objects.filter(asset__in=cars).delete()
    AssetState.objects.filter(asset__in=cars).update(power_w=0)
    ChargingSession.objects.filter(asset__in=cars, plug_out_at=None).update(
        plug_in_at=STARTS_AT - timedelta(hours=10), **declared
    )


def planned_w(at=STARTS_AT):
    return ActivationPtu.objects.get(ptu_start=at).planned_w


def test_cars_that_charge_ahead_count_in_the_plan_of_an_increase(evening):
    Activation.objects.update(direction="increase")
    hold_back(evening.fleet[:-1])
    evening.activation.refresh_from_db()

    evening.plan()

    assert planned_w() >= 100_000
    assert evening.alarms() == set()
    evening.minute(2)
    sample = ActivationSample.objects.get()
    assert sample.asked_w == sample.delivered_w >= 100_000


def test_what_cars_that_must_charge_now_take_beyond_their_baseline_is_no_part_of_a_plan_to_reduce(evening):
    hold_back(evening.fleet[:10], declared_energy_wh=20_000, declared_departure_at=STARTS_AT + timedelta(hours=2))

    evening.plan()

    assert not asked_w().keys() & {car.pk for car in evening.fleet[:10]}
    # ten others wait and the battery gives 48 kW, of which ten take back 110
    assert planned_w() == 48_000
    assert evening.alarms() == {"not_enough"}


@pytest.fixture
def too_late(monkeypatch):
    """Have a limit set between a plan and the gate, which refuses the plan as a whole."""

    def limit_first(*args, **kwargs):
        SteeringLimit.objects.update_or_create(
            partner=None, aggregation_ean=None, defaults={"max_moved_w": 10_000, "reason": "the transformer"}
        )
        return send_commands(*args, **kwargs)

    def set_in():
        monkeypatch.setattr(planning, "send_commands", limit_first)

    return set_in


def test_a_plan_that_is_refused_as_a_whole_plans_nothing_and_says_so(evening, too_late):
    too_late()

    evening.plan()

    assert not Setpoint.objects.exists()
    ptu = ActivationPtu.objects.get(ptu_start=STARTS_AT)
    assert (ptu.planned_w, ptu.limited_w) == (0, 136_000)
    [alarm] = DispatchAlarm.objects.filter(cleared_at=None)
    assert alarm.kind == "limited"
    assert alarm.message.startswith("100 kW held back. The fleet would be moved by 136.0 kW")


def test_of_a_correction_that_is_refused_what_was_told_before_is_still_planned(evening, too_late):
    evening.plan().minute(2)
    before_w = planned_w()
    evening.disobey = set(evening.held()[:6])
    too_late()

    assert [evening.minute(3), evening.minute(4)] == [0, 0]

    assert planned_w() == before_w - 66_000
    assert "limited" in evening.alarms()


def test_a_cap_holds_even_if_everybody_follows(evening):
    cap_activation(
        activation_id=evening.activation.pk, cap_w=60_000, now=BEFORE, reason="the grid operator rang",
        actor=User.objects.create_user("night-shift"),
    )  # fmt: skip

    evening.plan().minute(2)

    assert planned_w() == 60_000
    assert ActivationSample.objects.get().delivered_w == 60_000
    assert evening.alarms() == set()
