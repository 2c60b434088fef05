"""Our service against the mock market's broker, token server, address book and operator, in a process of its own."""

from datetime import UTC, datetime, timedelta

import pytest

from bidding.models import Activation, ContractCall, UftpParticipant
from tests.integration.uftp.market_side import LIFE_CYCLE

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_market_calls_a_contract_and_sees_it_confirmed(calling_market):
    market = calling_market(calls=[{"called_at": "15:31", "starts_at": "17:00", "ends_at": "20:00"}])
    assert UftpParticipant.objects.get().source == "address_book"
    with market.process.clockwork():
        assert market.play_to_the_end() == "CONFIRMED"

    assert market.true_messages() == LIFE_CYCLE
    call = ContractCall.objects.get()
    assert call.starts_at == datetime(2026, 1, 14, 16, tzinfo=UTC)
    assert set(Activation.objects.get().ptus.values_list("max_import_w", flat=True)) == {50_000}


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
