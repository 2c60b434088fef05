"""Our balancing tasks against the mock TenneT in its own process, over HTTP."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from aggregator.core import services as core_services
from aggregator.core.clock import CLOCK_FILE_VARIABLE, VirtualClock
from aggregator.core.ean import Ean13, Ean18
from aggregator.core.http import HttpClient
from aggregator.core.ptu import PTU
from assets.models import AggregationEan, Asset, CongestionArea, Membership
from bidding import services, tasks
from bidding.models import BalancingBid, BalancingHeadroom, Mandate
from bidding.operations.terms import set_terms
from tests.bid_documents import BSP
from tests.bid_documents import PTU_17 as PTU_18  # in the Netherlands
from tests.field_side import battery, charger, make_assets, make_partner
from tests.integration.mock_gopacs.bsp_side import tennet_scenario
from tests.integration.mock_gopacs.market_process import MarketProcess, ms

GATE = PTU_18 - timedelta(minutes=25)
SIZED_AT = PTU_18 - timedelta(minutes=29)
MW = 1_000_000
LONG_AGO = PTU_18 - timedelta(days=100)


@dataclass
class Field:
    """TenneT and us: two clocks, one world."""

    market: MarketProcess
    clock_file: Path
    http: HttpClient

    def at(self, instant: datetime) -> None:
        self.market.set_clock(instant)
        VirtualClock.create(self.clock_file, starts_at=instant, speed=0)

    def tick(self) -> None:
        tasks.offer_balancing()
        tasks.send_balancing_messages()

    def fault(self, **switch: object) -> None:
        self.market.control("POST", "faults", json={"path": "/tennet/documents", "times": 1, **switch})

    def merit_order(self, ptu: datetime = PTU_18) -> dict[str, list[tuple[float, float]]]:
        """Return what TenneT has of ours: MW and price, up and down."""
        order = self.market.control("GET", "tennet/merit-order", params={"at": ms(ptu)})
        return {
            way: [(row["quantityMw"], row["price"]) for row in order[way] if row["party"] == BSP]
            for way in ("up", "down")
        }

    def bids(self) -> dict[str, BalancingBid]:
        return {bid.direction: bid for bid in BalancingBid.objects.order_by("pk")}


@pytest.fixture
def field(settings, monkeypatch, tmp_path, market_process, transactional_db) -> Iterator[Field]:
    """In the quarter hour in which 18:00 is sized, four minutes before its gate."""
    clock_file = tmp_path / "our-clock"
    monkeypatch.setenv(CLOCK_FILE_VARIABLE, str(clock_file))
    settings.TENNET_URL, settings.TENNET_API_KEY, settings.TENNET_PARTY_ID = market_process.address, "bsp-key", BSP
    settings.AFRR_MOST_UP_MW, settings.AFRR_MOST_DOWN_MW = 20, 10
    client = HttpClient(allowed_private_hosts=frozenset({"127.0.0.1"}))
    for module in (core_services, services):
        monkeypatch.setattr(module, "http_client", lambda: client)
    services.tennet.cache_clear()
    core_services.clock.cache_clear()
    made = Field(market_process, clock_file, client)
    made.at(SIZED_AT)
    market_process.load(tennet_scenario())
    yield made
    market_process.control("DELETE", "faults")
    services.tennet.cache_clear()
    core_services.clock.cache_clear()


@dataclass
class Portfolio:
    """Makes groups that offer balancing energy, and says what was sized of them."""

    area: CongestionArea
    number: int = 0

    def group(
        self,
        *,
        is_of_cars: bool = False,
        price: str = "90.00",
        mandate_w: int = 50 * MW,
        mandate_eur: int = 1_000_000,
        **fields: object,
    ):
        """Return a group of ten batteries that may give and take a MW each, or of as many cars."""
        self.number += 1
        values = {"autonomy": "automatic", "is_sized_for_balancing": True, "offers_balancing": True, **fields}
        made = AggregationEan.objects.create(
            ean=Ean18.from_body(f"8716851{self.number:010d}"), name=f"Group {self.number}", congestion_area=self.area,
            brp=Ean13.from_body("871999900001"), price_eur_per_mwh=Decimal(price), **values,
        )  # fmt: skip
        make = charger if is_of_cars else battery
        power = {"max_import_w": MW} if is_of_cars else {"max_import_w": MW, "max_export_w": MW, "capacity_wh": 2 * MW}
        rows = [make(f"{self.number}-{one}", **power) for one in range(10)]
        for asset in make_assets(make_partner(f"Partner {self.number}"), rows):
            Membership.objects.create(asset=asset, aggregation_ean=made, period=(LONG_AGO, None))
        if mandate_w:
            set_terms(
                Mandate, aggregation_ean=made, now=LONG_AGO, automatic_up_to_w=mandate_w,
                automatic_up_to_eur=Decimal(mandate_eur),
            )  # fmt: skip
        return made

    def sized(self, group, *, up_w=0, down_w=0, ptu=PTU_18, at=None) -> None:
        for direction, power_w in (("reduce", up_w), ("increase", down_w)):
            BalancingHeadroom.objects.create(
                aggregation_ean=group, ptu_start=ptu, direction=direction, reliable_w=power_w, free_w=power_w,
                reliability=group.reliability, limited_by="power", sized_at=at or ptu - 2 * PTU + timedelta(minutes=1),
            )  # fmt: skip


@pytest.fixture
def portfolio(transactional_db) -> Portfolio:
    area = CongestionArea.objects.create(
        code="centre", name="Centre", grid_operator=Ean13("8716892000005"), postcodes=["3511"]
    )
    return Portfolio(area)


def parts_w(bid: BalancingBid) -> dict[str, int]:
    living = bid.commitments.filter(released_at__isnull=True)
    return dict(living.values_list("entry__aggregation_ean__name", "power_w"))


def assets_of(group: AggregationEan):
    return Asset.objects.filter(memberships__aggregation_ean=group)
