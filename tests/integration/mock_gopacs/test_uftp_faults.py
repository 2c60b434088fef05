"""Misbehaviour on demand: every fault meets an honest aggregator, and nothing is lost, doubled or believed."""

import pytest
import requests

from bidding.markets.uftp import messages as m
from tests.integration.mock_gopacs.market_process import wait_until
from tests.integration.mock_gopacs.test_uftp_calls import LIFE_CYCLE, settled
from tests.integration.mock_gopacs.uftp_aggregator import BROKER, DSO


def letters_of(stage, fault):
    return [message for message in stage.messages() if message["fault"] == fault]


@pytest.mark.parametrize(
    ("kind", "element", "status"),
    [
        ("unknown_key", "FlexOrder", 401),
        ("doctype", "FlexOrder", 400),
        ("doctype_inside", "FlexOrder", 400),
        ("huge_body", "FlexRequest", 400),
        ("same_id_other_content", "FlexRequest", 400),
        ("same_id_other_content", "FlexOfferResponse", 400),
        ("same_id_other_content", "FlexOrder", 400),
        ("sent_twice", "FlexRequest", 200),
        ("sent_twice", "FlexOrder", 200),
    ],
)
def test_a_letter_that_must_have_no_effect_has_none(running_stage, kind, element, status):
    running_stage.fault(kind, element=element)
    running_stage.call()
    assert settled(running_stage) == "CONFIRMED"
    (false,) = letters_of(running_stage, kind)
    assert (false["element"], false["status"]) == (element, status)
    # and without it the conversation is the usual one
    rest = [(item["direction"], item["element"]) for item in running_stage.messages() if item != false]
    assert rest == LIFE_CYCLE
    assert len(running_stage.aggregator.orders_taken_on) == 1
    # and it comes once
    assert running_stage.market.control("GET", "uftp/faults") == []


@pytest.mark.parametrize(
    ("kind", "element", "reason"),
    [
        ("wrong_recipient", "FlexRequest", "Unknown RecipientDomain"),
        ("wrong_recipient", "FlexOrder", "Unknown RecipientDomain"),
        ("role_mismatch", "FlexOrder", "Invalid Sender (not matching role)"),
        ("expired_request", "", "ExpirationDateTime out of bounds"),
        ("order_again", "", "FlexOffer was already ordered"),
    ],
)
def test_a_message_that_must_be_rejected_does_not_stop_the_true_one(running_stage, kind, element, reason):
    running_stage.fault(kind, element=element)
    running_stage.call()
    assert settled(running_stage) == "CONFIRMED"
    (false,) = letters_of(running_stage, kind)

    def rejections():
        answers = [item["content"] for item in running_stage.messages() if item["direction"] == "in"]
        return [answer for answer in answers if false["messageId"] in answer.values()]

    (answer,) = wait_until(rejections)
    assert (answer["Result"], reason in answer["RejectionReason"].split(";")) == ("Rejected", True)
    assert len(running_stage.aggregator.orders_taken_on) == 1


def test_an_order_that_deviates_from_the_option_is_refused(running_stage):
    running_stage.fault("deviating_order")
    running_stage.call()
    assert settled(running_stage) == "REFUSED"
    reason = running_stage.messages()[-1]["content"]["RejectionReason"].split(";")
    assert "Ordered flexibility does not match the offered flexibility" in reason
    assert running_stage.aggregator.orders_taken_on == []


def test_an_order_can_come_before_the_answer_to_its_offer(running_stage):
    running_stage.fault("order_before_offer_response")
    running_stage.call()
    assert settled(running_stage) == "CONFIRMED"
    taken = [item.message.element for item in running_stage.aggregator.received]
    assert taken == ["FlexRequest", "FlexOrder", "FlexOfferResponse"]


def test_a_key_can_be_rotated_in_the_middle_of_a_conversation(running_stage):
    running_stage.fault("rotated_key", element="FlexOrder")
    address = f"/uftp-participants/v3/participants/{DSO}"
    before = requests.get(
        running_stage.market.address + address, headers=running_stage.aggregator.authorization(), timeout=20
    ).json()
    running_stage.call()
    assert settled(running_stage) == "CONFIRMED"
    after = requests.get(
        running_stage.market.address + address, headers=running_stage.aggregator.authorization(), timeout=20
    ).json()
    assert before["domain"] == after["domain"] == DSO
    assert before["publicKey"] != after["publicKey"]


@pytest.mark.parametrize(
    "switch",
    [
        {"kind": "status", "status": 401},
        {"kind": "status", "status": 419},
        {"kind": "status", "status": 429, "retry_after": 1},
        {"kind": "status", "status": 500},
        {"kind": "reset"},
    ],
)
def test_the_broker_can_refuse_for_a_while(running_stage, switch):
    running_stage.market.control("POST", "faults", json={**switch, "path": BROKER})
    running_stage.call()
    assert settled(running_stage) == "CONFIRMED"
    assert [(item["direction"], item["element"]) for item in running_stage.messages()] == LIFE_CYCLE


@pytest.mark.parametrize("switch", [{"kind": "reply_lost"}, {"kind": "status_after", "status": 500}])
def test_a_message_whose_answer_was_lost_is_a_duplicate_the_second_time(running_stage, switch):
    running_stage.market.control("POST", "faults", json={**switch, "path": BROKER})
    running_stage.call()
    assert settled(running_stage) == "CONFIRMED"
    statuses = running_stage.aggregator.sent_statuses
    assert [status for status in statuses if status != 500] == [400, 200, 200]
    assert [(item["direction"], item["element"]) for item in running_stage.messages()] == LIFE_CYCLE


def test_tokens_that_end_in_mid_flight_are_renewed(running_stage):
    token = running_stage.aggregator.renew_token()
    assert running_stage.market.control("POST", "uftp/tokens/expire") == {"expired": 1}
    running_stage.call()
    assert settled(running_stage) == "CONFIRMED"
    assert running_stage.aggregator.authorization() != {"Authorization": f"Bearer {token}"}


def test_a_token_can_end_while_the_request_waits_at_the_door(stage):
    stage.market.control("POST", "faults", json={"kind": "delay", "seconds": 600, "path": BROKER})
    stage.aggregator.renew_token()
    with stage.market.clockwork():
        stage.call()
        assert wait_until(lambda: stage.market.control("GET", "faults") == [])
        stage.market.control("POST", "uftp/tokens/expire")
        stage.market.control("DELETE", "faults")
        assert settled(stage) == "CONFIRMED"
    assert stage.aggregator.sent_statuses == [401, 200, 200, 200]


@pytest.mark.parametrize(
    ("switch", "message"),
    [
        ({"kind": "status"}, "choose from"),
        ({"kind": "order_again", "element": "FlexRequest"}, "acts on a FlexOrder only"),
        ({"kind": "sent_twice", "times": 2}, r"has no ['times']"),
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(stage, switch, message):
    answer = requests.post(
        f"{stage.market.address}/control/uftp/faults", headers={"X-Control-Token": "control"}, json=switch, timeout=20
    )
    assert answer.status_code == 400
    assert message in answer.json()["errors"][0]["message"]


def test_faults_can_be_disarmed(running_stage):
    running_stage.fault("deviating_order")
    assert running_stage.market.control("DELETE", "uftp/faults") == []
    running_stage.call()
    assert settled(running_stage) == "CONFIRMED"
    assert running_stage.aggregator.messages(m.FlexOrder)
