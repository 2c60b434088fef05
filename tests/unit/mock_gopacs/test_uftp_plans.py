"""The UFTP part of a scenario: parties, contracts, and when they are called."""

import copy
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from bidding.markets.uftp.keys import key_from_seed
from bidding.markets.uftp.powers import PowerMeaning
from mock_gopacs.scenario_values import InvalidScenario
from mock_gopacs.uftp.plans import read_uftp

DAY = date(2026, 1, 14)
DOCUMENT: dict[str, Any] = {
    "uftp_participants": [
        {"role": "DSO", "domain": "dso.example.nl"},
        {
            "role": "AGR", "domain": "agr.example.nl", "endpoint": "http://agr.example.nl/uftp",
            "public_key": str(key_from_seed(b"a" * 32).public_key), "client_id": "client", "client_secret": "secret",
        },
    ],
    "contracts": [
        {
            "contract_id": "CBC-1", "ean": "871685900012636543", "dso": "dso.example.nl",
            "aggregator": "agr.example.nl", "congestion": "OFF_TAKE", "power_kw": 50.5,
            "calls": [{"starts_at": "17:00", "ends_at": "20:00"}],
        }
    ],
}  # fmt: skip


def changed(part: str, index: int, **values: Any) -> dict[str, Any]:
    document = copy.deepcopy(DOCUMENT)
    document[part][index].update(values)
    return document


def with_call(**values: Any) -> dict[str, Any]:
    return changed("contracts", 0, calls=[{"starts_at": "17:00", "ends_at": "20:00", **values}])


def test_a_document_without_uftp_has_none_of_it():
    plan = read_uftp({}, DAY)
    assert (plan.parties, plan.contracts, plan.address_book_v2_status) == ((), (), 200)
    assert plan.token_lifetime == timedelta(minutes=5)


def test_a_contract_is_called_the_day_before_at_eight_unless_told_otherwise():
    (contract,) = read_uftp(DOCUMENT, DAY).contracts
    (call,) = contract.calls
    assert call.called_at == datetime(2026, 1, 13, 7, tzinfo=UTC)
    assert (call.window.starts_at, call.window.ends_at) == (
        datetime(2026, 1, 14, 16, tzinfo=UTC),
        datetime(2026, 1, 14, 19, tzinfo=UTC),
    )
    assert (contract.power_w, call.power_w, contract.power_meaning) == (50_500, 50_500, PowerMeaning.LIMIT)
    assert (call.offer_window, call.order_delay) == (timedelta(hours=1), timedelta(0))


def test_a_call_may_have_its_own_moment_power_and_patience():
    document = with_call(called_at="15:40", power_kw=7, offer_window_minutes=20, order_delay_minutes=5)
    (call,) = read_uftp(document, DAY).contracts[0].calls
    assert (call.called_at, call.power_w) == (datetime(2026, 1, 14, 14, 40, tzinfo=UTC), 7_000)
    assert (call.offer_window, call.order_delay) == (timedelta(minutes=20), timedelta(minutes=5))
    earlier = with_call(called_at="15:40", days_before=2)
    assert read_uftp(earlier, DAY).contracts[0].calls[0].called_at == datetime(2026, 1, 12, 14, 40, tzinfo=UTC)


@pytest.mark.parametrize(
    ("document", "text"),
    [
        (changed("uftp_participants", 0, domain="DSO.nl"), "is no UFTP domain"),
        (changed("uftp_participants", 0, role="CRO"), "is no role"),
        (changed("contracts", 0, dso="agr.example.nl"), "is no DSO among uftp_participants"),
        (changed("contracts", 0, aggregator="nobody.nl"), "is no AGR among uftp_participants"),
        (changed("contracts", 0, version="2.0.0"), "is no version"),
        (changed("contracts", 0, congestion="BOTH"), "is no congestion"),
        (changed("contracts", 0, power_meaning="share"), "is no power_meaning"),
        (changed("contracts", 0, power_kw=-1), "without a sign"),
        (changed("contracts", 0, power_kw=0.0001), "finer than a Watt"),
        (changed("contracts", 0, ean="87"), "is no EAN"),
        ({"settings": {"address_book_v2_status": 500}}, "status of V2"),
    ],
)
def test_what_cannot_be_played_is_explained(document, text):
    with pytest.raises(InvalidScenario, match=text):
        read_uftp(document, DAY)


@pytest.mark.parametrize("values", [{"starts_at": "17:05"}, {"ends_at": "16:00"}])
def test_a_window_lies_on_the_quarter_hours_and_ends_after_it_starts(values):
    with pytest.raises(ValueError, match=r"quarter hour|not after its start"):
        read_uftp(with_call(**values), DAY)
