from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from aggregator.core.ean import Ean13, Ean18
from aggregator.core.http import HttpClient
from assets.models import AggregationEan, CongestionArea
from bidding.markets.exchange.client import Exchange
from bidding.models import Announcement, Mandate
from bidding.operations.bids import SizedWindow
from bidding.operations.terms import set_terms

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
