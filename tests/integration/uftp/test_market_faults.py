"""Every misbehaviour that the mock market knows, against our running service: nothing lost, doubled or sent late."""

from datetime import timedelta

import pytest

from aggregator.core.models import InboxMessage, OutboxMessage
from bidding.models import Activation, Commitment, ContractCall
from bidding.uftp import line
from tests.integration.uftp.conftest import MARKET_NOW
from tests.integration.uftp.market_side import LIFE_CYCLE

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def _clockwork(market_process):
    with market_process.clockwork():
        yield


@pytest.fixture
def market(calling_market, _clockwork):
    market = calling_market()
    yield market
    market.process.control("DELETE", "faults")


def assert_called_once():
    """There is one duty, nothing waits, nothing was given up, and every message was dealt with once."""
    assert ContractCall.objects.count() == Activation.objects.count() == 1
    assert Commitment.objects.count() == 12
    assert not OutboxMessage.objects.filter(delivered_at=None).exists()
    assert not InboxMessage.objects.filter(processed_at=None).exists()


@pytest.mark.parametrize(
    ("kind", "element", "status"),
    [
        ("unknown_key", "FlexRequest", 401),
        ("unknown_key", "FlexOrder", 401),
        ("doctype", "FlexOrder", 400),
        ("doctype_inside", "FlexOrder", 400),
        ("huge_body", "FlexOrder", 400),
        ("same_id_other_content", "FlexRequest", 400),
        ("same_id_other_content", "FlexOrder", 400),
        ("sent_twice", "FlexRequest", 200),
        ("sent_twice", "FlexOrder", 200),
    ],
)
def test_what_must_have_no_effect_has_none(market, kind, element, status):
    market.operator_fault(kind, element=element)
    market.call()
    assert market.play_to_the_end() == "CONFIRMED"

    (false,) = [message for message in market.messages() if message["fault"]]
    assert (false["element"], false["status"]) == (element, status)
    assert market.true_messages() == LIFE_CYCLE
    assert InboxMessage.objects.count() == 3, "the false one is not even stored"
    assert_called_once()


@pytest.mark.parametrize(
    ("kind", "element", "reason"),
    [
        ("wrong_recipient", "FlexOrder", "Unknown RecipientDomain"),
        ("role_mismatch", "FlexRequest", "Invalid Sender (not matching role)"),
        ("role_mismatch", "FlexOrder", "Invalid Sender (not matching role)"),
        ("expired_request", "", "ExpirationDateTime out of bounds"),
        ("order_again", "", "FlexOffer was already ordered"),
    ],
)
def test_what_must_be_rejected_is_and_the_true_message_still_counts(market, kind, element, reason):
    market.operator_fault(kind, element=element)
    market.call()
    assert market.play_to_the_end() == "CONFIRMED"

    (false,) = [message for message in market.messages() if message["fault"]]

    def answers():
        incoming = [item["content"] for item in market.messages() if item["direction"] == "in"]
        return [answer for answer in incoming if false["messageId"] in answer.values()]

    market.until(answers)
    (answer,) = answers()
    assert answer["Result"] == "Rejected"
    assert reason in answer["RejectionReason"].split(";")
    assert_called_once()


def test_an_order_other_than_the_offer_is_refused(market):
    market.operator_fault("deviating_order")
    market.call()
    assert market.play_to_the_end() == "REFUSED"
    assert not ContractCall.objects.exists()
    assert not Commitment.objects.exists()


@pytest.mark.parametrize(
    ("kind", "element"),
    [
        ("order_before_offer_response", ""),
        ("rotated_key", "FlexRequest"),
        ("rotated_key", "FlexOrder"),
        ("clock_ahead", "FlexRequest"),
        ("clock_behind", "FlexOrder"),
    ],
)
def test_what_is_unusual_but_right_is_taken(market, kind, element):
    market.operator_fault(kind, element=element)
    market.call()
    assert market.play_to_the_end() == "CONFIRMED"
    assert sorted(message["element"] for message in market.messages()) == sorted(LIFE_CYCLE)
    assert_called_once()


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("status", {"status": 401}),
        ("status", {"status": 419, "times": 2}),
        ("status", {"status": 429, "retry_after": 1}),
        ("status", {"status": 503, "times": 2}),
        ("status_after", {"status": 500}),
        ("reset", {}),
        ("reply_lost", {"times": 2}),
        ("slow_body", {"seconds": 0.3}),
        ("huge_body", {"times": 2}),
    ],
)
def test_a_broker_in_trouble_gets_each_message_once(market, kind, more):
    market.broker_fault(kind, **more)
    market.call()
    assert market.play_to_the_end() == "CONFIRMED"
    assert market.true_messages() == LIFE_CYCLE
    assert_called_once()


@pytest.mark.parametrize("kind", ["delay", "slow_body"])
def test_a_broker_that_answers_too_late_gets_each_message_once(market, monkeypatch, kind):
    monkeypatch.setattr(line, "TIMEOUT_SECONDS", 0.3)
    market.broker_fault(kind, seconds=1.0)
    market.call()
    market.until(lambda: OutboxMessage.objects.filter(attempts__gt=0).exists())
    monkeypatch.undo()
    assert market.play_to_the_end() == "CONFIRMED"
    assert market.true_messages() == LIFE_CYCLE
    assert_called_once()


def test_a_token_that_ends_in_mid_flight_is_renewed(market):
    market.call()
    market.until(lambda: "FlexOffer" in market.true_messages())
    market.process.control("POST", "uftp/tokens/expire")
    market.broker_fault("status", path="/realms", status=503)  # and the token server needs a moment
    assert market.play_to_the_end() == "CONFIRMED"
    assert market.true_messages() == LIFE_CYCLE
    assert_called_once()


def test_an_offer_that_cannot_be_delivered_in_time_is_not_delivered_late(market):
    market.broker_fault("status", status=503, times=1000)
    market.call(offer_window_minutes=30)
    market.until(lambda: OutboxMessage.objects.filter(attempts__gt=1).exists())

    market.process.set_clock(MARKET_NOW + timedelta(minutes=31), speed=10.0)
    market.process.control("DELETE", "faults")
    market.until(lambda: not OutboxMessage.objects.filter(delivered_at=None, dead_at=None).exists())

    assert market.play_to_the_end() == "LAPSED"
    assert market.true_messages() == ["FlexRequest", "FlexRequestResponse"]
    assert OutboxMessage.objects.get(dead_at__isnull=False).last_error.startswith("The deadline passed")
    assert not ContractCall.objects.exists()
