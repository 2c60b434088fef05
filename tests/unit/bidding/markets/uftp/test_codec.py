from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bidding.markets.safe_xml import InvalidXml
from bidding.markets.uftp.codec import parse, serialise
from bidding.markets.uftp.problems import InvalidMessage
from tests.conformance.uftp.samples import OFFER, OPTION, ORDER, REQUEST, SAMPLES, in_version, offer_of


def problems_of(document: bytes) -> list[str]:
    with pytest.raises(InvalidMessage) as caught:
        parse(document)
    return [str(problem) for problem in caught.value.problems]


def test_an_offer_looks_like_this_on_the_wire():
    document = serialise(replace(OFFER, options=(replace(OPTION, isps=OPTION.isps[:1]),)))
    assert document.decode() == (
        '<FlexOffer Version="3.0.0" SenderDomain="agr.example.com" RecipientDomain="dso.example.com" '
        'TimeStamp="2026-06-30T06:00:00Z" MessageID="22222222-2222-4222-8222-222222222222" '
        'ConversationID="55555555-5555-4555-8555-555555555555" ISP-Duration="PT15M" TimeZone="Europe/Amsterdam" '
        'Period="2026-07-01" CongestionPoint="ean.871685900012636543" ExpirationDateTime="2026-06-30T13:00:00Z" '
        'FlexRequestMessageID="11111111-1111-4111-8111-111111111111" ContractID="CBC-1" BaselineReference="" '
        'Currency="EUR"><OfferOption OptionReference="opt-1" Price="0.00" MinActivationFactor="1.00">'
        '<ISP Power="-100000" Start="69" Duration="1"/></OfferOption></FlexOffer>'
    )


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.element)
def test_messages_come_back_equal(sample):
    assert parse(serialise(sample)) == sample


def test_problems_say_where_why_and_how_to_fix_it():
    document = serialise(OFFER)
    document = document.replace(b' Currency="EUR"', b' Foo="1"').replace(b'Start="71"', b'Start="0"')
    assert problems_of(document) == [
        "FlexOffer@Foo: is no attribute of this version; leave it out",
        "FlexOffer@Currency: is missing; give an ISO 4217 code such as EUR",
        "FlexOffer/OfferOption/ISP[3]@Start: '0' is not allowed; give a whole number of at least 1",
    ]


def test_isps_with_and_without_optional_attributes_mix():
    document = serialise(ORDER).replace(b' Start="70" Duration="1"', b' Duration="1" Start="70"')
    document = document.replace(b' Start="71" Duration="1"', b' Start="71"')
    assert parse(document) == ORDER


def test_missing_attribute_of_one_isp_is_found():
    assert problems_of(serialise(ORDER).replace(b' Start="70"', b"")) == [
        "FlexOrder/ISP[2]@Start: is missing; give a whole number of at least 1"
    ]


def test_message_without_isps_is_refused():
    assert problems_of(serialise(ORDER).split(b"<ISP")[0] + b"</FlexOrder>") == [
        "FlexOrder/ISP: is missing; give at least 1"
    ]


def test_unknown_message_is_refused_with_the_known_ones():
    assert problems_of(b"<AGRPortfolioQuery/>")[0].startswith("AGRPortfolioQuery: is no message; send one of TestMess")


def test_attribute_of_a_later_version_is_neither_read_nor_written():
    newer = in_version(OFFER, "3.1.0")
    assert b'Unsolicited="false"' in serialise(newer)
    assert problems_of(serialise(newer).replace(b'"3.1.0"', b'"3.0.0"')) == [
        "FlexOffer@Unsolicited: is no attribute of this version; leave it out"
    ]
    with pytest.raises(InvalidMessage, match="FlexOffer@Unsolicited: does not exist in this version; leave it None"):
        serialise(replace(newer, version="3.0.0"))


def test_order_needs_its_offer_in_3_0_only():
    with pytest.raises(InvalidMessage, match="FlexOrder@FlexOfferMessageID: is missing; give a UUID"):
        serialise(replace(ORDER, flex_offer_message_id=None))
    unsolicited = replace(ORDER, version="3.1.0", flex_offer_message_id=None, unsolicited=True)
    assert parse(serialise(unsolicited)) == unsolicited


def test_all_problems_of_a_value_are_reported_before_sending():
    wrong = replace(
        OFFER, currency="euro", options=(replace(OPTION, isps=(replace(OPTION.isps[0], power_w=0.5),) * 2),)
    )
    with pytest.raises(InvalidMessage) as caught:
        serialise(wrong)
    assert [problem.where for problem in caught.value.problems] == [
        "FlexOffer@Currency",
        "FlexOffer/OfferOption/ISP[1]@Power",
        "FlexOffer/OfferOption/ISP[2]@Power",
    ]


def test_row_of_another_class_is_not_written():
    with pytest.raises(InvalidMessage, match="FlexOrder/ISP: holds FlexRequestIsp; give only PowerIsp"):
        serialise(replace(ORDER, isps=REQUEST.isps))


def test_a_hundred_wrong_isps_make_a_short_error():
    document = serialise(offer_of(96)).replace(b"Power=", b"Watt=")
    with pytest.raises(InvalidMessage) as caught:
        parse(document)
    assert len(caught.value.problems) == 97
    assert str(caught.value).endswith("\nand 77 more")


@pytest.mark.parametrize(
    ("document", "why"),
    [
        (b'<!DOCTYPE x [<!ENTITY a "b">]><x/>', "DOCTYPE"),
        ('<!DOCTYPE x [<!ENTITY a "b">]><x/>'.encode("utf-16"), "NUL"),
        (b'<?xml version="1.0" encoding="UTF-7"?>+ADwAIQ-DOCTYPE x+AD4-<x/>', "cannot be parsed"),
        (b"<x>&undefined;</x>", "cannot be parsed"),
        (b"<x", "cannot be parsed"),
        (b"", "cannot be parsed"),
        (b"\xff\xfe", "cannot be parsed"),
        (b"<x>" * 300 + b"</x>" * 300, "cannot be parsed"),
    ],
)
def test_dangerous_and_broken_xml_is_refused(document, why):
    with pytest.raises(InvalidXml, match=why):
        parse(document)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200) | st.text("<>/!&;=\"' abcDOCTYPE[]?xml-\0é", max_size=120).map(str.encode))
def test_no_bytes_escape_with_another_exception(document):
    with pytest.raises((InvalidXml, InvalidMessage)):
        parse(document)


@settings(max_examples=500, deadline=None)
@given(st.sampled_from(SAMPLES), st.data())
def test_no_damage_to_a_message_escapes_with_another_exception(sample, data):
    document = bytearray(serialise(sample))
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(document) - 1))
        document[start : start + data.draw(st.integers(0, 8))] = data.draw(st.binary(max_size=4))
    with suppress(InvalidXml, InvalidMessage):
        parse(bytes(document))
