"""A quarter hour of balancing energy from sizing to statement: our tasks and follower, and TenneT over HTTP."""

from datetime import timedelta
from decimal import Decimal

import pytest

from aggregator.core.ptu import PTU, day_interval
from aggregator.core.services import clock
from assets.models import AssetState, MeterInterval, Setpoint
from assets.operations import maintain_partitions
from bidding import services, tasks
from bidding.dispatch.balancing.following import Follower
from bidding.models import Activation, BalancingHeadroom, BalancingPtu, Bid
from bidding.operations.ledger import sold_w
from settlement import tasks as settlement_tasks
from settlement.balancing.findings import findings_of
from settlement.balancing.reading import days_with_balancing
from settlement.delivery.operations import settle_due
from settlement.models import Delivery
from settlement.statements.operations import issue_statement
from tests.integration.balancing.conftest import MW, PTU_18, SIZED_AT, assets_of
from tests.integration.mock_gopacs.bsp_side import tennet_scenario

pytestmark = pytest.mark.django_db(transaction=True)

CYCLE = timedelta(seconds=4)
DAY = PTU_18.date()
NEXT_MORNING = PTU_18 + timedelta(hours=16)
CALLED = [{"at": "18:02", "mw": 2}, {"at": "18:11", "mw": 0}]


class Batteries:
    """A group of batteries that do at once as they are told, and a meter behind each."""

    def __init__(self, group) -> None:
        self.assets = list(assets_of(group).order_by("pk"))
        self.fed_in_ws = {asset.pk: 0 for asset in self.assets}
        AssetState.objects.bulk_create(
            AssetState(asset=asset, at=SIZED_AT, power_w=0, level_wh=asset.capacity_wh) for asset in self.assets
        )

    def live(self, now, seconds) -> None:
        """Do what was told last for some seconds, and show it."""
        told_w = {}
        for told in Setpoint.objects.filter(starts_at__lte=now, ends_at__gt=now).order_by("batch_id"):
            told_w[told.asset_id] = told.power_w[(now - told.starts_at) // PTU]
        for asset in self.assets:
            self.fed_in_ws[asset.pk] -= told_w.get(asset.pk, 0) * seconds
            AssetState.objects.filter(asset=asset).update(at=now, power_w=told_w.get(asset.pk, 0))

    def read_meters(self, ptu) -> None:
        maintain_partitions(now=ptu)
        MeterInterval.objects.bulk_create(
            MeterInterval(asset=asset, starts_at=ptu, import_wh=0, export_wh=fed_in_ws // 3_600, known_at=ptu + PTU)
            for asset, fed_in_ws in ((asset, self.fed_in_ws[asset.pk]) for asset in self.assets)
        )


def test_what_is_sized_is_offered_called_delivered_and_paid(field, portfolio, monkeypatch):
    field.market.load(tennet_scenario(demand=CALLED, competitors=[]))
    group = portfolio.group()
    batteries = Batteries(group)

    # A quarter hour is sized, offered, and sold to nobody else.
    tasks.size_balancing()
    field.tick()
    reliable_w = BalancingHeadroom.objects.get(ptu_start=PTU_18, direction="reduce").reliable_w
    bid = field.bids()["reduce"]
    assert (bid.ptu_start, bid.status, bid.power_w) == (PTU_18, "stands", reliable_w // MW * MW)
    assert field.merit_order()["up"] == [(bid.power_w / MW, 90.0)]
    assert sold_w(aggregation_ean=group, direction="reduce", ptus=[PTU_18]) == bid.power_w
    assert not Bid.objects.exists()

    # TenneT calls 2 MW of it for nine minutes.
    handed: list[int] = []
    follower = Follower(tennet=services.tennet(), clock=clock(), plan=handed.append)
    delivered_mw = {}
    for cycle in range(-15, 240):
        now = PTU_18 + cycle * CYCLE
        field.at(now)
        follower.cycle()
        for activation_id in handed:
            tasks.plan_balancing(activation_id)
        handed.clear()
        if now.second == 0:
            tasks.run_dispatch()
        batteries.live(now, seconds=4 if PTU_18 <= now < PTU_18 + PTU else 0)
        power_w = sum(AssetState.objects.values_list("power_w", flat=True))
        delivered_mw[(now - PTU_18).seconds if cycle >= 0 else -1] = -power_w / MW
    # Of an asset without a record nine times in ten are expected to follow; these always do, which the next look finds.
    assert [delivered_mw[second] for second in (60, 116, 124, 240, 600, 664, 892)] == pytest.approx(
        [0, 0, 2 / 0.9, 2, 2, 0, 0], 0.01
    )
    batteries.read_meters(PTU_18)

    # The next day TenneT settles it, and so do we: on meters, at its price, to the cent.
    field.at(NEXT_MORNING)
    tasks.run_dispatch()
    monkeypatch.setattr(settlement_tasks, "tennet", services.tennet)
    settlement_tasks.fetch_balancing_settlements()
    assert [one.activation.is_balancing for one in settle_due(now=NEXT_MORNING)] == [True]
    [day] = days_with_balancing(DAY, DAY)
    asked_wh = BalancingPtu.objects.get(ptu_start=PTU_18).requested_reduce_ws / 3_600
    assert asked_wh == pytest.approx(2 * MW * 9 / 60, 0.01)
    assert day.requested_wh("reduce") == pytest.approx(asked_wh, abs=1)
    assert day.delivered_wh("reduce") == pytest.approx(asked_wh, 0.01)  # more than was asked is not paid
    assert [finding for quarter in day.quarters for finding in findings_of(quarter)] == []
    [delivery] = Delivery.objects.all()
    assert set(delivery.ptus.values_list("price_eur_per_mwh", flat=True)) == {Decimal("90.00")}
    statement = issue_statement(interval=day_interval(DAY), now=NEXT_MORNING)
    worth = Decimal(delivery.delivered_wh) * 90 / MW
    assert statement.total_eur == worth.quantize(Decimal("0.01")) > 20
    activation = Activation.objects.get()
    assert (activation.starts_at, activation.ends_at, activation.status) == (PTU_18, PTU_18 + PTU, "settled")
