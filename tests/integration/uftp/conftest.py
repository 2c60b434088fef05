from datetime import timedelta
from decimal import Decimal

import pytest

from aggregator.core import services as core_services
from aggregator.core.clock import CLOCK_FILE_VARIABLE, VirtualClock
from aggregator.core.ean import Ean13
from assets.models import AggregationEan, CongestionArea
from bidding.markets.uftp.transport import MESSAGE_PATH
from bidding.markets.uftp.vocabulary import Role
from bidding.models import Contract
from bidding.uftp import services, tasks
from bidding.uftp.address_book import remember_by_hand
from bidding.uftp.own_keys import make_own_key
from tests.conformance.uftp.samples import AGR, CONTRACT, DAY, DSO, NOW
from tests.integration.uftp.operator_side import KEY, counterparty_server

EAN = "871685900012636543"


def _forget_configuration():
    for made_once in (core_services.clock, core_services.http_client, services.tokens, services.line):
        made_once.cache_clear()


@pytest.fixture
def other_side():
    with counterparty_server() as seen:
        yield seen


@pytest.fixture(autouse=True)
def _configured(settings, tmp_path, monkeypatch, other_side):
    settings.UFTP_DOMAIN = AGR
    settings.UFTP_BROKER_URL = other_side.address + MESSAGE_PATH
    settings.UFTP_TOKEN_URL = other_side.address + "/token"
    settings.UFTP_CLIENT_ID, settings.UFTP_CLIENT_SECRET = "agr", "secret"
    settings.UFTP_ADDRESS_BOOK_URL = ""
    settings.HTTP_ALLOWED_PRIVATE_HOSTS = ["127.0.0.1"]
    VirtualClock.create(tmp_path / "clock", starts_at=NOW, speed=0)
    monkeypatch.setenv(CLOCK_FILE_VARIABLE, str(tmp_path / "clock"))
    _forget_configuration()
    yield
    _forget_configuration()


@pytest.fixture
def set_clock(tmp_path):
    return lambda instant: VirtualClock.create(tmp_path / "clock", starts_at=instant, speed=0)


@pytest.fixture
def own_key(db):
    return make_own_key(now=NOW, signs_from=NOW - timedelta(days=1))


@pytest.fixture
def operator(own_key):
    return remember_by_hand(
        domain=DSO, role=Role.DSO, public_key=KEY.public_key, endpoint="", version="3.0.0", now=NOW - timedelta(days=9)
    )


@pytest.fixture
def group(db):
    area = CongestionArea.objects.create(
        code="centrum", name="Centrum", grid_operator=Ean13("8716892000005"), postcodes=["3511"]
    )
    return AggregationEan.objects.create(
        ean=EAN, name="Centrum op straat", congestion_area=area, brp=Ean13.from_body("871999900001")
    )


@pytest.fixture
def contract(operator, group):
    return Contract.objects.create(
        contract_id=CONTRACT,
        kind=Contract.Kind.CLC_A,
        dso=operator,
        aggregation_ean=group,
        congestion_point=EAN,
        volume_w=500_000,
        power_meaning=Contract.Meaning.LIMIT,
        price_eur_per_mwh=Decimal("95.00"),
        active_from=DAY - timedelta(days=30),
    )


@pytest.fixture
def tick():
    """Let the workers make one round."""

    def run():
        tasks.process_messages()
        tasks.send_messages()

    return run
