"""Called contracts from the request to the confirmed order, and every way in which they end otherwise."""

import signal
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
import requests

from bidding.markets.uftp import messages as m
from bidding.markets.uftp.answers import mirror_offer, respond
from bidding.markets.uftp.powers import PowerMeaning
from tests.integration.mock_gopacs.market_process import EAN_CENTRE, end, ms, start_clockwork, utc, wait_until
from tests.integration.mock_gopacs.uftp_aggregator import AGR, CONTRACT, DSO, new_id, uftp_scenario

LIFE_CYCLE = [
    ("out", "FlexRequest"), ("in", "FlexRequestResponse"), ("in", "FlexOffer"), ("out", "FlexOfferResponse"),
    ("out", "FlexOrder"), ("in", "FlexOrderResponse"),
]  # fmt: skip


def settled(stage):
    """Wait until nothing is left to send, and return the state of the last call."""
    finals = {"CONFIRMED", "REFUSED", "DECLINED", "LAPSED", "REVOKED", "MISSED"}

    def done():
        is_sent = all(message["state"] != "waiting" for message in stage.messages())
        return stage.state() in finals and is_sent

    assert wait_until(done), stage.calls()
    return stage.state()


def test_a_call_goes_from_request_to_confirmed_order(running_stage):
    call = running_stage.call()
    assert settled(running_stage) == "CONFIRMED"
    # then the messages came in order, all accepted
    messages = running_stage.messages(conversationId=call["conversationId"])
    assert [(message["direction"], message["element"]) for message in messages] == LIFE_CYCLE
    assert {message["state"] for message in messages} == {"delivered", "accepted"}
    # and the request asks for what the contract says
    (request,) = running_stage.aggregator.messages(m.FlexRequest)
    assert (request.sender_domain, request.recipient_domain, request.version) == (DSO, AGR, "3.0.0")
    assert (request.congestion_point, request.contract_id) == (f"ean.{EAN_CENTRE}", CONTRACT)
    assert [(isp.start, isp.min_power_w, isp.max_power_w) for isp in request.isps] == [
        (number, 0, 50_000) for number in range(69, 81)
    ]
    assert request.expires_at == utc(15, 40)
    # and the order repeats the offer
    (order,) = running_stage.aggregator.messages(m.FlexOrder)
    assert [(isp.start, isp.power_w) for isp in order.isps] == [(number, 50_000) for number in range(69, 81)]
    assert running_stage.aggregator.orders_taken_on == [order.order_reference]


@pytest.mark.parametrize(
    ("terms", "asked"),
    [
        ({"power_meaning": "limit", "congestion": "OFF_TAKE"}, (0, 50_000)),
        ({"power_meaning": "limit", "congestion": "FEED_IN"}, (-50_000, 0)),
        ({"power_meaning": "delta", "congestion": "OFF_TAKE"}, (-50_000, 0)),
        ({"power_meaning": "delta", "congestion": "FEED_IN", "version": "3.1.0"}, (0, 50_000)),
    ],
)
def test_limits_and_deviations_of_either_side_can_be_called(stage, terms, asked):
    stage.aggregator.power_meaning = PowerMeaning(terms["power_meaning"])
    stage.market.load(uftp_scenario(stage.aggregator, **terms))
    with stage.market.clockwork():
        stage.call()
        assert settled(stage) == "CONFIRMED"
    (request,) = stage.aggregator.messages(m.FlexRequest)
    assert {(isp.min_power_w, isp.max_power_w) for isp in request.isps} == {asked}
    assert request.version == terms.get("version", "3.0.0")


@pytest.mark.parametrize(
    ("day", "month", "called", "isps"),
    [(14, 1, utc(7, day=13), range(1, 17)), (29, 3, utc(7, day=28, month=3), range(1, 13)),
     (25, 10, utc(6, day=24, month=10), range(1, 21))],
)  # fmt: skip
def test_the_day_before_at_eight_is_when_contracts_are_called(stage, day, month, called, isps):
    calls = [{"starts_at": "00:00", "ends_at": "04:00"}]
    document = {**uftp_scenario(stage.aggregator, calls=calls), "date": f"2026-{month:02}-{day:02}"}
    stage.set_clock(called - timedelta(hours=1))
    stage.market.load(document)
    assert stage.advance(called - timedelta(seconds=1)) == []
    assert stage.advance(called) == ["contract called"]
    (request,) = stage.messages()
    assert [int(isp["Start"]) for isp in request["content"]["ISP"]] == list(isps)
    assert request["content"]["Period"] == f"2026-{month:02}-{day:02}"


def test_a_contract_is_called_by_the_scenario_the_same_afternoon(stage):
    calls = [{"called_at": "15:45", "starts_at": "17:00", "ends_at": "20:00"}]
    stage.market.load(uftp_scenario(stage.aggregator, calls=calls))
    with stage.market.clockwork():
        stage.set_clock(utc(14, 45))
        assert settled(stage) == "CONFIRMED"


def test_a_call_that_comes_after_its_window_began_is_missed(stage):
    calls = [{"called_at": "15:00", "starts_at": "15:30", "ends_at": "16:00"}]
    stage.market.load(uftp_scenario(stage.aggregator, calls=calls))
    assert stage.advance(utc(14, 40)) == ["call missed"]
    assert (stage.state(), stage.messages()) == ("MISSED", [])


def test_a_declined_request_is_not_ordered(running_stage):
    running_stage.market.load(uftp_scenario(running_stage.aggregator, contract_id="CBC-unknown"))
    running_stage.call(contract_id="CBC-unknown")
    assert settled(running_stage) == "DECLINED"
    assert [message["element"] for message in running_stage.messages()] == ["FlexRequest", "FlexRequestResponse"]
    assert running_stage.messages()[1]["content"]["RejectionReason"] == "Unknown reference ContractID"


def test_a_call_without_an_offer_lapses_when_the_request_expires(stage):
    stage.aggregator.answers_by_itself = False
    stage.call()
    assert stage.advance(utc(15, 39)) == []
    assert stage.advance(utc(15, 40)) == ["call lapsed"]
    assert stage.state() == "LAPSED"


def opened(stage, **changes):
    """Call, deliver the request, and return it: the test is the aggregator."""
    stage.aggregator.answers_by_itself = False
    stage.call(**changes)
    assert wait_until(lambda: stage.aggregator.messages(m.FlexRequest))
    return stage.aggregator.messages(m.FlexRequest)[0]


def accept(stage, request):
    now = stage.aggregator.now
    assert stage.aggregator.send(respond(request, message_id=new_id(), now=now)).status_code == 200
    assert stage.state() == "AWAITING_OFFER"


def offer_to(stage, request, **changes):
    now = stage.aggregator.now
    offer = mirror_offer(request, message_id=new_id(), shares={"only": 1}, now=now, **changes)
    assert stage.aggregator.send(offer).status_code == 200
    return offer


def last_answer(stage, message):
    """Return result and reason of the response to a message of ours."""
    (answer,) = (
        item["content"] for item in stage.messages()
        if item["direction"] == "out" and message.message_id in item["content"].values()
        and item["element"].endswith("Response")
    )  # fmt: skip
    return answer["Result"], answer.get("RejectionReason")


def test_an_offer_before_the_acceptance_of_its_request_is_rejected(running_stage):
    request = opened(running_stage)
    offer = offer_to(running_stage, request)
    assert last_answer(running_stage, offer) == ("Rejected", "FlexRequest was not accepted before the FlexOffer")
    accept(running_stage, request)
    offer_to(running_stage, request)
    assert running_stage.state() == "ORDERED"


def test_offers_are_judged_by_the_official_reasons(running_stage):
    request = opened(running_stage)
    accept(running_stage, request)
    now = running_stage.aggregator.now
    good = mirror_offer(request, message_id=new_id(), shares={"only": 1}, now=now)
    first = good.options[0]
    offers = [
        ("Unknown FlexRequestMessageID reference", replace(good, flex_request_message_id=new_id())),
        ("Unknown FlexRequestMessageID reference", replace(good, conversation_id=new_id())),
        ("Reference Period mismatch", replace(good, period=good.period + timedelta(days=1))),
        ("Unknown reference ContractID", replace(good, contract_id="other")),
        ("Invalid CongestionPoint", replace(good, congestion_point="ean.871685900000000017")),
        ("ExpirationDateTime out of bounds", replace(good, expires_at=now - timedelta(seconds=1))),
        ("ISP conflict", replace(good, options=(replace(first, isps=first.isps + first.isps[:1]),))),
        (
            "Price in FlexOffer option is not valid for the given currency",
            replace(good, options=(replace(first, price=Decimal("0.001")),)),
        ),
        ("Unsupported Version", replace(good, version="3.1.0", unsolicited=False)),
        ("Mismatch SenderDomain", replace(good, sender_domain="other.example.nl")),
    ]
    for reason, offer in offers:
        named = replace(offer, message_id=new_id())
        running_stage.aggregator.send(named)
        result, reasons = last_answer(running_stage, named)
        assert (result, reason in reasons.split(";")) == ("Rejected", True), reasons
    assert running_stage.state() == "AWAITING_OFFER"
    # and after all that a good one is ordered
    offer_to(running_stage, request)
    assert running_stage.state() == "ORDERED"


@pytest.mark.parametrize("change", ["weaker", "dearer", "shorter"])
def test_an_offer_that_is_no_help_is_accepted_but_not_ordered(running_stage, change):
    request = opened(running_stage)
    accept(running_stage, request)
    good = mirror_offer(request, message_id=new_id(), shares={"only": 1}, now=running_stage.aggregator.now)
    (option,) = good.options
    option = {
        "weaker": replace(option, isps=tuple(replace(isp, power_w=50_001) for isp in option.isps)),
        "dearer": replace(option, price=Decimal("0.01")),
        "shorter": replace(option, isps=option.isps[:-1]),
    }[change]
    offer = replace(good, options=(option,))
    running_stage.aggregator.send(offer)
    assert last_answer(running_stage, offer) == ("Accepted", None)
    assert running_stage.state() == "AWAITING_OFFER"


def test_of_several_options_the_cheapest_that_helps_is_ordered(stage):
    stage.market.load(uftp_scenario(stage.aggregator, price_eur=10))
    with stage.market.clockwork():
        request = opened(stage)
        accept(stage, request)
        good = mirror_offer(request, message_id=new_id(), shares={"a": 1}, now=stage.aggregator.now)
        (option,) = good.options
        weak = tuple(replace(isp, power_w=60_000) for isp in option.isps)
        options = (
            replace(option, price=Decimal(9)),
            replace(option, option_reference="b", price=Decimal(4)),
            replace(option, option_reference="c", price=Decimal(1), isps=weak),
        )
        stage.aggregator.send(replace(good, options=options))
        assert wait_until(lambda: stage.aggregator.messages(m.FlexOrder))
    (order,) = stage.aggregator.messages(m.FlexOrder)
    assert (order.option_reference, order.price) == ("b", 4)


def revocation_of(offer, now):
    names = ("version", "sender_domain", "recipient_domain", "conversation_id")
    return m.FlexOfferRevocation(
        **{name: getattr(offer, name) for name in names},
        message_id=new_id(), time_stamp=now, flex_offer_message_id=offer.message_id,
    )  # fmt: skip


def test_a_revoked_offer_is_not_ordered_and_another_may_come(running_stage):
    request = opened(running_stage, order_delay_minutes=10)
    accept(running_stage, request)
    offer = offer_to(running_stage, request)
    assert running_stage.state() == "OFFERED"
    # when
    revocation = revocation_of(offer, running_stage.aggregator.now)
    running_stage.aggregator.send(revocation)
    assert last_answer(running_stage, revocation) == ("Accepted", None)
    again = revocation_of(offer, running_stage.aggregator.now)
    running_stage.aggregator.send(again)
    assert last_answer(running_stage, again) == ("Rejected", "Reference message revoked")
    # then
    running_stage.set_clock(utc(14, 51))
    second = offer_to(running_stage, request)
    running_stage.set_clock(utc(15, 1))
    assert wait_until(lambda: running_stage.aggregator.messages(m.FlexOrder))
    (order,) = running_stage.aggregator.messages(m.FlexOrder)
    assert order.flex_offer_message_id == second.message_id


def test_a_revocation_that_crosses_the_order_wins(running_stage):
    request = opened(running_stage)
    accept(running_stage, request)
    offer = offer_to(running_stage, request)
    assert running_stage.state() == "ORDERED"
    revocation = revocation_of(offer, running_stage.aggregator.now)
    running_stage.aggregator.send(revocation)
    assert last_answer(running_stage, revocation) == ("Accepted", None)
    assert running_stage.state() == "REVOKED"


def test_an_offer_that_expired_before_its_order_lapses(running_stage):
    request = opened(running_stage, order_delay_minutes=10)
    accept(running_stage, request)
    offer_to(running_stage, request, expires_at=utc(14, 45))
    running_stage.set_clock(utc(14, 50))
    assert settled(running_stage) == "LAPSED"


def test_a_test_message_is_answered(running_stage):
    test = m.TestMessage(
        version="3.0.0", sender_domain=AGR, recipient_domain=DSO, time_stamp=running_stage.aggregator.now,
        message_id=new_id(), conversation_id=new_id(),
    )  # fmt: skip
    assert running_stage.aggregator.send(test).status_code == 200
    assert wait_until(lambda: running_stage.aggregator.messages(m.TestMessageResponse))
    (answer,) = running_stage.aggregator.messages(m.TestMessageResponse)
    assert answer.conversation_id == test.conversation_id


def test_what_is_not_taken_is_sent_again_with_the_same_bytes_and_in_order(running_stage):
    running_stage.aggregator.forced_statuses = [500, 419]
    running_stage.call()
    assert settled(running_stage) == "CONFIRMED"
    first, second, third = running_stage.aggregator.received[:3]
    assert [item.status for item in (first, second, third)] == [500, 419, 200]
    assert first.body == second.body == third.body
    assert running_stage.messages()[0]["attempts"] == 3


def test_an_order_waits_for_the_answer_to_its_offer_to_be_taken(running_stage):
    running_stage.aggregator.forced_statuses = [None, 503, 503]
    running_stage.call()
    assert settled(running_stage) == "CONFIRMED"
    _, first, second, third, last = running_stage.aggregator.received
    assert [item.status for item in (first, second, third)] == [503, 503, 200]
    assert first.body == second.body == third.body
    assert (third.message.element, last.message.element) == ("FlexOfferResponse", "FlexOrder")


def test_what_is_refused_for_good_is_given_up(running_stage):
    running_stage.aggregator.forced_statuses = [400]
    running_stage.call()
    assert wait_until(lambda: running_stage.messages()[0]["state"] == "given up")
    request = running_stage.messages()[0]
    assert (request["attempts"], request["status"], request["lastError"]) == (1, 400, "forced")
    assert running_stage.state() == "REQUESTED"


def test_a_market_killed_at_every_message_goes_on_where_it_stood(stage):
    stage.call()
    for count in (1, 2, 3):
        clockwork = start_clockwork(stage.market.environment)
        assert wait_until(lambda count=count: len(stage.aggregator.received) >= count)
        end(clockwork, signal.SIGKILL)  # perhaps before it noted that the message was taken
    with stage.market.clockwork():
        assert settled(stage) == "CONFIRMED"
    # then nothing was lost, and what was sent again was the same
    assert [(message["direction"], message["element"]) for message in stage.messages()] == LIFE_CYCLE
    assert len({item.body for item in stage.aggregator.received}) == 3
    assert len(stage.aggregator.orders_taken_on) == 1


def test_two_clockworks_say_everything_once(stage):
    with stage.market.clockwork(), stage.market.clockwork():
        for number in range(4):
            stage.call(starts_at=f"{17 + number}:00", ends_at=f"{17 + number}:45")
        assert wait_until(lambda: {call["state"] for call in stage.calls()} == {"CONFIRMED"})
    assert len(stage.aggregator.received) == 4 * 3
    assert len({item.body for item in stage.aggregator.received}) == 4 * 3


def test_a_reload_in_mid_conversation_breaks_nothing(stage):
    with stage.market.clockwork() as clockwork:
        for round_number in range(6):
            stage.call()
            assert wait_until(lambda count=round_number: len(stage.aggregator.received) > count)
            stage.market.load(uftp_scenario(stage.aggregator))
        stage.call()
        assert settled(stage) == "CONFIRMED"
        assert clockwork.poll() is None
    assert set(stage.aggregator.sent_statuses) <= {200, 400, 401}


def test_the_page_shows_calls_and_their_messages(running_stage):
    running_stage.fault("deviating_order")
    running_stage.call()
    assert settled(running_stage) == "REFUSED"
    page = running_stage.market.call("GET", "/").text
    for text in (
        CONTRACT,
        "Refused",
        "FlexOfferResponse",
        "fault: deviating_order",
        EAN_CENTRE,
        "limit 50 kW",
        "Rejected: Ordered flexibility",
    ):
        assert text in page


def test_a_call_can_be_asked_for_only_in_the_future_and_in_known_words(stage):
    for body, code in [
        ({"contract_id": "none", "starts_at": "17:00", "ends_at": "18:00"}, "CONTRACT_UNKNOWN"),
        ({"contract_id": CONTRACT, "starts_at": "15:30", "ends_at": "18:00"}, "FIELD_INVALID"),
        ({"contract_id": CONTRACT, "starts_at": "17:05", "ends_at": "18:00"}, "FIELD_INVALID"),
        ({"contract_id": CONTRACT, "starts_at": "17:00"}, "FIELD_REQUIRED"),
        ({"contract_id": CONTRACT, "starts_at": "17:00", "ends_at": "18:00", "when": 1}, "FIELD_UNKNOWN"),
    ]:
        answer = requests.post(
            f"{stage.market.address}/control/uftp/calls", headers={"X-Control-Token": "control"}, json=body, timeout=20
        )
        assert answer.json()["errors"][0]["code"] == code
    assert stage.calls() == []
    assert ms(utc(16)) == stage.call()["startsAt"]
