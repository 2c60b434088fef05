"""A called limit, dispatched on a fleet."""

from datetime import UTC, datetime, timedelta

import pytest

from assets import operations as portfolio
from assets.models import AssetState, ChargingSession, Setpoint
from bidding.dispatch.operations import run_activation
from bidding.models import Contract
from bidding.uftp.demands import Demand
from tests import called_contracts
from tests.field_side import charger, make_assets, make_partner
from tests.integration.bidding.evening import asked_w

STARTS_AT = datetime(2026, 1, 14, 16, tzinfo=UTC)
BEFORE = STARTS_AT - timedelta(minutes=8)
PTU = timedelta(minutes=15)
CARS = 20
CAME_AT = STARTS_AT - timedelta(minutes=30)
MINUTE = timedelta(minutes=1)
LIMIT_W = 120_000


@pytest.fixture
def cars(group):
    """Twenty 11 kW chargers."""
    long_ago = STARTS_AT - timedelta(days=40)
    cars = make_assets(make_partner("Stadsladen"), [charger(f"c{n}", pausing="can_pause") for n in range(CARS)])
    portfolio.enrol_assets(
        aggregation_ean=group.ean, asset_ids=[car.pk for car in cars], starts_at=long_ago, now=long_ago
    )
    return cars


def remember_arrivals(car, at):
    """Have a car come at the time of `at` on each of the 28 days before, with much to charge."""
    ChargingSession.objects.bulk_create(
        ChargingSession(
            asset=car, external_id=f"{car.pk}-{day}", plug_in_at=at - timedelta(days=day),
            plug_out_at=at - timedelta(days=day) + timedelta(hours=14), energy_wh=50_000, max_import_w=11_000,
            known_at=at - timedelta(days=day) + timedelta(hours=14),
        )
        for day in range(1, 29)
    )  # fmt: skip


def come(car, at):
    ChargingSession.objects.create(
        asset=car, external_id=f"{car.pk}-now", plug_in_at=at, max_import_w=11_000, known_at=at
    )
    AssetState.objects.update_or_create(asset=car, defaults={"at": at, "power_w": 11_000, "is_plugged_in": True})


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
        contract = called_contracts.make_contract(
            group, contract_id="CLC-1", kind=Contract.Kind.CLC_A, power_meaning="limit", volume_w=200_000
        )
        demands = [Demand(STARTS_AT + n * PTU, max_import_w, max_import_w) for n in range(4)]
        return called_contracts.call(contract, demands, now=BEFORE)

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
