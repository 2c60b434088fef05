"""What fault switches make of a message on its way out."""

from datetime import timedelta

import pytest

from bidding.markets.safe_xml import InvalidXml
from bidding.markets.uftp.codec import parse
from bidding.markets.uftp.envelope import SignatureRefused, open_envelope, read_envelope
from bidding.markets.uftp.keys import key_from_seed
from bidding.markets.uftp.vocabulary import Role
from mock_gopacs.uftp.letters import HUGE_BODY_BYTES, Signer, letters
from tests.conformance.uftp.samples import DSO, NOW, ORDER, REQUEST

KEY = key_from_seed(b"d" * 32)
SIGNER = Signer(domain=DSO, key=KEY, forged_key=key_from_seed(b"f" * 32))


def made(message, *faults):
    return letters(message, signer=SIGNER, faults=faults, now=NOW)


def read(letter):
    return parse(open_envelope(read_envelope(letter.body), public_keys=[KEY.public_key]))


def test_without_a_fault_there_is_one_true_letter():
    (letter,) = made(ORDER)
    assert (read(letter), letter.message, letter.fault) == (ORDER, ORDER, "")
    assert read_envelope(letter.body).sender_role is Role.DSO


@pytest.mark.parametrize(
    "kind", ["unknown_key", "wrong_recipient", "role_mismatch", "doctype", "doctype_inside", "huge_body"]
)
def test_a_false_letter_comes_first_under_another_id(kind):
    false, true = made(ORDER, kind)
    assert (read(true), true.fault, false.fault) == (ORDER, "", kind)
    assert false.message.message_id != ORDER.message_id


def test_each_false_letter_is_false_in_its_own_way():
    forged, astray, posing, hostile, wrapped, huge, _ = made(
        ORDER, "unknown_key", "wrong_recipient", "role_mismatch", "doctype", "doctype_inside", "huge_body"
    )
    with pytest.raises(SignatureRefused):
        read(forged)
    assert read(astray).recipient_domain == "someone-else.example"
    assert read_envelope(posing.body).sender_role is Role.AGR
    with pytest.raises(InvalidXml, match="DOCTYPE"):
        read_envelope(hostile.body)
    signed = open_envelope(read_envelope(wrapped.body), public_keys=[KEY.public_key])
    with pytest.raises(InvalidXml, match="DOCTYPE"):
        parse(signed)
    assert len(huge.body) >= HUGE_BODY_BYTES


def test_a_true_letter_can_be_followed_by_itself_or_by_an_imitation():
    true, twin, again, imitation = made(ORDER, "sent_twice", "order_again", "same_id_other_content")
    assert twin.body == true.body
    assert (read(again).message_id == ORDER.message_id, read(again).isps) == (False, ORDER.isps)
    assert read(imitation).message_id == ORDER.message_id
    assert read(imitation).isps != ORDER.isps


def test_a_deviating_order_takes_the_place_of_the_true_one():
    (letter,) = made(ORDER, "deviating_order")
    order = read(letter)
    assert (order.message_id, letter.fault) == (ORDER.message_id, "deviating_order")
    assert [isp.power_w for isp in order.isps] == [isp.power_w - 1000 for isp in ORDER.isps]
    assert order.price != ORDER.price


def test_an_expired_request_precedes_the_true_one():
    late, true = made(REQUEST, "expired_request")
    assert (read(late).expires_at, read(true)) == (NOW - timedelta(minutes=1), REQUEST)


@pytest.mark.parametrize("kind", ["deviating_order", "order_again", "expired_request"])
def test_a_fault_of_another_message_does_nothing(kind):
    message = ORDER if kind == "expired_request" else REQUEST
    assert [read(letter) for letter in made(message, kind)] == [message]
