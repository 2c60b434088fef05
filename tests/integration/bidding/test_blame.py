"""Nobody is blamed for what an operator did: who is let go, or no longer told anything, has nothing to follow."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User

from assets import operations as portfolio
from bidding.dispatch.acts import hold_activation, stop_activation
from bidding.models import ActivationSample, Cause, Duty
from tests.integration.bidding.evening import MINUTE, STARTS_AT


@pytest.fixture
def act(db):
    return {"now": STARTS_AT + 3 * MINUTE, "actor": User.objects.create_user("night-shift"), "reason": "a fault"}


def blamed():
    return set(Duty.objects.exclude(failures=0, cause="").values_list("asset_id", flat=True))


def test_after_a_stop_nobody_is_blamed_and_nothing_rings(evening, act):
    evening.plan().minute(2)

    stop_activation(activation_id=evening.activation.pk, **act)
    for number in (70, 71, 72):  # all are free by now
        evening.minute(number)

    assert ActivationSample.objects.latest("at").lost_by_cause == {Cause.STOPPED: 100_000}
    assert blamed() == set()
    assert evening.alarms() == set()


def test_nothing_rings_after_a_stop_while_cars_take_back_or_a_partner_falls_silent(evening, act):
    evening.plan().minute(2)
    stop_activation(activation_id=evening.activation.pk, **act)
    Duty.objects.update(usual_w=5_000)  # by their baseline the cars would be full soon

    for number in (70, 71, 72):
        evening.minute(number)
    assert ActivationSample.objects.latest("at").delivered_w < 0
    assert evening.alarms() == set()

    evening.silent = {asset.pk for asset in evening.fleet}
    for number in (90, 91):
        evening.minute(number)
    assert evening.alarms() == set()


def test_what_rang_before_a_stop_is_over_with_it(evening, act):
    evening.disobey = {asset.pk for asset in evening.fleet}
    evening.plan()
    for number in (2, 3):
        evening.minute(number)
    evening.activation.ptus.update(ordered_w=400_000)
    evening.minute(8)
    assert evening.alarms() == {"below_order", "not_following", "not_enough"}

    stop_activation(activation_id=evening.activation.pk, **{**act, "now": STARTS_AT + 9 * MINUTE})

    assert evening.alarms() == set()


def test_feeding_in_that_lapses_on_hold_is_not_laid_to_the_battery(evening, act):
    evening.plan().minute(2)
    store = evening.fleet[-1]

    hold_activation(activation_id=evening.activation.pk, **act)
    evening.minute(20)
    evening.disobey = {store.pk}
    for number in (33, 34, 35):
        evening.minute(number)

    assert blamed() == set()
    assert "below_order" in evening.alarms()
    sample = ActivationSample.objects.latest("at")
    assert sample.lost_by_cause == {Cause.HELD: 100_000 - sample.asked_w}
    assert sample.asked_w == sample.delivered_w < 100_000


def test_what_the_kill_switch_withdrew_is_not_laid_to_the_assets(evening):
    evening.plan().minute(2)

    portfolio.stop_all_partners(reason="odd switching seen", now=STARTS_AT + 2 * MINUTE)
    evening.disobey = {asset.pk for asset in evening.fleet}
    for number in (5, 6, 7):
        evening.minute(number)

    assert blamed() == set()
    assert "below_order" in evening.alarms()
    assert ActivationSample.objects.latest("at").at == STARTS_AT + timedelta(minutes=7)
