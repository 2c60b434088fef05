"""Balancing energy: groups are paid what TenneT settled for what meters show."""

from datetime import timedelta
from decimal import Decimal
from functools import partial

import pytest

from aggregator.core.ptu import PTU, day_interval, ptu_number
from assets.models import AssetKind
from bidding.models import Activation, Direction
from settlement.balancing.operations import keep
from settlement.balancing.prices import NotPriced
from settlement.balancing.reading import days_with_balancing
from settlement.delivery import operations
from settlement.models import Delivery, DeliveryPtu
from settlement.statements.operations import issue_statement
from tests.balancing_settlements import DAY, settled_day
from tests.integration.settlement.balancing_side import balancing_activation
from tests.integration.settlement.conftest import WINDOW_START, ptu_values
from tests.integration.settlement.test_rounds import due
from tests.integration.settlement.test_statements import lines
from tests.waiting import in_turn

FIRST = ptu_number(WINDOW_START) - 1
NEXT_MORNING = day_interval(DAY).ends_at + timedelta(hours=10)
UP = {"reduce": (Decimal("0.002500"), Decimal("80.00"))}
DOWN = {"increase": (Decimal("0.001000"), Decimal("20.00"))}


def told(at=NEXT_MORNING, **day):
    return keep(settled=settled_day(**day), asked_at=at, now=at)


def charging(world, *metered_wh, partner="Laadkracht"):
    """Return a charger whose car would take 10 kW, and what it took."""
    charger = world.asset(f"charger of {partner}", partner=partner)
    world.session(charger)
    world.meter(charger, *metered_wh)
    return charger


def test_what_was_asked_waits_for_tennets_prices_however_long(world):
    charging(world, 0)
    activation = balancing_activation(world.ean, 10_000, start=WINDOW_START)
    world.activation(10_000, reference="redispatch")
    assert due(NEXT_MORNING + timedelta(days=30)) == ["redispatch"]
    with pytest.raises(NotPriced, match="TenneT has not settled 14 January 2026 yet"):
        operations.settle(activation_id=activation.pk, now=NEXT_MORNING)
    told(asked={FIRST: UP})
    assert activation.reference in due(NEXT_MORNING)


def test_the_settlement_of_another_day_prices_nothing(world):
    start = day_interval(DAY).starts_at  # still the day before in UTC
    activation = balancing_activation(world.ean, 10_000, start=start)
    told(day=DAY - timedelta(days=1))
    assert due(NEXT_MORNING) == []
    told(day=DAY)
    assert due(NEXT_MORNING) == [activation.reference]


def test_a_group_is_paid_each_quarter_hours_price_for_what_meters_show(world):
    # given 10 kW asked in three quarter hours, of which 2,500, 1,000 and no Wh were delivered: 0.25, 0.03 and 0.00 EUR
    charging(world, 0, 1_500, 2_500)
    activation = balancing_activation(world.ean, 10_000, 10_000, 10_000, start=WINDOW_START)
    prices = {FIRST + number: {"reduce": (Decimal(1), Decimal(price))} for number, price in enumerate((100, 30, 9_999))}
    told(asked=prices)
    (delivery,) = operations.settle_due(now=NEXT_MORNING)
    assert delivery.delivered_wh == 3_500
    assert ptu_values(delivery, "price_eur_per_mwh") == [(Decimal(100),), (Decimal(30),), (Decimal(9_999),)]
    assert issue_statement(interval=day_interval(DAY), now=NEXT_MORNING).total_eur == Decimal("0.28")
    activation.refresh_from_db()
    assert activation.status == Activation.Status.SETTLED


def test_each_partner_of_a_group_has_the_price_of_the_quarter_hours_its_own_cars_delivered_in(world):
    # given 2,500 Wh of one partner at 400 EUR/MWh, then as much of another at -80: 1.00 EUR and -0.20 EUR
    charging(world, 0, 2_500)
    charging(world, 2_500, 0, partner="Deelauto")
    balancing_activation(world.ean, 10_000, 10_000, start=WINDOW_START)
    prices = {FIRST: "400.00", FIRST + 1: "-80.00"}
    told(asked={number: {"reduce": (Decimal("0.0025"), Decimal(price))} for number, price in prices.items()})
    operations.settle_due(now=NEXT_MORNING)
    statement = issue_statement(interval=day_interval(DAY), now=NEXT_MORNING)
    # then 70 % of either is its partner's
    assert lines(statement) == [("Laadkracht", 2_500, "0.70"), ("Deelauto", 2_500, "-0.14"), (None, 0, "0.24")]
    [day] = days_with_balancing(DAY, DAY)
    assert (day.money.groups_receive_eur, day.money.groups_pay_eur) == (Decimal("1.00"), Decimal("0.20"))
    assert statement.total_eur == day.money.amount_eur == Decimal("0.80")


@pytest.mark.parametrize(("price", "paid"), [("20.00", "-20.00"), ("-30.00", "30.00"), ("0.00", "0.00")])
def test_consuming_more_is_paid_by_us_at_a_price_above_zero(world, price, paid):
    charging(world, 3_500)
    balancing_activation(world.ean, 4_000, start=WINDOW_START, direction=Direction.INCREASE)
    told(asked={FIRST: {"increase": (Decimal("0.001"), Decimal(price))}})
    (delivery,) = operations.settle_due(now=NEXT_MORNING)
    assert (delivery.delivered_wh, ptu_values(delivery, "price_eur_per_mwh")) == (1_000, [(Decimal(paid),)])
    statement = issue_statement(interval=day_interval(DAY), now=NEXT_MORNING)
    assert statement.total_eur == (Decimal(paid) / 1_000).quantize(Decimal("0.01"))


def test_a_price_below_zero_for_consuming_less_is_paid_by_the_group(world):
    charging(world, 0)
    balancing_activation(world.ean, 10_000, start=WINDOW_START)
    told(asked={FIRST: {"reduce": (Decimal("0.0025"), Decimal("-400.00"))}})
    operations.settle_due(now=NEXT_MORNING)
    statement = issue_statement(interval=day_interval(DAY), now=NEXT_MORNING)
    assert statement.total_eur == Decimal("-1.00")
    assert sorted(statement.lines.values_list("partner__name", "amount_eur"), key=str) == [
        ("Laadkracht", Decimal("-0.70")),
        (None, Decimal("-0.30")),
    ]


def test_both_directions_of_a_day_have_their_own_prices(world):
    charging(world, 0, 3_500)
    up = balancing_activation(world.ean, 10_000, start=WINDOW_START)
    down = balancing_activation(world.ean, 4_000, start=WINDOW_START + PTU, direction=Direction.INCREASE)
    told(asked={FIRST: UP | DOWN, FIRST + 1: UP | DOWN})
    operations.settle_due(now=NEXT_MORNING)
    prices = dict(DeliveryPtu.objects.values_list("delivery__activation__reference", "price_eur_per_mwh"))
    assert prices == {up.reference: Decimal("80.00"), down.reference: Decimal("-20.00")}


def test_a_corrected_settlement_makes_a_new_delivery_once(world):
    charging(world, 0)
    activation = balancing_activation(world.ean, 10_000, start=WINDOW_START)
    told(asked={FIRST: UP}, is_final=False)
    (first,) = operations.settle_due(now=NEXT_MORNING + timedelta(hours=1))
    assert due(NEXT_MORNING + timedelta(hours=1)) == []
    corrected_at = NEXT_MORNING + timedelta(days=3)
    told(corrected_at, asked={FIRST: {"reduce": (Decimal("0.0025"), Decimal("90.00"))}})
    assert due(corrected_at) == [activation.reference]
    (second,) = operations.settle_due(now=corrected_at + timedelta(hours=1))
    assert [(one.version, ptu_values(one, "price_eur_per_mwh")) for one in (first, second)] == [
        (1, [(Decimal("80.00"),)]),
        (2, [(Decimal("90.00"),)]),
    ]
    assert due(corrected_at + timedelta(hours=2)) == []


def test_a_correction_that_leaves_the_money_of_the_whole_as_it_was_makes_a_new_delivery(world):
    charging(world, 0, 0)
    balancing_activation(world.ean, 10_000, 10_000, start=WINDOW_START)
    cheap = {"reduce": (Decimal("0.0025"), Decimal("20.00"))}
    told(asked={FIRST: UP, FIRST + 1: cheap}, is_final=False)
    operations.settle_due(now=NEXT_MORNING)
    told(NEXT_MORNING + timedelta(days=3), asked={FIRST: cheap, FIRST + 1: UP})
    (second,) = operations.settle_due(now=NEXT_MORNING + timedelta(days=3))
    assert second.version == 2


def test_a_corrected_price_at_which_nothing_was_paid_leaves_the_delivery_as_it_is(world):
    charging(world, 0, 2_500)
    balancing_activation(world.ean, 10_000, 10_000, start=WINDOW_START)
    told(asked={FIRST: UP, FIRST + 1: UP}, is_final=False)
    operations.settle_due(now=NEXT_MORNING)
    told(NEXT_MORNING + timedelta(days=3), asked={FIRST: UP, FIRST + 1: {"reduce": (Decimal(1), Decimal("90.00"))}})
    assert operations.settle_due(now=NEXT_MORNING + timedelta(days=3)) == []
    assert Delivery.objects.get().version == 1


def test_a_correction_of_another_quarter_hour_leaves_the_delivery_as_it_is(world):
    charging(world, 0)
    balancing_activation(world.ean, 10_000, start=WINDOW_START)
    told(asked={FIRST: UP}, is_final=False)
    operations.settle_due(now=NEXT_MORNING)
    told(NEXT_MORNING + timedelta(days=3), asked={FIRST: UP, FIRST + 9: UP})
    assert operations.settle_due(now=NEXT_MORNING + timedelta(days=3)) == []
    assert Delivery.objects.get().version == 1


def test_a_later_meter_value_is_paid_at_the_price_of_its_quarter_hour(world):
    charger = charging(world, 0, 2_500)
    balancing_activation(world.ean, 10_000, 10_000, start=WINDOW_START)
    told(asked={FIRST: UP, FIRST + 1: {"reduce": (Decimal("0.0025"), Decimal("20.00"))}})
    operations.settle_due(now=NEXT_MORNING)
    later = NEXT_MORNING + timedelta(days=1)
    world.meter(charger, 0, start=WINDOW_START + PTU, revision=1, known_at=later)
    (second,) = operations.settle_due(now=later)
    assert (second.version, second.delivered_wh) == (2, 5_000)
    # then 2,500 Wh at 80 and as much at 20 EUR/MWh
    assert issue_statement(interval=day_interval(DAY), now=later).total_eur == Decimal("0.25")


def test_days_on_which_nothing_was_asked_are_like_days_of_heat_pumps(world):
    heat_pump = world.asset("heat pump", kind=AssetKind.HEAT_PUMP)
    for days, ordered_w in ((1, 0), (2, 8_000)):
        start = WINDOW_START - timedelta(days=days)
        balancing_activation(world.ean, ordered_w, start=start)
        world.meter(heat_pump, 1_000 * days, start=start)
    activation = world.activation(20_000)
    world.meter(heat_pump, 0)
    delivery = operations.settle(activation_id=activation.pk, now=NEXT_MORNING)
    assert delivery.delivered_wh == 1_000


@pytest.mark.django_db(transaction=True)
def test_of_two_workers_settling_at_once_the_second_waits_and_finds_it_priced(world):
    charging(world, 0)
    activation = balancing_activation(world.ean, 10_000, start=WINDOW_START)
    told(asked={FIRST: UP})
    settle = partial(operations.settle, activation_id=activation.pk, now=NEXT_MORNING)
    assert in_turn(settle, settle) is None
    assert Delivery.objects.get().version == 1
