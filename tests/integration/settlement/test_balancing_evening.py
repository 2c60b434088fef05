"""From a bid at the mock TenneT to a statement: asked, settled, fetched over HTTP, and paid."""

from datetime import timedelta
from decimal import Decimal

import pytest

from aggregator.core.clock import CLOCK_FILE_VARIABLE, VirtualClock
from aggregator.core.ean import Ean13, Ean18
from aggregator.core.http import HttpClient
from aggregator.core.models import Job
from aggregator.core.ptu import PTU, day_interval
from aggregator.core.services import clock
from assets.models import AggregationEan, Membership
from bidding.markets.afrr.bid_document import BidDocument, bid_document_xml
from bidding.markets.afrr.bids import Bid
from bidding.markets.afrr.client import Outcome, TennetClient
from bidding.markets.afrr.real_time import Measurement
from bidding.markets.afrr.terms import ProductTerms
from bidding.models import BalancingPtu, Direction
from settlement import tasks
from settlement.balancing.findings import Kind, findings_of
from settlement.balancing.reading import days_with_balancing
from settlement.delivery.operations import settle_due
from settlement.models import BalancingSettlement, DeliveryPtu
from settlement.statements.operations import issue_statement
from tests.balancing_settlements import DAY
from tests.bid_documents import BSP, PTU_17, post_document
from tests.integration.mock_gopacs.bsp_side import tennet_scenario
from tests.integration.mock_gopacs.market_process import utc
from tests.integration.settlement.balancing_side import MW, balancing_activation, balancing_bid

MADE_AT = utc(14, 31)
NEXT_MORNING = utc(9, day=15)
CYCLE = timedelta(seconds=4)


@pytest.fixture
def tennet(market_process):
    """12 MW more for ten minutes from 18:00 local time, then 11 MW less for five."""
    market_process.set_clock(MADE_AT)
    demand = [{"at": "18:00", "mw": 12}, {"at": "18:10", "mw": -11}, {"at": "18:15", "mw": 0}]
    market_process.load(tennet_scenario(demand=demand))
    return market_process


@pytest.fixture
def client(tennet, settings):
    settings.TENNET_URL, settings.TENNET_API_KEY, settings.TENNET_PARTY_ID = tennet.address, "bsp-key", BSP
    return TennetClient(HttpClient(allowed_private_hosts=frozenset({"127.0.0.1"})), tennet.address, "bsp-key")


@pytest.fixture
def at(tmp_path, monkeypatch, client):
    """Set our clock."""
    path = tmp_path / "clock.json"
    monkeypatch.setenv(CLOCK_FILE_VARIABLE, str(path))
    monkeypatch.setattr(tasks, "tennet", lambda: client)

    def set_clock(instant):
        VirtualClock.create(path, starts_at=instant, speed=0)
        clock.cache_clear()

    yield set_clock
    clock.cache_clear()


def bid_at_tennet(client):
    bids = (
        Bid("up", PTU_17, "reduce", 5 * MW, Decimal("70.00")),
        Bid("down", PTU_17, "increase", 2 * MW, Decimal("30.00")),
    )
    document = bid_document_xml(BidDocument("document", Ean13(BSP), MADE_AT, bids), terms=ProductTerms(), version="7.4")
    assert post_document(client, document, mrid="document").outcome is Outcome.DONE


def second_group(world):
    group = world.ean
    return AggregationEan.objects.create(
        ean=Ean18.from_body("87168510000000001"), name="South", congestion_area=group.congestion_area, brp=group.brp
    )


def followed(tennet, client):
    """Let the quarter hour pass and measure the half of what is asked; return what was asked [Ws], up and down."""
    told_w = []
    for cycle in range(225):
        now = PTU_17 + cycle * CYCLE
        tennet.set_clock(now)
        told_w.append(client.fetch_setpoint().delta_w)
        measured_w = 4 * MW + told_w[-1] // 2
        client.send_measurement(Measurement(now, 4 * MW, measured_w, 5 * MW, 2 * MW, is_in_control=True))
    return sum(-power_w * 4 for power_w in told_w if power_w < 0), sum(power_w * 4 for power_w in told_w if power_w > 0)


def fleet(world, group, *, took_wh):
    """Give a group a car that would take 4 MW, and let it take something else."""
    charger = world.asset(f"depot of {group}", max_import_w=6 * MW)
    Membership.objects.filter(asset=charger).update(aggregation_ean=group)
    world.session(charger, energy_wh=4 * MW * 8, power_w=4 * MW)
    world.meter(charger, took_wh, start=PTU_17)


def test_an_evening_is_asked_for_settled_and_paid(world, tennet, client, at):
    # given a group that is in the bid for up and one in that for down, which both do half of what is asked
    up_group, down_group = world.ean, second_group(world)
    bid_at_tennet(client)
    up_ws, down_ws = followed(tennet, client)
    assert min(up_ws, down_ws) > 0
    balancing_bid(PTU_17, parts={up_group: 5 * MW})
    balancing_bid(PTU_17, parts={down_group: 2 * MW}, direction=Direction.INCREASE)
    BalancingPtu.objects.create(
        ptu_start=PTU_17, requested_reduce_ws=up_ws, requested_increase_ws=down_ws, cycles=225, lost_cycles=0,
        updated_at=PTU_17 + PTU,
    )  # fmt: skip
    up_wh, down_wh = up_ws // 7_200, down_ws // 7_200
    fleet(world, up_group, took_wh=MW - up_wh)
    fleet(world, down_group, took_wh=MW + down_wh)
    balancing_activation(up_group, up_ws // 900, start=PTU_17)
    balancing_activation(down_group, down_ws // 900, start=PTU_17, direction=Direction.INCREASE)

    # when the day is over but not settled, TenneT is asked and nothing is paid
    at(day_interval(DAY).ends_at + timedelta(hours=1))
    tennet.set_clock(day_interval(DAY).ends_at + timedelta(hours=1))
    tasks.fetch_balancing_settlements()
    assert Job.objects.get().summary == "Nothing new."
    assert (BalancingSettlement.objects.count(), settle_due(now=NEXT_MORNING)) == (0, [])
    # when it is settled
    tennet.set_clock(NEXT_MORNING)
    at(NEXT_MORNING)
    tasks.fetch_balancing_settlements()
    tasks.fetch_balancing_settlements()
    assert BalancingSettlement.objects.get().is_final
    assert Job.objects.count() == 2  # with a final settlement there is nothing to ask
    assert len(settle_due(now=NEXT_MORNING)) == 2

    # then TenneT counts what its setpoints asked, and a person looks at what was not delivered alone
    [day] = days_with_balancing(DAY, DAY)
    assert abs(day.requested_wh("reduce") * 3600 - up_ws) <= 1800
    assert abs(day.requested_wh("increase") * 3600 - down_ws) <= 1800
    found = {finding.kind for quarter in day.quarters for finding in findings_of(quarter)}
    assert found == {Kind.MISSED, Kind.DELIVERED}
    # then groups get its prices, each in its direction, and the statement says so
    prices = dict(DeliveryPtu.objects.values_list("delivery__activation__direction", "price_eur_per_mwh"))
    assert prices == {"reduce": Decimal("80.00"), "increase": Decimal("-20.00")}
    assert (day.delivered_wh("reduce"), day.delivered_wh("increase")) == (up_wh, down_wh)
    statement = issue_statement(interval=day_interval(DAY), now=NEXT_MORNING)
    groups_eur = day.money.groups_receive_eur - day.money.groups_pay_eur
    assert statement.total_eur == groups_eur == ((up_wh * 80 - down_wh * 20) / Decimal(MW)).quantize(Decimal("0.01"))
    assert day.money.amount_eur == groups_eur + day.money.penalty_eur + day.money.result_eur
