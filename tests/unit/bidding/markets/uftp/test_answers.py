from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from bidding.markets.uftp import messages as m
from bidding.markets.uftp.answers import NotAnswerable, mirror_offer, respond
from bidding.markets.uftp.codec import parse, serialise
from bidding.markets.uftp.references import RESPONSES, reference_of
from bidding.markets.uftp.settlement_messages import OrderSettlementStatus
from bidding.markets.uftp.vocabulary import Disposition, Result, SettlementDisposition
from tests.conformance.uftp.samples import (
    AGR,
    CONVERSATION_ID,
    DSO,
    NOW,
    OFFER,
    ORDER_ID,
    OTHER_ID,
    PROGNOSIS,
    REQUEST,
    REQUEST_ID,
    SAMPLES,
    SETTLEMENT,
)


def test_acceptance_goes_back_in_the_version_and_conversation_of_the_message():
    response = respond(replace(REQUEST, version="3.1.0"), message_id=OTHER_ID, now=NOW)
    assert response == m.FlexRequestResponse(
        version="3.1.0",
        sender_domain=AGR,
        recipient_domain=DSO,
        time_stamp=NOW,
        message_id=OTHER_ID,
        conversation_id=CONVERSATION_ID,
        result=Result.ACCEPTED,
        flex_request_message_id=REQUEST_ID,
    )


def test_reasons_reject_and_are_joined_by_a_semicolon():
    response = respond(REQUEST, message_id=OTHER_ID, now=NOW, reasons=("ISP conflict", "Period out of bounds"))
    assert isinstance(response, m.FlexRequestResponse)
    assert (response.result, response.rejection_reason) == (Result.REJECTED, "ISP conflict;Period out of bounds")


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.element)
def test_everything_but_a_response_can_be_answered_and_the_answer_sent(sample):
    if type(sample) in RESPONSES or isinstance(sample, m.TestMessage):
        response = respond(sample, message_id=OTHER_ID, now=NOW)
        assert parse(serialise(response)) == response
        assert type(response).__name__ == type(sample).__name__ + "Response"
        if not isinstance(sample, m.TestMessage):
            assert reference_of(response) == (type(sample), sample.message_id)
    else:
        with pytest.raises(NotAnswerable, match=f"A {sample.element} has no response"):
            respond(sample, message_id=OTHER_ID, now=NOW)


@pytest.mark.parametrize(
    ("reasons", "disputes", "status"),
    [
        ((), {}, (SettlementDisposition.ACCEPTED, None)),
        ((), {"order-1": "meter differs"}, (SettlementDisposition.DISPUTED, "meter differs")),
        (("Period out of bounds",), {}, (SettlementDisposition.DISPUTED, "Period out of bounds")),
    ],
)
def test_settlement_is_answered_order_by_order(reasons, disputes, status):
    response = respond(SETTLEMENT, message_id=OTHER_ID, now=NOW, reasons=reasons, disputes=disputes)
    disposition, reason = status
    assert response.statuses == (
        OrderSettlementStatus(order_reference="order-1", disposition=disposition, dispute_reason=reason),
    )


def test_prognosis_is_answered_with_the_orders_that_still_hold():
    response = respond(PROGNOSIS, message_id=OTHER_ID, now=NOW, order_statuses={ORDER_ID: False})
    assert response.order_statuses == (m.FlexOrderStatus(flex_order_message_id=ORDER_ID, is_validated=False),)


def test_mirror_offer_confirms_every_requested_isp():
    available = m.FlexRequestIsp(disposition=Disposition.AVAILABLE, min_power_w=0, max_power_w=9, start=1, duration=68)
    request = replace(REQUEST, isps=(available, *REQUEST.isps))
    offer = mirror_offer(request, message_id=OFFER.message_id, shares={"opt-1": 1}, now=NOW, baseline_reference="")
    assert offer == OFFER


def test_mirror_offer_takes_its_own_price_and_expiry():
    expires_at = NOW + timedelta(hours=1)
    offer = mirror_offer(
        REQUEST, message_id=OTHER_ID, shares={"o": 1}, now=NOW, expires_at=expires_at, price=Decimal("12.50")
    )
    assert (offer.expires_at, offer.options[0].price, offer.currency) == (expires_at, Decimal("12.50"), "EUR")


def test_mirror_offer_gives_an_option_for_each_share():
    factor = Decimal("0.50")
    shares = {"all": Decimal(1), "a third": Decimal("0.33")}
    offer = mirror_offer(REQUEST, message_id=OTHER_ID, shares=shares, now=NOW, min_activation_factor=factor)
    asked = [isp.power_w for isp in OFFER.options[0].isps]
    assert [option.option_reference for option in offer.options] == ["all", "a third"]
    assert [isp.power_w for isp in offer.options[0].isps] == asked
    assert [isp.power_w for isp in offer.options[1].isps] == [int(power_w * shares["a third"]) for power_w in asked]
    assert {option.min_activation_factor for option in offer.options} == {factor}
