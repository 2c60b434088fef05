"""The one place where setpoints leave: limits of connection, partner, group and fleet, also for two at once."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from aggregator.core.models import OutboxMessage
from assets.control.operations import PlannedSetpoint, SetpointRefused, send_setpoints
from assets.models import Setpoint, SteeringLimit
from assets.operations import resume_partner, stop_partner
from tests.field_side import (
    GROUP_EAN,
    NOW,
    at,
    battery,
    charger,
    enrol,
    make_area,
    make_assets,
    make_group,
    make_partner,
)
from tests.waiting import in_turn

CONNECTION = "871685900012636543"


@pytest.fixture
def cars(partner, group):
    cars = make_assets(partner, [charger(f"c{number}", connection_ean=CONNECTION) for number in range(10)])
    enrol(group, cars)
    return cars


def send(assets, power_w=(0,), start="17:00", now=NOW, order="order-1", revision=1, early_s=0):
    ends_at = at(start) + len(power_w) * timedelta(minutes=15)
    return send_setpoints(
        now=now,
        aggregation_ean=GROUP_EAN,
        order_reference=order,
        reason="",
        revision=revision,
        plan=[PlannedSetpoint(asset.pk, at(start), ends_at, list(power_w), early_s) for asset in assets],
        deadline_at=ends_at,
    )


def limit(**fields):
    return SteeringLimit.objects.create(reason="test", **fields)


def test_a_fleet_cap_counts_what_stands_already(cars):
    limit(max_moved_w=55_000)
    send(cars[:3])
    with pytest.raises(SetpointRefused, match=r"fleet would be moved by 66.0 kW; at most 55.0 kW"):
        send(cars[3:6], order="order-2")
    assert Setpoint.objects.count() == 3
    send(cars[3:5], order="order-2")


def test_a_cap_counts_an_asset_once_however_often_it_is_told(cars):
    limit(max_moved_w=55_000)
    send(cars[:5])
    send(cars[:5], power_w=[1_380], revision=2)
    send(cars[:5], power_w=[0], revision=3)


def test_a_cap_that_was_lowered_does_not_keep_assets_from_going_back(cars):
    send(cars)
    limit(max_moved_w=11_000)
    send(cars, power_w=[5_000], revision=2)
    send(cars, power_w=[11_000], revision=3)


@pytest.mark.parametrize("scope", ["partner", "group", "connection"])
def test_every_scope_has_caps_of_its_own(cars, partner, group, scope):
    fields = {"partner": partner} if scope == "partner" else {"aggregation_ean": group}
    limit(max_moved_w=20_000, **({"connection_ean": CONNECTION} if scope == "connection" else fields))
    with pytest.raises(SetpointRefused, match=rf"{scope} .* would be moved by 22.0 kW"):
        send(cars[:2])
    send(cars[:1])


def test_a_cap_of_another_partner_is_none_of_ours(cars, other_partner):
    limit(max_moved_w=0, partner=other_partner)
    send(cars)


def test_a_step_is_capped_and_so_is_the_slope_over_the_ramp(cars):
    limit(max_step_w=100_000, max_ramp_w_per_minute=22_000, ramp_seconds=120)
    with pytest.raises(SetpointRefused, match=r"would change by 55.0 kW at once; at most 44.0 kW"):
        send(cars[:5], early_s=60)
    send(cars[:4], early_s=60)
    with pytest.raises(SetpointRefused, match="at once"):
        send(cars[4:9], revision=2, early_s=60)
    send(cars[:4], power_w=[11_000], revision=2)  # going back is not a step


def test_who_starts_at_once_has_the_room_of_one_minute_whatever_the_ramp(cars):
    limit(max_step_w=100_000, max_ramp_w_per_minute=22_000, ramp_seconds=120)
    with pytest.raises(SetpointRefused, match=r"would change by 33.0 kW at once; at most 22.0 kW"):
        send(cars[:3])
    send(cars[:2])


def test_a_change_inside_a_plan_is_a_step_too_unless_it_goes_back(cars):
    limit(max_step_w=22_000)
    with pytest.raises(SetpointRefused, match=r"change by 33.0 kW at once; at most 22.0 kW .* at 2026-01-14 18:15"):
        send(cars[:3], power_w=[11_000, 0])
    send(cars[:2], power_w=[11_000, 0, 11_000])


def test_an_asset_is_not_turned_to_and_fro(cars):
    limit(max_reversals_per_hour=2)
    for revision, power_w in enumerate([0, 5_000, 0], 1):
        send(cars[:1], power_w=[power_w], revision=revision, now=NOW + timedelta(minutes=revision))
    with pytest.raises(SetpointRefused, match="turned round too often") as refused:
        send(cars[:2], power_w=[5_000], revision=4, now=NOW + timedelta(minutes=4))
    assert [refusal.asset_id for refusal in refused.value.refusals] == [cars[0].pk]
    send(cars[:1], power_w=[11_000], revision=4, now=NOW + timedelta(minutes=4))  # left alone: always


def test_to_rest_after_feeding_in_is_no_turn_too_many(partner, group):
    [car] = make_assets(partner, [charger("v", kind="v2g_charger", max_export_w=11_000)])
    enrol(group, [car])
    limit(max_reversals_per_hour=0)
    send([car], power_w=[-11_000])
    with pytest.raises(SetpointRefused, match="turned round too often"):
        send([car], power_w=[5_000], revision=2)
    send([car], power_w=[0], revision=2)


def test_an_hour_later_it_may_turn_again(cars):
    limit(max_reversals_per_hour=2)
    for revision, power_w in enumerate([0, 5_000, 0], 1):
        send(cars[:1], power_w=[power_w], start="18:30", revision=revision)
    send(cars[:1], power_w=[5_000], start="18:30", revision=4, now=NOW + timedelta(minutes=61))


@pytest.mark.parametrize("power_w", [[-10_000] * 3, [40_000] * 3])
def test_feeding_in_and_charging_a_battery_carry_a_time_to_live(partner, group, power_w):
    [store] = make_assets(partner, [battery("b")])
    enrol(group, [store])
    send([store], power_w=power_w)
    assert Setpoint.objects.get().ttl_s == 1_800


def test_no_code_stores_feeding_in_without_a_time_to_live(partner, group):
    [store] = make_assets(partner, [battery("b")])
    enrol(group, [store])
    send([store], power_w=[-10_000])
    with pytest.raises(IntegrityError, match="feeding_in_has_a_time_to_live"):
        Setpoint.objects.update(ttl_s=None)


def test_what_lapsed_is_a_step_again(partner, group):
    [store] = make_assets(partner, [battery("b")])
    enrol(group, [store])
    limit(max_step_w=50_000)
    send([store], power_w=[-50_000] * 4, start="16:15")
    SteeringLimit.objects.update(max_step_w=40_000)
    send([store], power_w=[-50_000] * 4, start="16:30", revision=2)  # no further out than it stands
    with pytest.raises(SetpointRefused, match=r"at most 40\.0 kW"):
        send([store], power_w=[-50_000], start="17:15", revision=3)


def test_what_a_kill_switch_withdrew_is_a_step_again_and_counts_as_moved_to_its_end(cars, partner):
    limit(max_step_w=44_000, max_moved_w=66_000)
    send(cars[:4])
    SteeringLimit.objects.update(max_step_w=33_000)
    stop_partner(partner_id=partner.pk, reason="odd switching seen", now=NOW)
    resume_partner(partner_id=partner.pk, reason="explained", now=NOW)
    with pytest.raises(SetpointRefused, match=r"would change by 44.0 kW at once; at most 33.0 kW"):
        send(cars[:4], revision=2)
    with pytest.raises(SetpointRefused, match=r"would be moved by 77.0 kW; at most 66.0 kW"):
        send(cars[4:7], revision=2)
    send(cars[:3], revision=2)


def test_the_fleet_has_safe_limits_when_nobody_set_any(partner, group):
    [giant] = make_assets(partner, [charger("giant", max_import_w=20_000_001)])
    enrol(group, [giant])
    with pytest.raises(SetpointRefused, match=r"at most 20,000\.0 kW"):
        send([giant], early_s=60)


def test_a_scope_has_one_row(db, partner, group):
    limit(max_moved_w=1)
    with pytest.raises(IntegrityError), transaction.atomic():
        limit(max_moved_w=2)
    with pytest.raises(IntegrityError), transaction.atomic():
        limit(max_moved_w=2, partner=partner, aggregation_ean=group)


@pytest.mark.django_db(transaction=True)
def test_two_workers_cannot_pass_a_cap_together():
    group = make_group(make_area())
    fleets = [make_assets(make_partner(name), [charger(f"{name}{n}") for n in range(5)]) for name in ("a", "b")]
    for fleet in fleets:
        enrol(group, fleet)
    limit(max_moved_w=60_000)

    with pytest.raises(SetpointRefused, match=r"at most 60.0 kW"):
        in_turn(lambda: send(fleets[0], order="order-0"), lambda: send(fleets[1], order="order-1"))

    assert Setpoint.objects.count() == 5


@pytest.fixture
def pushed_car(transactional_db):
    [car] = make_assets(make_partner("Pushed", callback_url="https://cpo.example/setpoints"), [charger("c")])
    enrol(make_group(make_area()), [car])
    return car


def stop(car):
    stop_partner(partner_id=car.partner_id, reason="odd switching seen", now=NOW)


def test_the_kill_switch_waits_for_setpoints_that_are_leaving_and_withdraws_them(pushed_car):
    in_turn(lambda: send([pushed_car]), lambda: stop(pushed_car))

    assert OutboxMessage.objects.get().dead_at == NOW


def test_setpoints_wait_for_a_kill_switch_that_is_being_thrown_and_are_refused(pushed_car):
    with pytest.raises(SetpointRefused, match="is stopped or inactive"):
        in_turn(lambda: stop(pushed_car), lambda: send([pushed_car]))

    assert not OutboxMessage.objects.exists()


def test_plans_for_one_moment_share_the_room_for_a_step(cars):
    limit(max_step_w=55_000)
    send(cars[:4])
    with pytest.raises(SetpointRefused, match=r"fleet would change by 66.0 kW at once; at most 55.0 kW"):
        send(cars[4:6], order="order-2", now=NOW + timedelta(minutes=1))
    send(cars[4:5], order="order-2", now=NOW + timedelta(minutes=2))
    send(cars[5:9], order="order-3", start="17:15", now=NOW + timedelta(minutes=3))  # another moment, a step of its own


@pytest.fixture
def car_park(partner, group):
    """Four V2G cars and a battery behind one connection, and a car behind none that is known."""
    rows = [charger(f"v{n}", kind="v2g_charger", max_export_w=11_000, connection_ean=CONNECTION) for n in range(4)]
    elsewhere = charger("elsewhere", kind="v2g_charger", max_export_w=11_000)
    assets = make_assets(partner, [*rows, battery("b", connection_ean=CONNECTION), elsewhere])
    enrol(group, assets)
    return assets


def test_no_more_is_fed_in_than_a_connection_carries_whatever_the_order(car_park):
    limit(connection_ean=CONNECTION, max_export_w=30_000)
    with pytest.raises(SetpointRefused, match=r"33.0 kW would be fed in; at most 30.0 kW") as refused:
        send([*car_park[:3], car_park[-1]], power_w=[-11_000])
    assert {refusal.asset_id for refusal in refused.value.refusals} == {car.pk for car in car_park[:3]}
    send([*car_park[:2], car_park[-1]], power_w=[-11_000])
    with pytest.raises(SetpointRefused, match=r"33.0 kW would be fed in; at most 30.0 kW"):
        send(car_park[2:3], power_w=[-11_000], order="order-2")
    send(car_park[2:3], power_w=[-8_000], order="order-2")
    send(car_park[3:4], power_w=[0], order="order-3")  # a ceiling feeds nothing in
    send(car_park[3:5], power_w=[-11_000], start="17:15", order="order-4")  # the others are through by then


def test_a_battery_is_charged_with_what_the_cars_beside_it_leave_of_a_connection(car_park):
    limit(connection_ean=CONNECTION, max_import_w=100_000)
    store = car_park[4:5]
    with pytest.raises(SetpointRefused, match=r"charged with 57.0 kW; at most 56.0 kW is left beside"):
        send(store, power_w=[57_000])
    send(store, power_w=[56_000])
    send(store, power_w=[-100_000], revision=2)  # the limit is on what it takes
    send(car_park[:4], power_w=[5_000], order="order-2")
    send(car_park[:4], power_w=[11_000], order="order-2", revision=2)  # left alone: always


def test_what_lapsed_leaves_its_room_and_what_was_withdrawn_takes_it_to_the_end(car_park, partner):
    limit(connection_ean=CONNECTION, max_export_w=11_000)
    send(car_park[:1], power_w=[-11_000] * 4, start="16:15")
    stop_partner(partner_id=partner.pk, reason="odd switching seen", now=NOW)
    resume_partner(partner_id=partner.pk, reason="explained", now=NOW)
    with pytest.raises(SetpointRefused, match=r"22.0 kW would be fed in"):
        send(car_park[1:2], power_w=[-11_000], start="16:30", order="order-2")
    send(car_park[1:2], power_w=[-11_000], start="16:45", order="order-2")


def test_a_limit_of_a_connection_that_was_lowered_keeps_nobody_from_going_back(car_park):
    send(car_park[:2], power_w=[-11_000])
    limit(connection_ean=CONNECTION, max_export_w=0)
    send(car_park[:2], power_w=[-5_000], revision=2)
    with pytest.raises(SetpointRefused, match=r"12.0 kW would be fed in; at most 0.0 kW") as refused:
        send(car_park[:2], power_w=[-6_000], revision=3)
    assert len(refused.value.refusals) == 2
    send(car_park[:2], power_w=[0], revision=3)


@pytest.mark.django_db(transaction=True)
def test_two_workers_cannot_fill_a_connection_twice():
    group = make_group(make_area())
    row = {"kind": "v2g_charger", "max_export_w": 11_000, "connection_ean": CONNECTION}
    cars = [make_assets(make_partner(name), [charger(name, **row)]) for name in ("a", "b")]
    enrol(group, [cars[0][0], cars[1][0]])
    limit(connection_ean=CONNECTION, max_export_w=11_000)

    with pytest.raises(SetpointRefused, match=r"22.0 kW would be fed in"):
        in_turn(
            lambda: send(cars[0], power_w=[-11_000], order="order-0"),
            lambda: send(cars[1], power_w=[-11_000], order="order-1"),
        )

    assert Setpoint.objects.count() == 1


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ({"max_export_w": 0}, "only_a_connection_carries_power"),
        ({"max_import_w": 100_000}, "only_a_connection_carries_power"),
        ({"max_import_w": 100, "connection_ean": CONNECTION}, "connection_limits_are_in_watts"),
        ({"max_import_w": 0, "connection_ean": CONNECTION}, "connection_limits_are_in_watts"),
        ({"max_export_w": 50, "connection_ean": CONNECTION}, "connection_limits_are_in_watts"),
        ({"max_export_w": 0, "connection_ean": "87168590001263654"}, "limited_connection_is_18_digits"),
        ({"max_export_w": 0, "connection_ean": "site Overvecht"}, "limited_connection_is_18_digits"),
    ],
)
def test_what_a_connection_carries_is_of_a_connection_and_in_watts(db, fields, rule):
    with pytest.raises(IntegrityError, match=rule):
        limit(**fields)
