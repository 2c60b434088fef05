"""Settling an activation on meter values, sessions and history."""

from datetime import date, timedelta
from decimal import Decimal

import pytest

from aggregator.core.models import AuditEvent
from aggregator.core.ptu import PTU, day_interval, ptus_of_day
from assets.models import AssetKind, Membership
from bidding.models import Activation, Direction
from settlement.delivery import operations
from settlement.delivery.baselines import BaselineMethod, NominationMissing
from settlement.models import Delivery, DeliveryShare
from tests.integration.settlement.conftest import LATER, WINDOW_START, ptu_values


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
    assert ptu_values(delivery, "price_eur_per_mwh") == [(Decimal("180.00"),)] * 2
    assert delivery.partner_share == Decimal("0.7000")
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


def test_reading_a_group_takes_the_same_number_of_queries_however_large(world, django_assert_num_queries):
    for number in range(5):
        charger = world.asset(f"charger {number}")
        world.session(charger)
        world.meter(charger, 0)
    activation = world.activation(20_000)
    with django_assert_num_queries(5):  # PTUs, orders, members, meter values, sessions
        operations.calculate(activation, method=BaselineMethod.SESSIONS, now=LATER)
