"""A day of announcements drawn from a load profile, answered in both directions at the policy's price."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from aggregator.core.ptu import PTU
from bidding.models import Activation, Bid, DayAheadPrice, PricingPolicy
from bidding.operations.terms import set_terms
from bidding.operations.timed_values import store_values
from tests.integration.mock_gopacs.market_process import EAN_CENTRE, PARTICIPANT_ID

MORNING = datetime(2026, 4, 15, 4, tzinfo=UTC)
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def sunny_day(field, group):
    """The day begins; day-ahead prices are known and flat, and the group has a policy."""
    quarters = [MORNING + n * PTU for n in range(4 * 30)]
    flat = dict.fromkeys(quarters, Decimal(80))
    store_values(DayAheadPrice, values=flat, source="auction", now=MORNING - timedelta(hours=15))
    set_terms(
        PricingPolicy, aggregation_ean=group, now=MORNING - timedelta(days=1), rebound_hours=8,
        drivers_eur_per_mwh=Decimal("12.50"), margin_eur_per_mwh=Decimal("5.00"), storage_share=Decimal(0),
    )  # fmt: skip
    field.market.set_clock(MORNING)
    parameters = {
        "date": "2026-04-15", "participant_id": PARTICIPANT_ID, "api_key": "exchange-key", "gopacs_api_key": "gopacs",
        "registrations": [{"ean": EAN_CENTRE, "postcode": "3511"}],
    }  # fmt: skip
    field.market.control("POST", "scenario", json={"name": "congested_day", "parameters": parameters})
    return field


def test_a_day_asks_for_more_at_noon_and_less_in_the_evening(sunny_day):
    for minutes in range(0, 15 * 60, 15):
        sunny_day.at(MORNING + timedelta(minutes=minutes))

    noon, evening = Bid.objects.order_by("starts_at")
    assert (noon.direction, noon.price_eur_per_mwh) == ("increase", Decimal("-62.50"))  # -80 + 12.50 + 5
    assert (evening.direction, evening.price_eur_per_mwh) == ("reduce", Decimal("97.50"))
    assert {bid.status for bid in (noon, evening)} == {Bid.Status.CLEARED}
    ours = sorted((order["orderType"], order["price"]) for order in sunny_day.orders())
    assert ours == [("BUY", 62.5), ("SELL", 97.5)]
    assert list(Activation.objects.order_by("starts_at").values_list("direction", flat=True)) == ["increase", "reduce"]
    for clearing in sunny_day.market.control("GET", "clearings"):
        assert (clearing["state"], clearing["solverStatus"]) == ("CLEARED", "OPTIMAL")
