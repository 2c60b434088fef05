"""Settling orders of one group that run at the same time: what moved is paid for once."""

import pytest
from django.db.models import Sum

from aggregator.core.ptu import PTU
from assets.models import AssetKind
from bidding.models import Activation, Direction
from settlement.delivery import operations
from settlement.models import DeliveryShare
from tests.integration.settlement.conftest import LATER, WINDOW_START, ptu_values


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
