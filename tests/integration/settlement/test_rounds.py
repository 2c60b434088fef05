"""When an activation is settled, and what settles it again."""

import threading
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection

from aggregator.core.ptu import PTU
from assets.models import AssetKind, ChargingSession
from settlement import queries
from settlement.delivery import operations
from settlement.models import Delivery
from tests.integration.settlement.conftest import LATER, WINDOW_START, make_world
from tests.waiting import in_turn


def due(now, **options: object):
    found = queries.due_activations(
        now=now, **{"wait": operations.SETTLEMENT_WAIT, "required_completeness": Decimal("0.99"), **options}
    )
    return [activation.reference for activation in found]


def test_it_is_time_when_the_values_are_in_and_the_cars_have_left(world):
    charger = world.asset("charger")
    session = world.session(charger, hours=None)
    activation = world.activation(20_000, 20_000)
    soon = activation.ends_at + timedelta(minutes=5)
    world.meter(charger, 0)
    assert due(soon) == []  # half of the values
    world.meter(charger, 0, start=WINDOW_START + PTU)
    assert due(soon) == []  # a car still charging
    ChargingSession.objects.filter(pk=session.pk).update(plug_out_at=soon)
    assert due(soon) == ["order-1"]
    assert due(activation.ends_at - timedelta(seconds=1)) == []


def test_half_the_values_are_enough_where_half_is_asked(world):
    charger = world.asset("charger")
    activation = world.activation(20_000, 20_000)
    world.meter(charger, 0)
    assert due(activation.ends_at, required_completeness=Decimal("0.5")) == ["order-1"]


def test_after_the_deadline_it_is_settled_on_what_there_is(world):
    world.asset("silent")
    activation = world.activation(20_000)
    deadline = activation.ends_at + timedelta(hours=12)
    assert due(deadline - timedelta(seconds=1)) == []
    assert due(deadline) == ["order-1"]
    assert due(activation.ends_at + timedelta(hours=1), wait=timedelta(hours=1)) == ["order-1"]
    (delivery,) = operations.settle_due(now=deadline)
    assert (delivery.completeness, delivery.delivered_wh) == (Decimal(0), 0)


def test_a_failure_does_not_hold_up_the_others(world, caplog):
    # given an activation whose order was lost, and a sound one
    broken = world.activation(20_000, reference="broken")
    sound = world.activation(20_000, reference="sound")
    broken.ptus.all().delete()
    assert due(sound.ends_at) == []
    made = operations.settle_due(now=sound.ends_at + timedelta(hours=12))
    assert [delivery.activation.reference for delivery in made] == ["sound"]
    assert "Unable to settle activation broken" in caplog.text


# Corrections and repetition


def settled(world):
    """A settled activation of one charger that would have taken 10 kW and took 2."""
    charger = world.asset("charger")
    session = world.session(charger)
    activation = world.activation(20_000)
    world.meter(charger, 500)
    operations.settle(activation_id=activation.pk, now=LATER)
    return charger, session, activation


def test_settling_again_changes_nothing(world):
    _, _, activation = settled(world)
    again = LATER + timedelta(hours=1)
    assert operations.settle(activation_id=activation.pk, now=again) is None
    assert Delivery.objects.get().confirmed_at == again
    assert due(again) == []


def test_a_late_correction_makes_a_new_version_once(world):
    charger, _, activation = settled(world)
    next_day = LATER + timedelta(days=1)
    world.meter(charger, 1_500, revision=1, known_at=next_day)
    assert due(next_day) == ["order-1"]
    (second,) = operations.settle_due(now=next_day + timedelta(hours=1))
    assert (second.version, second.delivered_wh) == (2, 1_000)
    assert Delivery.objects.get(activation=activation, version=1).delivered_wh == 2_000
    assert due(next_day + timedelta(hours=2)) == []


def test_an_order_is_kept_when_every_quarter_hour_got_all_of_it_by_the_newest_values(world):
    charger = world.asset("charger")
    world.session(charger)
    activation = world.activation(5_000, 5_000)
    world.meter(charger, 1_250, 1_000)
    operations.settle(activation_id=activation.pk, now=LATER)
    activation.refresh_from_db()
    assert activation.is_kept is True

    world.meter(charger, 1_254, revision=1, known_at=LATER)
    operations.settle(activation_id=activation.pk, now=LATER + timedelta(hours=1))
    activation.refresh_from_db()
    assert activation.is_kept is False


def test_an_order_is_kept_though_more_is_taken_where_nothing_was_ordered(world):
    charger = world.asset("charger")
    world.session(charger)
    activation = world.activation(5_000, 0)
    world.meter(charger, 1_250, 5_000)
    delivery = operations.settle(activation_id=activation.pk, now=LATER)
    activation.refresh_from_db()
    assert activation.is_kept is True
    assert [ptu.delivered_w < 0 for ptu in delivery.ptus.order_by("ptu_start")] == [False, True]
    assert delivery.delivered_wh == 1_250


def test_a_late_correction_of_a_like_day_makes_a_new_version_within_a_day(world):
    heat_pump = world.asset("heat pump", kind=AssetKind.HEAT_PUMP)
    like_day = WINDOW_START - timedelta(days=1)
    world.meter(heat_pump, 900, start=like_day)
    activation = world.activation(20_000)
    world.meter(heat_pump, 100)
    first = operations.settle(activation_id=activation.pk, now=LATER)
    assert first.delivered_wh == 800
    world.meter(heat_pump, 700, start=like_day, revision=1, known_at=LATER + timedelta(hours=2))

    next_day = LATER + timedelta(days=1)
    assert due(next_day - timedelta(seconds=1)) == []
    (second,) = operations.settle_due(now=next_day)
    assert (second.version, second.delivered_wh) == (2, 600)
    assert due(next_day + timedelta(hours=23)) == []
    # what is unchanged a day later makes no version, and after the correction period nothing is looked at
    assert operations.settle_due(now=next_day + timedelta(days=1)) == []
    assert Delivery.objects.order_by("version").last().confirmed_at == next_day + timedelta(days=1)
    assert due(activation.ends_at + queries.CORRECTIONS_AFTER) == []


def test_a_session_that_turns_out_otherwise_makes_a_new_version(world):
    _, session, _ = settled(world)
    next_day = LATER + timedelta(days=1)
    ChargingSession.objects.filter(pk=session.pk).update(required_energy_wh=800, known_at=next_day)
    (second,) = operations.settle_due(now=next_day)
    assert (second.version, second.delivered_wh) == (2, 300)


def test_a_car_that_proves_to_have_left_before_the_order_makes_a_new_version(world):
    # given a car whose plug-out nobody had told when its order was settled at the deadline
    charger = world.asset("charger")
    hour_before = WINDOW_START - timedelta(hours=1)
    world.session(charger, plug_in_at=hour_before, hours=None)
    activation = world.activation(20_000)
    world.meter(charger, 0)
    (first,) = operations.settle_due(now=activation.ends_at + timedelta(hours=12))
    assert (first.delivered_wh, first.estimated_asset_ids) == (2_500, [charger.pk])
    # when its partner tells that it had gone before the order began
    ChargingSession.objects.update(plug_out_at=WINDOW_START - PTU, known_at=LATER)
    # then nothing was delivered
    (second,) = operations.settle_due(now=LATER + timedelta(hours=1))
    assert (second.version, second.delivered_wh, second.estimated_asset_ids) == (2, 0, [])
    assert due(LATER + timedelta(hours=2)) == []


def test_a_correction_keeps_the_terms_of_the_first_version(world):
    charger, _, activation = settled(world)
    world.ean.partner_share = Decimal("0.1000")
    world.ean.save()
    assert operations.settle(activation_id=activation.pk, now=LATER) is None
    world.meter(charger, 0, revision=1)
    assert operations.settle(activation_id=activation.pk, now=LATER).partner_share == Decimal("0.7000")


def test_news_after_the_correction_period_is_left_alone(world):
    charger, _, activation = settled(world)
    much_later = activation.ends_at + timedelta(days=60)
    world.meter(charger, 0, revision=1, known_at=much_later)
    assert due(much_later) == []


@pytest.mark.django_db(transaction=True)
def test_two_processes_settling_at_once_make_one_version():
    world = make_world()
    charger = world.asset("charger")
    world.session(charger)
    activation = world.activation(20_000)
    world.meter(charger, 500)
    start, made, failures = threading.Barrier(2), [], []

    def settle() -> None:
        try:
            start.wait(timeout=10)
            made.append(operations.settle(activation_id=activation.pk, now=LATER))
        except Exception as error:  # noqa: BLE001 - shown by the assertion below
            failures.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=settle) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)

    assert failures == []
    assert sorted(delivery is None for delivery in made) == [False, True]
    assert Delivery.objects.get().version == 1


@pytest.mark.django_db(transaction=True)
def test_a_settlement_waits_for_the_one_that_holds_the_lock():
    activation = make_world().activation(20_000)

    def settle():
        return operations.settle(activation_id=activation.pk, now=LATER)

    assert in_turn(settle, settle) is None  # nothing changed since the first
    assert Delivery.objects.get().version == 1


def test_months_are_those_of_the_dutch_clock():
    march = queries.month_interval(2026, 3)
    assert march.starts_at == datetime(2026, 2, 28, 23, tzinfo=UTC)
    assert march.ends_at == datetime(2026, 3, 31, 22, tzinfo=UTC)
