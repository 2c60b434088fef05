"""Under a called limit: cars that were held take their energy within the room that is left, and no more."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User

from assets import operations as portfolio
from assets.models import AssetState, ChargingSession, MeterInterval, Setpoint
from bidding.dispatch.acts import hold_activation, resume_activation
from bidding.dispatch.operations import run_activation
from bidding.models import ActivationSample, DispatchAlarm, Duty, LedgerEntry
from bidding.uftp.demands import Demand
from tests import called_contracts
from tests.integration.bidding.evening import asked_w
from tests.integration.bidding.limited_group import (
    BEFORE,
    MINUTE,
    PTU,
    STARTS_AT,
    call_limit,
    come,
    make_chargers,
    remember_arrivals,
)

LIMIT_W = 60_000  # five cars of 11 kW
WANTED_WH, TAKEN_WH = 22_000, 5_500


@pytest.fixture
def cars(group):
    portfolio.maintain_partitions(now=STARTS_AT)
    return make_chargers(group)


def wait(cars, *, came_at, soon=5, soon_h=4.5, **told):
    """Have cars come that took 5.5 of 22 kWh in half an hour; five leave in 4.5 hours. Return what is left."""
    for number, car in enumerate(cars):
        remember_arrivals(car, came_at)
        leaves_at = STARTS_AT + timedelta(hours=soon_h if number < soon else 14)
        come(car, came_at, declared_energy_wh=WANTED_WH, declared_departure_at=leaves_at, **told)
        for ptu in range(2):
            meter(car, came_at + ptu * PTU, TAKEN_WH / 2)
    return dict.fromkeys((car.pk for car in cars), WANTED_WH - TAKEN_WH)


def meter(car, starts_at, net_wh):
    import_wh, export_wh = max(round(net_wh), 0), max(-round(net_wh), 0)
    MeterInterval.objects.create(
        asset=car, starts_at=starts_at, import_wh=import_wh, export_wh=export_wh, known_at=starts_at + PTU
    )


def leave(cars, *, at):
    ChargingSession.objects.filter(asset__in=cars, plug_out_at=None).update(plug_out_at=at, known_at=at)
    AssetState.objects.filter(asset__in=cars).update(at=at, power_w=0, is_plugged_in=False)


def charge(activation, cars, left_wh, *, ptu, each=5, disobey=(), is_steered=True):
    """Have cars charge as they are told for a quarter hour, or till they are full, with a look `each` so many minutes.

    Without `is_steered` none of our processes lives.

    Return the mean power of all.
    """
    start, took_wh = STARTS_AT + ptu * PTU, dict.fromkeys(left_wh, 0)
    for minute in range(0, 15, each):
        now = start + minute * MINUTE
        told = _held_beyond_w(now) | asked_w(now)
        for pk, left in left_wh.items():
            may_w = 11_000 if pk in disobey else told.get(pk, 11_000)
            power_w = min(may_w, left * 60 / each)
            took_wh[pk] += power_w * each / 60
            left_wh[pk] -= power_w * each / 60
            AssetState.objects.filter(asset_id=pk).update(at=now, power_w=round(power_w))
        if is_steered:
            run_activation(activation_id=activation.pk, now=now + timedelta(seconds=5))
    for car in cars:
        if car.pk in took_wh:
            meter(car, start, took_wh[car.pk])
    return 4 * sum(took_wh.values())


def _held_beyond_w(now):
    """Return what assets go on with whose last quarter hour is over, for some seconds."""
    over = Setpoint.objects.filter(ends_at__gt=now - PTU, ends_at__lte=now).order_by("batch__revision")
    return {one.asset_id: one.power_w[-1] for one in over if one.ends_at + timedelta(seconds=one.end_late_s) > now}


def test_room_under_a_long_limit_goes_to_cars_that_want_energy_the_least_spare_time_first(group, cars):
    left_wh = wait(cars, came_at=STARTS_AT - 2 * PTU)
    activation = call_limit(group, hours=4, max_import_w=LIMIT_W)
    run_activation(activation_id=activation.pk, now=BEFORE)

    powers_w = [charge(activation, cars, left_wh, ptu=ptu) for ptu in range(16)]

    assert max(powers_w) <= LIMIT_W
    ordered_w = list(activation.ptus.order_by("ptu_start").values_list("ordered_w", flat=True))
    assert ordered_w == [160_000] * 6 + [0] * 10  # without the call all would be full after an hour and a half
    assert min(powers_w[6:]) > LIMIT_W - 11_000
    assert [round(left_wh[car.pk]) for car in cars[:5]] == [0] * 5


def test_who_leaves_before_a_long_limit_ends_waits_too_and_is_full_in_time(group, cars):
    """Held to its end they would all miss their energy; within it there is room for each."""
    left_wh = wait(cars, came_at=STARTS_AT - 2 * PTU)
    activation = call_limit(group, hours=20, max_import_w=LIMIT_W)
    run_activation(activation_id=activation.pk, now=BEFORE)

    powers_w = [charge(activation, cars, left_wh, ptu=ptu) for ptu in range(18)]
    assert [round(left_wh[car.pk]) for car in cars[:5]] == [0] * 5  # they leave now
    powers_w += [charge(activation, cars, left_wh, ptu=ptu) for ptu in range(18, 30)]

    assert max(powers_w) <= LIMIT_W
    assert {round(left) for left in left_wh.values()} == {0}
    assert not DispatchAlarm.objects.exists()


def test_v2g_cars_make_room_for_who_must_charge_and_are_full_in_time_too(group):
    """Eight cars that leave in two hours, with an hour and a half to charge, need more than the limit leaves them."""
    portfolio.maintain_partitions(now=STARTS_AT)
    cars = make_chargers(group, kind="v2g_charger", category="shared_car", max_export_w=11_000)
    left_wh = wait(cars, came_at=STARTS_AT - 2 * PTU, soon=8, soon_h=2, arrival_level_wh=20_000)
    activation = call_limit(group, hours=10, max_import_w=LIMIT_W)
    run_activation(activation_id=activation.pk, now=BEFORE)

    powers_w = [charge(activation, cars, left_wh, ptu=ptu) for ptu in range(8)]
    assert [round(left_wh.pop(car.pk)) for car in cars[:8]] == [0] * 8
    fed_in_wh = sum(MeterInterval.objects.values_list("export_wh", flat=True))
    leave(cars[:8], at=STARTS_AT + 8 * PTU)
    powers_w += [charge(activation, cars, left_wh, ptu=ptu) for ptu in range(8, 40)]

    assert max(powers_w) <= LIMIT_W
    assert fed_in_wh > 0
    assert {round(left) for left in left_wh.values()} == {0}
    assert not DispatchAlarm.objects.exists()


def test_when_we_fall_silent_under_a_long_limit_every_car_starts_in_time(group, cars):
    left_wh = wait(cars, came_at=STARTS_AT - 2 * PTU)
    activation = call_limit(group, hours=20, max_import_w=LIMIT_W)
    run_activation(activation_id=activation.pk, now=BEFORE)

    powers_w = [charge(activation, cars, left_wh, ptu=ptu) for ptu in range(4)]
    held = Setpoint.objects.filter(power_w__0=0).values_list("asset_id", flat=True)
    powers_w += [charge(activation, cars, left_wh, ptu=ptu, is_steered=False) for ptu in range(4, 18)]
    assert [round(left_wh[car.pk]) for car in cars[:5]] == [0] * 5  # they leave now
    powers_w += [charge(activation, cars, left_wh, ptu=ptu, is_steered=False) for ptu in range(18, 56)]

    assert max(powers_w[:12]) <= LIMIT_W  # as long as nobody has to start
    assert {round(left) for left in left_wh.values()} == {0}
    assert sorted(held) == sorted(car.pk for car in cars)  # each once: a hold that is long enough is not told again


def look_at(activation, told_w, *, at):
    """Look at an activation half a minute after `at`, when each car takes what it was told."""
    for pk, power_w in told_w.items():
        AssetState.objects.filter(asset_id=pk).update(at=at, power_w=power_w)
    run_activation(activation_id=activation.pk, now=at + MINUTE / 2)


def test_a_hold_that_ran_out_is_laid_to_no_car_and_one_that_is_told_anew_gets_its_time(group, cars):
    wait(cars, came_at=STARTS_AT - 2 * PTU)
    activation = call_limit(group, hours=20, max_import_w=LIMIT_W)
    run_activation(activation_id=activation.pk, now=BEFORE)
    act = {"actor": User.objects.create_user("night-shift"), "reason": "a fault"}

    hold_activation(activation_id=activation.pk, now=STARTS_AT, **act)
    ran_out_at = STARTS_AT + 12 * PTU
    told_w = dict.fromkeys((car.pk for car in cars), 11_000) | asked_w(ran_out_at)
    for number in (3, 4, 5):
        look_at(activation, told_w, at=ran_out_at + number * MINUTE)
    assert sum(told_w.values()) == 5 * 11_000
    assert not Duty.objects.exclude(failures=0, cause="").exists()

    activation.ptus.update(max_import_w=LIMIT_W / 2)
    ChargingSession.objects.update(declared_departure_at=STARTS_AT + timedelta(hours=14))  # so there is time to wait
    resume_activation(activation_id=activation.pk, now=ran_out_at + 6 * MINUTE, **act)
    for number in (6, 7, 8):
        look_at(activation, told_w, at=ran_out_at + number * MINUTE)
    assert sum(asked_w(ran_out_at).values()) < sum(told_w.values())
    assert not Duty.objects.exclude(failures=0, cause="").exists()


@pytest.fixture
def behind(cars):
    """Ten cars that would be full since long had nothing held them."""
    return wait(cars[:10], came_at=STARTS_AT - timedelta(hours=4))


def test_what_is_caught_up_is_no_shortfall(group, cars, behind):
    activation = call_limit(group, hours=1, max_import_w=LIMIT_W)
    run_activation(activation_id=activation.pk, now=BEFORE)

    powers_w = [charge(activation, cars, behind, ptu=ptu) for ptu in range(4)]
    run_activation(activation_id=activation.pk, now=STARTS_AT + timedelta(hours=1))

    assert powers_w == [55_000] * 4
    assert not DispatchAlarm.objects.exists()
    assert {sum(sample.lost_by_cause.values()) for sample in ActivationSample.objects.all()} == {0}
    activation.refresh_from_db()
    assert (activation.status, activation.shortfall_note) == ("finished", "")


def test_who_comes_while_others_catch_up_keeps_to_the_limit(group, cars, behind):
    activation = call_limit(group, hours=1, max_import_w=LIMIT_W)
    run_activation(activation_id=activation.pk, now=BEFORE)
    charge(activation, cars, behind, ptu=0)
    for car in cars[10:]:
        come(car, STARTS_AT + PTU, declared_energy_wh=WANTED_WH)
        behind[car.pk] = WANTED_WH

    powers_w = [charge(activation, cars, behind, ptu=ptu, each=1) for ptu in (1, 2)]

    assert max(powers_w) <= LIMIT_W
    assert not DispatchAlarm.objects.filter(cleared_at=None).exists()


def test_who_does_not_wait_is_made_good_within_the_quarter_hour(group, cars, behind):
    activation = call_limit(group, hours=1, max_import_w=LIMIT_W)
    run_activation(activation_id=activation.pk, now=BEFORE)
    held = [pk for pk, power_w in asked_w().items() if power_w == 0]

    power_w = charge(activation, cars, behind, ptu=0, each=1, disobey=held[:2])

    assert len(held) == 5
    assert power_w <= LIMIT_W
    assert ActivationSample.objects.order_by("at")[0].delivered_w == -77_000


def test_nobody_catches_up_at_the_cost_of_another_order(group, cars, behind):
    activation = call_limit(group, hours=1, max_import_w=LIMIT_W)
    LedgerEntry.objects.update(sellable_w=400_000)
    contract = activation.contract_call.contract
    called_contracts.call(contract, [Demand(STARTS_AT, -20_000)], now=BEFORE, reference="other")

    run_activation(activation_id=activation.pk, now=BEFORE)

    ptu = activation.ptus.earliest("ptu_start")
    assert (ptu.ordered_w, ptu.room_w, ptu.planned_w) == (0, 0, 0)


def test_a_limit_on_feeding_in_holds_no_car_back(group, cars, behind):
    activation = call_limit(group, hours=1, max_export_w=LIMIT_W)

    run_activation(activation_id=activation.pk, now=BEFORE)

    assert not [power_w for power_w in asked_w().values() if power_w < 11_000]
    ptu = activation.ptus.earliest("ptu_start")
    assert (ptu.ordered_w, ptu.room_w) == (0, -LIMIT_W)
