"""Settling an activation on meter values, sessions and history."""

import threading
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection, transaction
from django.db.models import Sum

from aggregator.core.models import AuditEvent
from aggregator.core.ptu import PTU, day_interval, ptus_of_day
from assets.models import AssetKind, ChargingSession, Membership
from bidding.models import Activation, Direction
from settlement import queries
from settlement.delivery import operations
from settlement.delivery.baselines import BaselineMethod, NominationMissing
from settlement.models import Delivery, DeliveryShare
from tests.integration.settlement.conftest import WINDOW_START, make_world

LATER = WINDOW_START + timedelta(days=1)


def ptu_values(delivery, *names: str):
    return list(delivery.ptus.order_by("ptu_start").values_list(*names))


def test_a_charger_a_v2g_car_a_battery_and_a_heat_pump_deliver_together(world):
    # given a charger and a V2G car that would each charge 10 kW in both PTUs, an idle battery, and a heat pump that
    # takes 1000 Wh a PTU on other workdays
    charger = world.asset("charger")
    car = world.asset("car", kind=AssetKind.V2G_CHARGER, partner="Deelauto")
    battery = world.asset("battery", kind=AssetKind.BATTERY, partner="Deelauto")
    heat_pump = world.asset("heat pump", kind=AssetKind.HEAT_PUMP)
    world.session(charger)
    world.session(car)
    for days in (1, 2):
        world.meter(heat_pump, 900, 900 + 100 * days, start=WINDOW_START - timedelta(days=days))
    # given an order of 20 kW, answered by a half-powered charger, a discharging car and battery, and a colder house
    activation = world.activation(20_000, 20_000)
    world.meter(charger, 1250, 2500)
    world.meter(car, -2500, 2500)
    world.meter(battery, -1000, 500)
    world.meter(heat_pump, 900, 550)

    # when it is settled
    delivery = operations.settle(activation_id=activation.pk, now=LATER)

    # then the first PTU delivers 5900 - -1350 Wh of which 5000 are paid, the second 6050 - 6050 nothing
    assert ptu_values(delivery, "ordered_w", "baseline_w", "metered_w", "delivered_w") == [
        (20_000, 23_600, -5_400, 29_000),
        (20_000, 24_200, 24_200, 0),
    ]
    assert (delivery.version, delivery.ordered_wh, delivery.delivered_wh) == (1, 10_000, 5_000)
    assert (delivery.completeness, delivery.baseline_method) == (Decimal(1), "session_counterfactual")
    assert (delivery.price_eur_per_mwh, delivery.partner_share) == (Decimal("180.00"), Decimal("0.7000"))
    # then it is shared by what each partner's assets did: 1250 of Laadkracht, 5000 + 1000 of Deelauto
    assert list(
        DeliveryShare.objects.order_by("ptu__ptu_start", "partner__name").values_list("partner__name", "paid_wh")
    ) == [("Deelauto", 4_138), ("Laadkracht", 862), ("Deelauto", 0), ("Laadkracht", 0)]
    # then it is on the record
    activation.refresh_from_db()
    assert (activation.status, activation.is_kept) == (Activation.Status.SETTLED, False)
    assert AuditEvent.objects.get().after == {"version": 1, "delivered_wh": 5_000}


def test_a_missing_value_counts_on_neither_side_and_is_reported(world):
    silent, heard = world.asset("silent"), world.asset("heard")
    for charger in (silent, heard):
        world.session(charger)
    activation = world.activation(20_000, 20_000)
    world.meter(heard, 0, 0)
    world.meter(silent, None, 0)

    delivery = operations.settle(activation_id=activation.pk, now=LATER)

    assert ptu_values(delivery, "baseline_w", "metered_w", "delivered_w", "missing_asset_ids") == [
        (10_000, 0, 10_000, [silent.pk]),
        (20_000, 0, 20_000, []),
    ]
    assert delivery.completeness == Decimal("0.7500")
    assert delivery.delivered_wh == 7_500


def test_a_heat_pump_without_history_is_reported_missing(world):
    heat_pump = world.asset("heat pump", kind=AssetKind.HEAT_PUMP)
    activation = world.activation(20_000)
    world.meter(heat_pump, 300)
    delivery = operations.settle(activation_id=activation.pk, now=LATER)
    assert ptu_values(delivery, "baseline_w", "metered_w", "missing_asset_ids") == [(0, 0, [heat_pump.pk])]
    assert delivery.completeness == Decimal(1)


def test_days_with_an_activation_are_no_baseline_for_heat_pumps(world):
    heat_pump = world.asset("heat pump", kind=AssetKind.HEAT_PUMP)
    world.meter(heat_pump, 0, start=WINDOW_START - timedelta(days=1))
    world.meter(heat_pump, 800, start=WINDOW_START - timedelta(days=2))
    world.activation(20_000, reference="order-0", start=WINDOW_START - timedelta(days=1))
    activation = world.activation(20_000)
    world.meter(heat_pump, 300)
    delivery = operations.settle(activation_id=activation.pk, now=LATER)
    assert ptu_values(delivery, "baseline_w", "delivered_w") == [(3_200, 2_000)]


def test_the_highest_revision_counts(world):
    charger = world.asset("charger")
    world.session(charger)
    activation = world.activation(20_000)
    world.meter(charger, 100)
    world.meter(charger, 700, revision=2)
    world.meter(charger, 300, revision=1)
    delivery = operations.settle(activation_id=activation.pk, now=LATER)
    assert ptu_values(delivery, "metered_w") == [(2_800,)]


def test_assets_count_only_in_the_ptus_of_their_membership(world):
    leaver = world.asset("leaver", member_to=WINDOW_START + PTU)
    joiner = world.asset("joiner", member_from=WINDOW_START + PTU)
    for charger in (leaver, joiner):
        world.session(charger)
        world.meter(charger, 0, 0)
    activation = world.activation(20_000, 20_000)
    delivery = operations.settle(activation_id=activation.pk, now=LATER)
    assert ptu_values(delivery, "baseline_w") == [(10_000,), (10_000,)]
    assert delivery.completeness == Decimal(1)


def test_an_asset_of_another_group_is_left_alone(world):
    charger = world.asset("elsewhere")
    world.session(charger)
    world.meter(charger, 0)
    Membership.objects.all().delete()
    activation = world.activation(20_000)
    delivery = operations.settle(activation_id=activation.pk, now=LATER)
    assert ptu_values(delivery, "baseline_w", "delivered_w") == [(0, 0)]
    assert delivery.completeness == Decimal(0)


def test_increase_is_paid_for_what_is_taken_above_the_baseline(world):
    charger = world.asset("charger")
    activation = world.activation(8_000, direction=Direction.INCREASE)
    world.meter(charger, 2_500)
    delivery = operations.settle(activation_id=activation.pk, now=LATER)
    assert ptu_values(delivery, "delivered_w") == [(10_000,)]
    assert delivery.delivered_wh == 2_000


def test_an_unserved_car_needed_what_it_could_have_taken(world):
    # given a car that got 1 kWh but could have taken 40
    charger = world.asset("charger")
    world.session(charger, energy_wh=1_000, required_energy_wh=40_000)
    world.meter(charger, 0)
    activation = world.activation(20_000)
    delivery = operations.settle(activation_id=activation.pk, now=LATER)
    assert ptu_values(delivery, "baseline_w") == [(10_000,)]


@pytest.mark.parametrize(("declared_energy_wh", "baseline_w"), [(2_000, 8_000), (None, 4_000), (500, 4_000)])
def test_an_open_session_is_an_estimate(world, declared_energy_wh, baseline_w):
    # given a car still plugged in that has charged 1 kWh, and may have declared more or less
    charger = world.asset("charger")
    world.session(charger, energy_wh=1_000, hours=None, declared_energy_wh=declared_energy_wh)
    world.meter(charger, 0)
    activation = world.activation(20_000)
    delivery = operations.settle(activation_id=activation.pk, now=LATER)
    assert ptu_values(delivery, "baseline_w") == [(baseline_w,)]
    assert delivery.estimated_asset_ids == [charger.pk]


def test_no_session_takes_more_than_its_charger_gives(world):
    charger = world.asset("charger")
    world.session(charger, power_w=1_000_000)
    world.meter(charger, 0)
    activation = world.activation(20_000)
    delivery = operations.settle(activation_id=activation.pk, now=LATER)
    assert ptu_values(delivery, "baseline_w") == [(22_000,)]


def test_sessions_that_overlap_at_one_charger_are_not_added_up(world):
    # given a session that was reported twice, and one that is said to begin before the first has ended
    charger = world.asset("charger")
    world.session(charger)
    world.session(charger, plug_in_at=WINDOW_START, known_at=LATER, external_id="the same over OCPI")
    world.session(charger, plug_in_at=WINDOW_START + PTU, power_w=4_000)
    world.meter(charger, 0, 0)
    activation = world.activation(20_000, 20_000)
    delivery = operations.settle(activation_id=activation.pk, now=LATER)
    assert ptu_values(delivery, "baseline_w") == [(10_000,), (4_000,)]


def test_an_estimated_meter_value_counts_and_is_flagged(world):
    charger = world.asset("charger")
    world.session(charger)
    world.meter(charger, 500, quality="estimated")
    activation = world.activation(20_000)
    delivery = operations.settle(activation_id=activation.pk, now=LATER)
    assert ptu_values(delivery, "metered_w") == [(2_000,)]
    assert delivery.estimated_asset_ids == [charger.pk]


def test_the_nominated_baseline_replaces_the_sum_of_assets(world):
    charger = world.asset("charger")
    world.session(charger)
    world.meter(charger, 500)
    activation = world.activation(20_000, nominated_w=(14_000,))
    delivery = operations.settle(activation_id=activation.pk, now=LATER, method=BaselineMethod.NOMINATED)
    assert ptu_values(delivery, "baseline_w", "delivered_w") == [(14_000, 12_000)]
    # then corrections stay with the method
    world.meter(charger, 400, revision=1)
    corrected = operations.settle(activation_id=activation.pk, now=LATER)
    assert (corrected.version, corrected.baseline_method) == (2, "nominated")


def test_a_gap_in_the_nomination_is_an_error_that_stores_nothing(world):
    activation = world.activation(20_000, 20_000, nominated_w=(14_000,))
    with pytest.raises(NominationMissing, match="1 of 2 PTUs"):
        operations.settle(activation_id=activation.pk, now=LATER, method=BaselineMethod.NOMINATED)
    assert not Delivery.objects.exists()


def test_a_running_activation_cannot_be_settled(world):
    activation = world.activation(20_000, status=Activation.Status.RUNNING)
    with pytest.raises(operations.NotFinished, match="order-1 is running"):
        operations.settle(activation_id=activation.pk, now=LATER)


@pytest.mark.parametrize(("day", "count"), [(date(2026, 3, 29), 92), (date(2026, 10, 25), 100)])
def test_a_whole_day_with_a_clock_change(world, day, count):
    starts = ptus_of_day(day)
    charger = world.asset("charger")
    world.session(charger, plug_in_at=starts[0], energy_wh=1_000_000, power_w=4_000, hours=25)
    activation = world.activation(*[8_000] * count, start=starts[0])
    world.meter(charger, *[400] * count, start=starts[0])
    delivery = operations.settle(activation_id=activation.pk, now=day_interval(day).ends_at + timedelta(hours=1))
    assert ptu_values(delivery, "baseline_w", "delivered_w") == [(4_000, 2_400)] * count
    assert delivery.delivered_wh == 600 * count


# Orders that run at the same time


def together(world, *net_wh, **direction):
    """Settle a call of 8 kW, then a bid of 12 kW, in the same PTUs; one car would have taken 5,000 Wh in each."""
    car = world.asset("car")
    world.session(car, energy_wh=100_000, power_w=20_000)
    world.meter(car, *net_wh)
    first = world.activation(*[8_000] * len(net_wh), reference="first", **direction)
    second = world.activation(*[12_000] * len(net_wh), reference="second", **direction)
    return first, second


def test_orders_that_run_together_are_paid_for_each_kwh_once(world):
    # given 20 kW, 15 kW and 2 kW less than the baseline, and 4 kW more
    first, second = together(world, 0, 1_250, 4_500, 6_000)

    one, other = (operations.settle(activation_id=order.pk, now=LATER) for order in (first, second))

    columns = ("baseline_w", "metered_w", "delivered_w")
    assert ptu_values(one, *columns) == [
        (8_000, 0, 8_000), (13_000, 5_000, 8_000), (20_000, 18_000, 2_000), (24_000, 24_000, 0),
    ]  # fmt: skip
    assert ptu_values(other, *columns) == [
        (12_000, 0, 12_000), (12_000, 5_000, 7_000), (18_000, 18_000, 0), (20_000, 24_000, -4_000),
    ]  # fmt: skip
    assert (one.delivered_wh, other.delivered_wh) == (4_500, 4_750)
    assert DeliveryShare.objects.filter(ptu__ptu_start=WINDOW_START).aggregate(Sum("paid_wh")) == {
        "paid_wh__sum": 5_000
    }


def test_what_one_fleet_delivered_keeps_one_of_two_orders(world):
    first, second = together(world, 2_000)
    for order in (second, first):  # whichever is settled first
        operations.settle(activation_id=order.pk, now=LATER)
    assert list(Activation.objects.order_by("pk").values_list("reference", "is_kept")) == [
        ("first", True),
        ("second", False),
    ]


def test_what_goes_beyond_all_orders_is_the_last_ones(world):
    first, second = together(world, -1_000)
    for order, delivered_w in ((first, 8_000), (second, 16_000)):
        assert ptu_values(operations.settle(activation_id=order.pk, now=LATER), "delivered_w") == [(delivered_w,)]


@pytest.mark.parametrize(
    ("held_back", "delivered_w"), [({"stop_reason": "a fault"}, [0, 12_000]), ({"cap_w": 3_000}, [3_000, 12_000])]
)
def test_what_an_operator_held_back_takes_nothing_from_the_order_beside_it(world, held_back, delivered_w):
    first, second = together(world, 5_000 - sum(delivered_w) // 4)
    Activation.objects.filter(pk=first.pk).update(**held_back)
    deliveries = [operations.settle(activation_id=order.pk, now=LATER) for order in (first, second)]
    assert [ptu_values(one, "delivered_w") for one in deliveries] == [[(power_w,)] for power_w in delivered_w]


def test_an_order_beside_it_in_some_quarter_hours_only_leaves_the_others_alone(world):
    car = world.asset("car")
    world.session(car, energy_wh=100_000, power_w=20_000)
    world.meter(car, 0, 0)
    long = world.activation(8_000, 8_000, reference="long")
    world.activation(12_000, reference="short", start=WINDOW_START + PTU)
    world.activation(12_000, reference="other way", direction=Direction.INCREASE)
    delivery = operations.settle(activation_id=long.pk, now=LATER)
    assert ptu_values(delivery, "delivered_w") == [(20_000,), (8_000,)]


def test_orders_of_opposite_directions_are_settled_on_what_is_left_of_both(world):
    # given a car that waits for the one order and a battery that charges for the other
    car, battery = world.asset("car"), world.asset("battery", kind=AssetKind.BATTERY, partner="Deelauto")
    world.session(car)
    world.meter(car, 0)
    world.meter(battery, 1_000)
    reduce = world.activation(10_000, reference="reduce")
    increase = world.activation(4_000, reference="increase", direction=Direction.INCREASE)

    less, more = (operations.settle(activation_id=order.pk, now=LATER) for order in (reduce, increase))

    assert (ptu_values(less, "delivered_w"), ptu_values(more, "delivered_w")) == ([(6_000,)], [(-6_000,)])
    assert (less.delivered_wh, more.delivered_wh) == (1_500, 0)
    assert set(DeliveryShare.objects.filter(paid_wh__gt=0).values_list("ptu__delivery", "paid_wh")) == {
        (less.pk, 1_500)
    }


# When is it time?


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


def test_a_session_that_turns_out_otherwise_makes_a_new_version(world):
    _, session, _ = settled(world)
    next_day = LATER + timedelta(days=1)
    ChargingSession.objects.filter(pk=session.pk).update(required_energy_wh=800, known_at=next_day)
    (second,) = operations.settle_due(now=next_day)
    assert (second.version, second.delivered_wh) == (2, 300)


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
    # given a transaction that has settled but not yet committed
    activation = make_world().activation(20_000)
    done = threading.Event()

    def settle() -> None:
        try:
            operations.settle(activation_id=activation.pk, now=LATER)
        finally:
            done.set()
            connection.close()

    with transaction.atomic():
        operations.settle(activation_id=activation.pk, now=LATER)
        thread = threading.Thread(target=settle)
        thread.start()
        # then the other one does not get past the lock
        assert not done.wait(timeout=0.5)
    thread.join(timeout=20)
    assert Delivery.objects.get().version == 1


def test_reading_a_group_takes_the_same_number_of_queries_however_large(world, django_assert_num_queries):
    for number in range(5):
        charger = world.asset(f"charger {number}")
        world.session(charger)
        world.meter(charger, 0)
    activation = world.activation(20_000)
    with django_assert_num_queries(5):  # PTUs, orders, members, meter values, sessions
        operations.calculate(activation, method=BaselineMethod.SESSIONS, now=LATER)


def test_months_are_those_of_the_dutch_clock():
    march = queries.month_interval(2026, 3)
    assert march.starts_at == datetime(2026, 2, 28, 23, tzinfo=UTC)
    assert march.ends_at == datetime(2026, 3, 31, 22, tzinfo=UTC)
