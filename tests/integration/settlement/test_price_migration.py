"""Deliveries of before the price was that of a quarter hour keep their money, there and on the way back."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from aggregator.core.ptu import PTU, day_interval
from settlement.delivery.operations import settle
from settlement.models import Delivery, DeliveryPtu
from settlement.queries import month_interval
from settlement.statements.operations import issue_statement
from tests.balancing_settlements import DAY
from tests.integration.settlement.conftest import WINDOW_START, make_world, ptu_values

BEFORE = ("settlement", "0004_balancing_settlements")
MEAN = Decimal("46.66666667")
NOW = WINDOW_START + timedelta(days=20)


def migrate(*targets):
    """Return the models of then."""
    executor = MigrationExecutor(connection)
    return executor.migrate(targets or executor.loader.graph.leaf_nodes()).apps


@pytest.mark.django_db(transaction=True)
def test_a_delivery_keeps_its_money_when_the_price_becomes_that_of_its_quarter_hours_and_back():
    # given 1,000 Wh at 80 EUR/MWh, 500 at -20 and none, and a delivery of nothing at all
    world = make_world()
    charger = world.asset("charger")
    world.session(charger)
    world.meter(charger, 1_500, 2_000, 2_500, 2_500)
    paid = settle(activation_id=world.activation(10_000, 10_000, 10_000).pk, now=NOW)
    idle_activation = world.activation(10_000, reference="idle", start=WINDOW_START + 3 * PTU)
    idle = settle(activation_id=idle_activation.pk, now=NOW)
    for number, price in enumerate(("80", "-20", "9999")):
        paid.ptus.filter(ptu_start=WINDOW_START + number * PTU).update(price_eur_per_mwh=Decimal(price))
    total_eur = issue_statement(interval=day_interval(DAY), now=NOW).total_eur
    assert total_eur == Decimal("0.07")

    try:
        # when we go back
        then = migrate(BEFORE).get_model("settlement", "Delivery")
        prices = dict(then.objects.values_list("pk", "price_eur_per_mwh"))
        assert prices == {paid.pk: MEAN, idle.pk: Decimal("180.00")}
        # and forward again with a price of then
        then.objects.filter(pk=idle.pk).update(price_eur_per_mwh=Decimal("-15000.12345678"))
    finally:
        migrate()

    assert ptu_values(Delivery.objects.get(pk=paid.pk), "price_eur_per_mwh") == [(MEAN,)] * 3
    assert DeliveryPtu.objects.get(delivery=idle).price_eur_per_mwh == Decimal("-15000.12345678")
    assert issue_statement(interval=month_interval(2026, 1), now=NOW).total_eur == total_eur
