"""A called limit, dispatched on a fleet."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from assets import operations as portfolio
from assets.models import AssetState, ChargingSession, Setpoint
from bidding.dispatch.operations import run_activation
from bidding.markets.uftp.messages import FlexOrder
from bidding.models import Activation, Contract, UftpMessage, UftpParticipant
from bidding.uftp.calls import take_call
from bidding.uftp.demands import Demand
from tests.field_side import charger, make_assets, make_partner

STARTS_AT = datetime(2026, 1, 14, 16, tzinfo=UTC)
BEFORE = STARTS_AT - timedelta(minutes=8)
PTU = timedelta(minutes=15)
CARS = 20


@pytest.fixture
def fleet(group):
    """Twenty 11 kW cars that came just now with much to charge, and a history that says so: about 220 kW."""
    long_ago = STARTS_AT - timedelta(days=40)
    cars = make_assets(make_partner("Stadsladen"), [charger(f"c{n}", pausing="can_pause") for n in range(CARS)])
    portfolio.enrol_assets(
        aggregation_ean=group.ean, asset_ids=[car.pk for car in cars], starts_at=long_ago, now=long_ago
    )
    for car in cars:
        for day in range(1, 29):
            came = STARTS_AT - timedelta(days=day, minutes=30)
            ChargingSession.objects.create(
                asset=car, external_id=f"{car.pk}-{day}", plug_in_at=came, plug_out_at=came + timedelta(hours=14),
                energy_wh=50_000, max_import_w=11_000, known_at=came + timedelta(hours=14),
            )  # fmt: skip
        ChargingSession.objects.create(
            asset=car, external_id=f"{car.pk}-now", plug_in_at=STARTS_AT - timedelta(minutes=30), max_import_w=11_000,
            known_at=BEFORE,
        )  # fmt: skip
        AssetState.objects.create(asset=car, at=BEFORE, power_w=11_000, is_plugged_in=True)
    return cars


@pytest.fixture
def limited(group, fleet):
    """Make an activation that limits the group's import for an hour."""

    def make(max_import_w):
        dso = UftpParticipant.objects.create(domain="dso.example.com", role="DSO", source="by_hand")
        contract = Contract.objects.create(
            contract_id="CLC-1", kind=Contract.Kind.CLC_A, dso=dso, aggregation_ean=group, congestion_point=group.ean,
            volume_w=200_000, price_eur_per_mwh=Decimal(95), active_from=date(2026, 1, 1),
        )  # fmt: skip
        message = UftpMessage.objects.create(
            participant=dso, way="received", element=FlexOrder.element, message_id="1", conversation_id="1",
            document=b"", at=BEFORE,
        )  # fmt: skip
        demands = [Demand(STARTS_AT + n * PTU, max_import_w, max_import_w) for n in range(4)]
        take_call(
            contract=contract, order_reference="o", day=date(2026, 1, 14), message=message, offer=None, demands=demands,
            now=BEFORE,
        )  # fmt: skip
        return Activation.objects.get()

    return make


def test_what_is_expected_beyond_the_limit_is_ordered(limited):
    activation = limited(100_000)

    run_activation(activation_id=activation.pk, now=BEFORE)

    first, second = activation.ptus.order_by("ptu_start")[:2]
    assert 90_000 <= first.ordered_w <= 120_000
    assert second.ordered_w == 0  # known only when its turn comes
    held = Setpoint.objects.filter(power_w__contains=[0]).count()
    assert (CARS - held) * 11_000 <= 100_000


def test_a_limit_above_consumption_asks_nothing(limited):
    activation = limited(300_000)

    run_activation(activation_id=activation.pk, now=BEFORE)

    assert set(activation.ptus.values_list("ordered_w", flat=True)) == {0}
    assert not Setpoint.objects.exclude(power_w__contains=[11_000]).exists()
