"""Registering the demo's fleet, as an operator and the partners would."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from aggregator.core.ptu import MARKET_ZONE, ptus_of_day
from assets.models import Asset, CongestionArea, Partner
from assets.ocpi.connections import open_connection
from assets.operations.partners import register_partner
from assets.operations.portfolio import create_aggregation_ean, create_congestion_area, enrol_assets
from assets.operations.reports import upsert_assets
from assets.simulator.portfolio import CITY, DEPOT, HOMES, QUARTER, Portfolio
from assets.simulator.portfolio import Partner as SimulatedPartner
from bidding.models import DayAheadPrice, Mandate, PricingPolicy
from bidding.operations.terms import set_terms
from bidding.operations.timed_values import store_values

AUTOMATIC_UP_TO_W, AUTOMATIC_UP_TO_EUR = 5_000_000, Decimal(10_000)
"""What each group's bids may go up to without a person: more than the evening needs."""

COSTS: dict[str, Any] = {
    "rebound_hours": 8,
    "wear_eur_per_kwh": Decimal("0.0450"),
    "round_trip_efficiency": Decimal("0.85"),
    "drivers_eur_per_mwh": Decimal("60.00"),
}
MARGIN_EUR_PER_MWH = {CITY.ean: Decimal(40), QUARTER.ean: Decimal(60), DEPOT.ean: Decimal(120), HOMES.ean: Decimal(60)}
"""What bids ask beyond energy at day-ahead prices; invented."""

MOST_RELIABILITY = Decimal("0.95")
RELIABILITY = {CITY.ean: Decimal("0.90")}
"""What bids promise. The street's 100 kW, a market's least bid, are sure enough for nine times in ten only."""

_HOURLY_EUR_PER_MWH = (
    78, 74, 71, 69, 70, 76, 92, 118, 126, 112, 101, 96, 93, 92, 95, 104, 121, 148, 156, 139, 117, 101, 92, 85,
)  # fmt: skip
"""A winter day's shape of day-ahead prices, by local hour; invented."""

OCPI_PARTNER = "stadsladen"
"""The charge point operator of the street and the offices speaks OCPI; the other partners our own REST."""
OCPI_PARTY_ID = "STL"


def register(*, portfolio: Portfolio, now: datetime) -> dict[str, dict[str, Any]]:
    """Create areas, aggregation EANs and partners; return each partner's credentials for the simulator."""
    areas: dict[str, CongestionArea] = {
        area.code: create_congestion_area(
            code=area.code, name=area.name, grid_operator=area.grid_operator, postcodes=area.postcodes
        )
        for area in portfolio.areas
    }
    for group in portfolio.groups:
        made = create_aggregation_ean(
            ean=group.ean,
            name=group.name,
            congestion_area=areas[group.area_code],
            brp=group.brp,
            now=now,
            autonomy="automatic",
            reliability=RELIABILITY.get(group.ean, MOST_RELIABILITY),
        )
        set_terms(
            Mandate,
            aggregation_ean=made,
            now=now,
            automatic_up_to_w=AUTOMATIC_UP_TO_W,
            automatic_up_to_eur=AUTOMATIC_UP_TO_EUR,
        )
        set_terms(
            PricingPolicy, aggregation_ean=made, now=now, margin_eur_per_mwh=MARGIN_EUR_PER_MWH[group.ean], **COSTS
        )
    prices = day_ahead_prices(now.astimezone(MARKET_ZONE).date())
    store_values(DayAheadPrice, values=prices, source="invented", now=now)
    credentials: dict[str, dict[str, Any]] = {}
    for partner in portfolio.partners:
        registered, secrets = register_partner(name=partner.name, now=now)
        credentials[partner.key] = {
            "client_id": secrets.client_id,
            "client_secret": secrets.client_secret,
            "callback_secret": secrets.callback_secret,
        }
        if partner.key == OCPI_PARTNER:
            credentials[partner.key]["ocpi"] = _speak_ocpi(registered, partner, now)
    return credentials


def day_ahead_prices(day: date) -> dict[datetime, Decimal]:
    """Return the price of each quarter hour of a day and the next."""
    ptus = [start for each in (day, day + timedelta(days=1)) for start in ptus_of_day(each)]
    return {start: Decimal(_HOURLY_EUR_PER_MWH[start.astimezone(MARKET_ZONE).hour]) for start in ptus}


def _speak_ocpi(registered: Partner, partner: SimulatedPartner, now: datetime) -> dict[str, Any]:
    """Let a partner register over OCPI; enter what was agreed on its chargers and OCPI cannot tell."""
    _, token = open_connection(partner=registered, now=now)
    upsert_assets(partner_id=registered.pk, rows=[asset.registration() for asset in partner.assets], now=now)
    return {"registration_token": token, "country_code": "NL", "party_id": OCPI_PARTY_ID}


def enrol(*, portfolio: Portfolio, starts_at: datetime, now: datetime) -> int:
    """Put the assets the partners registered into their aggregation EANs; return how many."""
    ids = {
        (partner, external_id): pk
        for pk, partner, external_id in Asset.objects.values_list("pk", "partner__name", "external_id")
    }
    by_group: dict[str, list[int]] = {}
    for partner, asset in portfolio.assets():
        by_group.setdefault(asset.aggregation_ean, []).append(ids[partner.name, asset.external_id])
    return sum(
        enrol_assets(aggregation_ean=ean, asset_ids=asset_ids, starts_at=starts_at, now=now)
        for ean, asset_ids in sorted(by_group.items())
    )


def point_callbacks(*, portfolio: Portfolio, simulator_url: str) -> None:
    """Tell the service where each partner of the fleet takes setpoints now."""
    for partner in portfolio.partners:
        Partner.objects.filter(name=partner.name).update(callback_url=f"{simulator_url}/callbacks/{partner.key}")


def is_fresh() -> bool:
    """Tell whether the database holds no partner yet."""
    return not Partner.objects.exists()
