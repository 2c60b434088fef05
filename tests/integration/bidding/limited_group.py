"""A group under a called limit: its chargers, the cars at them, and the call."""

from datetime import UTC, datetime, timedelta

from assets import operations as portfolio
from assets.models import AssetState, ChargingSession
from bidding.models import Contract
from bidding.uftp.demands import Demand
from tests import called_contracts
from tests.field_side import charger, make_assets, make_partner

STARTS_AT = datetime(2026, 1, 14, 16, tzinfo=UTC)
BEFORE = STARTS_AT - timedelta(minutes=8)
PTU = timedelta(minutes=15)
MINUTE = timedelta(minutes=1)
CARS = 20


def make_chargers(group, **fields):
    """Return twenty 11 kW chargers of a group."""
    long_ago = STARTS_AT - timedelta(days=40)
    rows = [charger(f"c{n}", pausing="can_pause", **fields) for n in range(CARS)]
    cars = make_assets(make_partner("Stadsladen"), rows)
    portfolio.enrol_assets(
        aggregation_ean=group.ean, asset_ids=[car.pk for car in cars], starts_at=long_ago, now=long_ago
    )
    return cars


def remember_arrivals(car, at):
    """Have a car come at the time of `at` on each of the 28 days before, with much to charge."""
    ChargingSession.objects.bulk_create(
        ChargingSession(
            asset=car, external_id=f"{car.pk}-{day}", plug_in_at=at - timedelta(days=day),
            plug_out_at=at - timedelta(days=day) + timedelta(hours=14), energy_wh=50_000, max_import_w=11_000,
            known_at=at - timedelta(days=day) + timedelta(hours=14),
        )
        for day in range(1, 29)
    )  # fmt: skip


def come(car, at, **declared):
    """Have a car come now, and charge."""
    ChargingSession.objects.create(
        asset=car, external_id=f"{car.pk}-now", plug_in_at=at, max_import_w=11_000, known_at=at, **declared
    )
    AssetState.objects.update_or_create(asset=car, defaults={"at": at, "power_w": 11_000, "is_plugged_in": True})


def call_limit(group, *, hours, max_import_w=None, max_export_w=None, gaps=()):
    """Return the activation of a call that limits what a group takes, or feeds in, but for the PTUs of `gaps`."""
    contract = called_contracts.make_contract(
        group, contract_id="CLC-1", kind=Contract.Kind.CLC_A, power_meaning="limit", volume_w=200_000
    )
    power_w = max_import_w if max_export_w is None else -max_export_w
    ptus = [STARTS_AT + n * PTU for n in range(4 * hours) if n not in gaps]
    demands = [Demand(start, power_w, max_import_w, max_export_w) for start in ptus]
    return called_contracts.call(contract, demands, now=BEFORE)
