"""A communication test on an asset of the simulated CPO: our service, its outbox, and a foreign process that moves."""

from dataclasses import dataclass
from datetime import timedelta

import pytest

from aggregator.core import services
from aggregator.core.clock import CLOCK_FILE_VARIABLE
from aggregator.core.http import HttpClient
from assets import operations
from assets.control.communication_tests import communication_report, start_communication_tests
from assets.control.operations import deliver_setpoints
from assets.models import AssetState, Partner
from tests.integration.simulator.conftest import STARTS_AT
from tests.integration.simulator.fake_aggregator import secret_of


@dataclass(frozen=True, slots=True)
class Service:
    url: str


@pytest.fixture
def service(transactional_db, live_server, monkeypatch, tmp_path):
    """Our own service, on the simulator's clock, with its partners in sandboxes."""
    monkeypatch.setenv(CLOCK_FILE_VARIABLE, str(tmp_path / "run" / "clock.json"))
    services.clock.cache_clear()
    for key in ("stadsladen", "deelstroom", "remise"):
        partner, _ = operations.register_partner(name=key, now=STARTS_AT, is_sandbox=True)
        partner.application.client_id, partner.application.client_secret = key, "x"
        partner.application.save()
        Partner.objects.filter(pk=partner.pk).update(callback_secret=secret_of(key))
    yield Service(live_server.url)
    services.clock.cache_clear()


def test_a_simulated_asset_moves_and_the_test_says_how_long_it_took(service, start):
    process = start(service)
    for partner in Partner.objects.all():
        partner.callback_url = f"{process.url}/callbacks/{partner.name}"
        partner.save()
    process.jump_to(STARTS_AT + timedelta(hours=1, minutes=7))
    charging = AssetState.objects.filter(asset__kind="charger", asset__pausing="can_pause", power_w__gt=2_000)
    state = charging.order_by("-power_w", "asset_id").select_related("asset").first()
    partner_id, now = state.asset.partner_id, services.clock().now()

    rows = [{"asset": state.asset.external_id, "power_w": 0}]
    [test] = start_communication_tests(partner_id=partner_id, rows=rows, now=now)
    sent = deliver_setpoints(clock=services.clock(), http=HttpClient(allowed_private_hosts=frozenset({"127.0.0.1"})))
    process.jump_to(STARTS_AT + timedelta(hours=1, minutes=11))

    report = communication_report(partner_id=partner_id, test_id=test.pk, now=services.clock().now())
    assert sent.delivered == 1
    assert (report.verdict, report.answer, report.moved_w) == ("moved", "accepted", 0)
    assert report.before_w == state.power_w
    assert report.round_trip_ms is not None
    assert report.moved_at == STARTS_AT + timedelta(hours=1, minutes=11)
    assert report.moved_after_s == 240
