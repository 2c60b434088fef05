from datetime import UTC, date, datetime, timedelta
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
from bidding.uftp.contracts import enter_contract, find_operator
from bidding.uftp.own_keys import make_own_key
from tests.conformance.uftp.samples import AGR, CONTRACT, DAY, DSO, NOW
from tests.integration.uftp.market_side import CONTRACT as MARKET_CONTRACT
from tests.integration.uftp.market_side import MARKET_DSO, CallingMarket
from tests.integration.uftp.operator_side import KEY, counterparty_server, post, sealed

EAN = "871685900012636543"
MARKET_NOW = datetime(2026, 1, 14, 14, 31, tzinfo=UTC)
MARKET_SPEED = 10.0  # virtual seconds per second, so that a second attempt does not take long


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
def say(client):
    """Let the operator send a message."""

    def send(message, **options):
        assert post(client, sealed(message, **options)).status_code == 200

    return send


@pytest.fixture
def tick():
    """Let the workers make one round."""

    def run():
        tasks.process_messages()
        tasks.send_messages()

    return run


@pytest.fixture
def calling_market(settings, monkeypatch, live_server, market_process, own_key, group, tick):
    """The mock market knows us and a contract; we know its addresses, and look its operator up. Nothing moves yet."""
    monkeypatch.setenv(CLOCK_FILE_VARIABLE, str(market_process.clock_file))
    settings.UFTP_BROKER_URL = market_process.address + MESSAGE_PATH
    settings.UFTP_TOKEN_URL = market_process.address + "/realms/gopacs/protocol/openid-connect/token"
    settings.UFTP_ADDRESS_BOOK_URL = market_process.address + "/uftp-participants/v3"
    _forget_configuration()
    own_key.signs_from = MARKET_NOW - timedelta(days=400)
    own_key.save()

    def load(now=MARKET_NOW, **contract):
        market_process.set_clock(now, speed=MARKET_SPEED)
        market_process.load(
            {
                "name": "called",
                "seed": 1,
                "date": f"{now:%Y-%m-%d}",
                "settings": {"token_lifetime_seconds": 60},
                "areas": {},
                "uftp_participants": [
                    {"role": "DSO", "domain": MARKET_DSO},
                    {
                        "role": "AGR", "domain": AGR, "endpoint": live_server.url + MESSAGE_PATH,
                        "public_key": own_key.public_key, "client_id": "agr", "client_secret": "secret",
                    },
                ],
                "contracts": [
                    {
                        "contract_id": MARKET_CONTRACT, "ean": EAN, "dso": MARKET_DSO, "aggregator": AGR,
                        "congestion": "OFF_TAKE", "power_kw": 50, **contract,
                    }
                ],
            }
        )  # fmt: skip
        values = {
            "contract_id": MARKET_CONTRACT, "kind": Contract.Kind.CLC_A, "aggregation_ean_id": group.ean,
            "congestion_point": EAN, "volume_w": 400_000, "price_eur_per_mwh": 95, "active_from": date(2026, 1, 1),
            "power_meaning": contract.get("power_meaning", "limit"),
        }  # fmt: skip
        operator = find_operator(domain=MARKET_DSO, now=now)
        enter_contract(operator=operator, values=values, now=now)
        return CallingMarket(market_process, tick)

    return load
