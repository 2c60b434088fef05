from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection

from aggregator.core.ean import Ean13, Ean18
from aggregator.core.http import HttpClient
from assets import operations as portfolio
from assets.models import AggregationEan, Asset, AssetState, ChargingSession, CongestionArea, MeterInterval
from bidding.markets.exchange.client import Exchange
from bidding.markets.exchange.orders import OrderState
from bidding.models import Activation, Announcement, Mandate
from bidding.operations import bids
from bidding.operations.bids import SizedWindow
from bidding.operations.orders import follow_order
from bidding.operations.terms import set_terms
from tests.field_side import battery, charger, make_assets, make_partner
from tests.integration.bidding.evening import Evening

NOW = datetime(2026, 1, 14, 14, 31, tzinfo=UTC)
WINDOW_STARTS_AT = datetime(2026, 1, 14, 16, 0, tzinfo=UTC)
PTUS = 12


@pytest.fixture
def now():
    return NOW


@pytest.fixture
def area(db):
    return CongestionArea.objects.create(
        code="centrum", name="Centrum", grid_operator=Ean13("8716892000005"), postcodes=["3511", "3512"]
    )


@pytest.fixture
def group(area):
    made = AggregationEan.objects.create(
        ean=Ean18.from_body("87168510000000001"),
        name="Centrum op straat",
        congestion_area=area,
        brp=Ean13.from_body("871999900001"),
        autonomy="automatic",
        price_eur_per_mwh=Decimal("180.00"),
    )
    set_terms(
        Mandate,
        aggregation_ean=made,
        now=NOW - timedelta(days=1),
        automatic_up_to_w=5_000_000,
        automatic_up_to_eur=Decimal(1_000_000),
    )
    return made


@pytest.fixture
def announcement(area):
    return Announcement.objects.create(
        external_id="A1",
        revision=1,
        known_at=NOW,
        congestion_area=area,
        postcodes=["3511"],
        direction="reduce",
        starts_at=WINDOW_STARTS_AT,
        ends_at=WINDOW_STARTS_AT + timedelta(hours=3),
        required_power_w=[1_600_000] * PTUS,
        document={},
    )


@pytest.fixture
def exchange():
    return Exchange(
        http=HttpClient(),
        polls=HttpClient(),
        base_url="http://exchange.example",
        participant_id="7f3c1f5a-7a52-4f3c-8a43-0d6a7d6f4a11",
        api_key="key",
    )


@pytest.fixture
def sized():
    def make(bid_w=300_000, reason="300 kW"):
        return SizedWindow(
            bid_w=bid_w, sellable_w=bid_w, baseline_w=[900_000] * PTUS, explanation={"curve": []}, reason=reason
        )

    return make


BEFORE = WINDOW_STARTS_AT - timedelta(minutes=8)
PTU = timedelta(minutes=15)


@pytest.fixture
def same_draws(db):
    """Number assets and activations alike in every run: from their numbers follows when each starts and ends."""
    with connection.cursor() as cursor:
        for model in (Asset, Activation):
            cursor.execute("SELECT pg_get_serial_sequence(%s, 'id')", [model._meta.db_table])
            [sequence] = cursor.fetchone()
            cursor.execute(f"ALTER SEQUENCE {sequence} RESTART WITH 1000001")


@pytest.fixture
def fleet(group, same_draws):
    """Twenty 11 kW cars that came just now with much to charge, a history that says so, and a battery."""
    operations_at = WINDOW_STARTS_AT - timedelta(days=40)
    partner = make_partner("Stadsladen")
    rows = [charger(f"c{number}", pausing="can_pause") for number in range(20)]
    assets = make_assets(partner, [*rows, battery("b", round_trip_efficiency="0.810", min_level_wh=20_000)])
    portfolio.enrol_assets(
        aggregation_ean=group.ean, asset_ids=[asset.pk for asset in assets], starts_at=operations_at, now=operations_at
    )
    cars, store = assets[:-1], assets[-1]
    came_now = WINDOW_STARTS_AT - timedelta(minutes=30)
    past = [
        ChargingSession(
            asset=car, external_id=f"{car.pk}-{days}", plug_in_at=came_now - timedelta(days=days),
            plug_out_at=(gone_at := came_now + timedelta(hours=14) - timedelta(days=days)), energy_wh=50_000,
            max_import_w=11_000, known_at=gone_at,
        )
        for car in cars
        for days in range(1, 36)
    ]  # fmt: skip
    present = [
        ChargingSession(
            asset=car, external_id=f"{car.pk}-now", plug_in_at=came_now, max_import_w=11_000, known_at=BEFORE
        )
        for car in cars
    ]
    ChargingSession.objects.bulk_create([*past, *present])
    AssetState.objects.bulk_create(AssetState(asset=car, at=BEFORE, power_w=11_000, is_plugged_in=True) for car in cars)
    AssetState.objects.create(asset=store, at=BEFORE, power_w=0, level_wh=180_000)
    portfolio.maintain_partitions(now=WINDOW_STARTS_AT)
    MeterInterval.objects.bulk_create(
        MeterInterval(asset=car, starts_at=WINDOW_STARTS_AT - 2 * PTU, import_wh=2_750, known_at=BEFORE) for car in cars
    )
    return assets


@pytest.fixture
def activation(fleet, announcement, group, exchange, sized, now):
    bid = bids.offer(
        announcement=announcement, aggregation_ean=group, sized=sized(bid_w=100_000), exchange=exchange, now=now
    )
    follow_order(bid_id=bid.pk, state=OrderState("X1", "", 100_000, Decimal(180), True, False), now=now)
    return Activation.objects.get()


@pytest.fixture
def evening(activation, fleet):
    return Evening(activation, fleet)


@pytest.fixture
def other(area, group):
    """A second group of the pool, without assets."""
    return AggregationEan.objects.create(
        ean=Ean18.from_body("87168510000000002"), name="Noord", congestion_area=area, autonomy="automatic",
        brp=Ean13.from_body("871999900001"), price_eur_per_mwh=Decimal("180.00"),
    )  # fmt: skip
