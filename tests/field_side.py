"""Partners, assets and groups as tests need them, made by the product's own operations."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from oauth2_provider.models import AccessToken

from aggregator.core.ean import Ean13, Ean18
from assets import operations
from assets.models import AggregationEan, Asset, CongestionArea, Partner

NOW = datetime(2026, 1, 14, 16, 7, tzinfo=UTC)
GROUP_EAN = str(Ean18.from_body("87168590001263654"))
MARKET_PARTY = str(Ean13.from_body("871687100000"))
ALL_SCOPES = "assets sessions meter-values setpoints"


def at(text: str, *, day: int = 14) -> datetime:
    """Return a UTC instant in January 2026, `at("17:15")`."""
    hour, minute = map(int, text.split(":"))
    return datetime(2026, 1, day, tzinfo=UTC) + timedelta(hours=hour, minutes=minute)


def charger(name: str, **fields: Any) -> dict[str, Any]:
    """Return the row of an 11 kW public charger."""
    return {"external_id": name, "kind": "charger", "category": "public", "max_import_w": 11_000, **fields}


def battery(name: str, **fields: Any) -> dict[str, Any]:
    """Return the row of a 200 kWh, 100 kW depot battery."""
    storage = {"kind": "battery", "category": "depot", "max_import_w": 100_000, "max_export_w": 100_000}
    return {"external_id": name, **storage, "capacity_wh": 200_000, **fields}


def heat_pump(name: str, **fields: Any) -> dict[str, Any]:
    """Return the row of a 4 kW heat pump with a buffer of 100 kWh."""
    storage = {"kind": "heat_pump", "category": "heat", "max_import_w": 4_000, "capacity_wh": 100_000}
    return {"external_id": name, **storage, **fields}


def make_partner(name: str, *, callback_url: str = "") -> Partner:
    """Return a new partner."""
    return operations.register_partner(name=name, callback_url=callback_url, now=NOW)[0]


def make_assets(partner: Partner, rows: Sequence[dict[str, Any]]) -> list[Asset]:
    """Register assets of a partner; return them in the order of `rows`."""
    operations.upsert_assets(partner_id=partner.pk, rows=rows, now=NOW)
    known = {asset.external_id: asset for asset in Asset.objects.filter(partner=partner)}
    return [known[row["external_id"]] for row in rows]


def make_area() -> CongestionArea:
    """Return the congestion area of Utrecht."""
    return operations.create_congestion_area(
        code="utrecht", name="Utrecht", grid_operator=MARKET_PARTY, postcodes=["3511", "3512"]
    )


def make_group(area: CongestionArea, *, ean: str = GROUP_EAN) -> AggregationEan:
    """Return a group without members."""
    return operations.create_aggregation_ean(
        ean=ean, name="Utrecht public", congestion_area=area, brp=MARKET_PARTY, now=NOW
    )


NEW_YEAR = at("00:00", day=1)


def enrol(group: AggregationEan, assets: Sequence[Asset], *, starts_at: datetime = NEW_YEAR) -> None:
    """Make assets members of a group from January 1st on."""
    operations.enrol_assets(
        aggregation_ean=group.pk, asset_ids=[asset.pk for asset in assets], starts_at=starts_at, now=NOW
    )


def token_for(partner: Partner, *, scope: str = ALL_SCOPES, expires_in: timedelta = timedelta(hours=1)) -> str:
    """Return the text of a new access token, as the token endpoint would give."""
    token = f"token-{partner.name}-{scope}-{expires_in}"
    AccessToken.objects.create(
        application=partner.application, token=token, scope=scope, expires=datetime.now(UTC) + expires_in
    )
    return token
