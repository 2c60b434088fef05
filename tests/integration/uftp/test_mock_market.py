"""Our service against the mock market's broker, token server, address book and operator, in a process of its own."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from aggregator.core.interval import Interval
from aggregator.core.ptu import ptus_of_day
from assets import operations as portfolio
from assets.models import MeterInterval
from bidding.models import Activation, Contract, ContractCall, UftpMessage, UftpParticipant
from bidding.uftp.offers import offer_unasked
from bidding.uftp.reports import send_reports
from tests.field_side import charger, make_assets, make_partner
from tests.integration.uftp.conftest import MARKET_NOW
from tests.integration.uftp.market_side import LIFE_CYCLE

pytestmark = pytest.mark.django_db(transaction=True)
TOMORROW = datetime(2026, 1, 15, 12, tzinfo=UTC)


@pytest.fixture
def clockwork(market_process):
    with market_process.clockwork():
        yield


def test_the_market_calls_a_contract_and_sees_it_confirmed(calling_market):
    market = calling_market(calls=[{"called_at": "15:31", "starts_at": "17:00", "ends_at": "20:00"}])
    assert UftpParticipant.objects.get().source == "address_book"
    with market.process.clockwork():
        assert market.play_to_the_end() == "CONFIRMED"

    assert market.true_messages() == LIFE_CYCLE
    call = ContractCall.objects.get()
    assert call.starts_at == datetime(2026, 1, 14, 16, tzinfo=UTC)
    assert set(Activation.objects.get().ptus.values_list("max_import_w", flat=True)) == {50_000}


def test_a_contract_called_twice_for_one_day_is_confirmed_twice(calling_market, clockwork):
    market = calling_market()
    market.call(ends_at="18:00")
    assert market.play_to_the_end() == "CONFIRMED"
    market.call(starts_at="19:00")
    assert market.play_to_the_end() == "CONFIRMED"
    assert ContractCall.objects.count() == 2


def assert_accepted(market, counts):
    """So many messages of ours, and no others of these kinds, are accepted in the end."""
    ours = UftpMessage.objects.filter(way=UftpMessage.Way.SENT, element__in=["D-Prognosis", "FlexOffer", "Metering"])
    market.until(lambda: not ours.filter(result=UftpMessage.Result.OPEN).exists())
    assert set(ours.values_list("result", "reasons")) == {(UftpMessage.Result.ACCEPTED, "")}
    assert Counter(ours.values_list("element", flat=True)) == counts


def test_the_market_accepts_what_is_expected_metered_and_offered_unasked(calling_market, group, clockwork):
    market = calling_market(power_meaning="delta")
    market.call()
    assert market.play_to_the_end() == "CONFIRMED"
    contract = Contract.objects.get()
    Contract.objects.update(sends_prognosis=True, sends_metering=True)
    assert send_reports(now=MARKET_NOW) == 1
    offer_unasked(
        contract_id=contract.pk, window=Interval(TOMORROW, TOMORROW + timedelta(hours=1)), power_w=-40_000,
        expires_at=TOMORROW, now=MARKET_NOW, actor=None, reason="The depot is empty.",
    )  # fmt: skip
    assert_accepted(market, {"D-Prognosis": 1, "FlexOffer": 2})

    (asset,) = make_assets(make_partner("Stadsladen"), [charger("c1")])
    since = TOMORROW - timedelta(days=30)
    portfolio.enrol_assets(aggregation_ean=group.ean, asset_ids=[asset.pk], starts_at=since, now=since)
    portfolio.maintain_partitions(now=MARKET_NOW)
    for ptu in ptus_of_day(MARKET_NOW.date()):
        MeterInterval.objects.create(asset=asset, starts_at=ptu, import_wh=100, known_at=TOMORROW)
    market.process.set_clock(TOMORROW, speed=1.0)
    assert send_reports(now=TOMORROW) == 2  # the called day's metering, and the next prognosis
    assert_accepted(market, {"D-Prognosis": 2, "FlexOffer": 2, "Metering": 1})


@pytest.mark.parametrize(
    ("day_before", "starts_at", "hours", "isps"),
    [
        (datetime(2026, 3, 28, 7, 1, tzinfo=UTC), datetime(2026, 3, 29, 0, tzinfo=UTC), 2, range(5, 13)),
        (datetime(2026, 10, 24, 6, 1, tzinfo=UTC), datetime(2026, 10, 24, 23, tzinfo=UTC), 4, range(5, 21)),
    ],
)
def test_a_call_across_a_change_of_the_clock_has_the_hours_that_exist(
    calling_market, day_before, starts_at, hours, isps
):
    # given a contract that is called for 01:00 to 04:00 of a day with 92 or 100 quarter hours
    market = calling_market(day_before)
    with market.process.clockwork():
        market.call(date=f"{day_before + timedelta(days=1):%Y-%m-%d}", starts_at="01:00", ends_at="04:00")
        assert market.play_to_the_end() == "CONFIRMED"

    asked = next(message["content"]["ISP"] for message in market.messages() if message["element"] == "FlexRequest")
    assert [int(isp["Start"]) for isp in asked] == list(isps)
    ptus = list(ContractCall.objects.get().ptus.order_by("ptu_start").values_list("ptu_start", flat=True))
    assert ptus == [starts_at + number * timedelta(minutes=15) for number in range(4 * hours)]
    assert Activation.objects.get().ptus.count() == 4 * hours
