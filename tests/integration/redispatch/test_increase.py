"""Feed-in congestion, end to end: announced, bought, dispatched as more consumption, metered and settled."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db.models import F

from aggregator.core.interval import Interval
from aggregator.core.ptu import PTU
from assets import operations as portfolio
from assets.models import AssetState, MeterInterval, Setpoint
from bidding import tasks
from bidding.models import Activation, Bid
from settlement.models import Delivery
from settlement.statements.operations import issue_statement
from settlement.tasks import settle_due
from tests.field_side import battery, make_assets, make_partner
from tests.integration.mock_gopacs.market_process import scenario_document, utc
from tests.integration.redispatch.conftest import NOW

pytestmark = pytest.mark.django_db(transaction=True)
WINDOW = Interval(utc(16), utc(19))
PAID_EUR_PER_MWH = Decimal("-20.00")


@pytest.fixture
def batteries(group):
    """Eight depot batteries, nearly empty."""
    enrolled_at = WINDOW.starts_at - timedelta(days=40)
    rows = [battery(f"b{number}", min_level_wh=20_000, round_trip_efficiency="0.810") for number in range(8)]
    assets = make_assets(make_partner("Stadsladen"), rows)
    portfolio.enrol_assets(
        aggregation_ean=group.ean, asset_ids=[asset.pk for asset in assets], starts_at=enrolled_at, now=enrolled_at
    )
    portfolio.maintain_partitions(now=WINDOW.starts_at)
    AssetState.objects.bulk_create(AssetState(asset=asset, at=NOW, power_w=0, level_wh=20_000) for asset in assets)
    group.price_eur_per_mwh = PAID_EUR_PER_MWH
    group.save()
    return assets


def asked_w(start):
    """Return what each battery was told last for the quarter hour at `start`."""
    return {
        setpoint.asset_id: setpoint.power_w[(start - setpoint.starts_at) // PTU]
        for setpoint in Setpoint.objects.filter(starts_at__lte=start, ends_at__gt=start).order_by("batch_id", "pk")
    }


def test_more_consumption_is_bought_dispatched_metered_and_settled(field, batteries):
    document = scenario_document()
    document["announcements"][0]["congestion"] = "FEED_IN"
    document["foreign_orders"][0].update(side="SELL", price_eur_per_mwh=[-50, -50])
    field.market.set_clock(NOW)
    field.market.load(document)

    field.at(NOW)
    (order,) = field.orders()
    assert (order["orderType"], order["price"]) == ("BUY", 20.0)
    field.at(utc(15, 11))
    activation = Activation.objects.get()
    assert (activation.direction, field.bid().status) == ("increase", Bid.Status.CLEARED)
    ordered_w = field.bid().cleared_power_w
    assert ordered_w >= 300_000

    for start in WINDOW.steps(PTU):  # each is planned in the quarter hour before it, and metered after it
        field.at(start.starts_at - timedelta(minutes=8), tick=False)
        tasks.run_dispatch()
        told_w = asked_w(start.starts_at)
        assert sum(told_w.values()) >= ordered_w
        for asset in batteries:  # they do as they are told, and report it
            power_w = told_w.get(asset.pk, 0)
            MeterInterval.objects.create(
                asset=asset, starts_at=start.starts_at, import_wh=power_w // 4, known_at=start.ends_at
            )
            AssetState.objects.filter(asset=asset).update(
                at=start.ends_at, power_w=power_w, level_wh=F("level_wh") + power_w * 9 // 40
            )

    field.at(WINDOW.ends_at + timedelta(minutes=10), tick=False)
    tasks.run_dispatch()
    settle_due()

    delivery = Delivery.objects.get()
    assert (delivery.activation, delivery.completeness) == (activation, 1)
    assert set(delivery.ptus.values_list("price_eur_per_mwh", flat=True)) == {PAID_EUR_PER_MWH}
    assert delivery.delivered_wh == delivery.ordered_wh == ordered_w * 3
    activation.refresh_from_db()
    assert (activation.status, activation.is_kept) == (Activation.Status.SETTLED, True)
    day = Interval(utc(0), utc(0, day=15))
    statement = issue_statement(interval=day, now=field.now())
    assert statement.total_eur == PAID_EUR_PER_MWH * delivery.delivered_wh / 1_000_000
