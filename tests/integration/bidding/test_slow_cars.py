"""Cars that take 7.4 kW of chargers rated 11 kW: what they bring is told and counted as what they would have taken."""

from datetime import timedelta
from decimal import Decimal

import pytest

from aggregator.core.interval import Interval
from assets.models import AssetState, ChargingSession, MeterInterval, SetpointBatch
from assets.models import Setpoint as ToldSetpoint
from bidding.dispatch.allocation.release import need_h
from bidding.dispatch.balancing.measuring import measure
from bidding.dispatch.balancing.orders import give_orders
from bidding.dispatch.balancing.runs import keep_runs
from bidding.dispatch.balancing.signals import note_setpoint
from bidding.dispatch.operations import run_activation
from bidding.dispatch.situation import plugs_at
from bidding.markets.afrr.real_time import Setpoint
from bidding.models import Activation
from bidding.portfolio import group_at
from tests.integration.bidding.balancing_side import MINUTE, MW, PART_W, PTU, make_bid
from tests.integration.bidding.evening import BEFORE, STARTS_AT, asked_w

SLOW_W = 7_400
METERED = [STARTS_AT - 4 * PTU, STARTS_AT - 3 * PTU, STARTS_AT - 2 * PTU]


@pytest.fixture
def slow(fleet):
    """The fleet with cars that came an hour ago and have taken 7.4 kW since."""
    cars = fleet[:-1]
    ChargingSession.objects.filter(plug_out_at=None).update(plug_in_at=METERED[0])
    MeterInterval.objects.all().delete()
    MeterInterval.objects.bulk_create(
        MeterInterval(asset=car, starts_at=at, import_wh=SLOW_W // 4, known_at=at + PTU)
        for car in cars
        for at in METERED
    )
    return fleet


def charge(fleet, now):
    """Let all take what they are told, cars no more than they can; return by how much less than without us [W]."""
    told, moved_w = asked_w(now), 0
    for asset in fleet:
        usual_w = 0 if asset.kind == "battery" else SLOW_W
        power_w = min(told.get(asset.pk, usual_w), usual_w)
        AssetState.objects.filter(asset=asset).update(at=now, power_w=power_w)
        moved_w += usual_w - power_w
    return moved_w


def seen(group):
    return plugs_at(
        group=group_at(aggregation_ean=group, instant=BEFORE),
        remaining=Interval(STARTS_AT, STARTS_AT + 4 * PTU), now=BEFORE, ignored_asset_ids=(),
    ).view  # fmt: skip


def takes_kw(group):
    return seen(group).takes_kw.tolist()


def test_tennet_is_told_what_slow_cars_would_have_taken_and_no_more(group, slow):
    make_bid(STARTS_AT, {group: PART_W})
    keep_runs(now=STARTS_AT - MINUTE)
    for number in range(3):
        now = STARTS_AT + number * MINUTE
        moved_w = charge(slow, now)
        note_setpoint(Setpoint(number, now, Decimal(PART_W) / MW, is_valid=True), longest_age=timedelta(seconds=70))
        rows = give_orders(delta_w=-PART_W, now=now).rows
        if number < 2:
            run_activation(activation_id=Activation.objects.get().pk, now=now)

    told = measure(rows, now=now)

    assert told.reference_w - told.measured_w == pytest.approx(moved_w, abs=100)
    assert moved_w == pytest.approx(PART_W, abs=SLOW_W)


def test_dispatch_counts_of_an_order_what_slow_cars_gave(activation, slow):
    run_activation(activation_id=activation.pk, now=BEFORE)
    assert SLOW_W not in asked_w().values()  # who is left alone is not held to what it takes
    now = STARTS_AT + 3 * MINUTE
    moved_w = charge(slow, now)
    run_activation(activation_id=activation.pk, now=now)

    assert moved_w >= 100_000
    assert activation.samples.get().delivered_w == pytest.approx(moved_w, abs=100)


def test_a_slow_car_needs_longer(group, slow):
    ChargingSession.objects.filter(plug_out_at=None).update(declared_energy_wh=20_000)
    view = seen(group)
    assert need_h(view).tolist() == pytest.approx((view.left_kwh / 7.4).tolist())


def test_an_estimate_shows_no_car_to_be_slow(group, slow):
    assert takes_kw(group) == pytest.approx([7.4] * 20)
    MeterInterval.objects.update(quality="estimated")
    assert takes_kw(group) == [11.0] * 20


def test_what_is_metered_too_late_shows_no_car_to_be_slow(group, slow):
    MeterInterval.objects.filter(starts_at=METERED[1]).delete()
    assert takes_kw(group) == [11.0] * 20


def test_what_a_car_took_while_it_was_held_shows_nothing(group, slow):
    batch = SetpointBatch.objects.create(
        partner=slow[0].partner, aggregation_ean=group, reason="a trial", revision=1, created_at=METERED[0]
    )
    ToldSetpoint.objects.create(
        batch=batch, asset=slow[0], starts_at=METERED[0], ends_at=STARTS_AT, power_w=[SLOW_W] * 4
    )
    assert sorted(takes_kw(group)) == pytest.approx([7.4] * 19 + [11.0])
