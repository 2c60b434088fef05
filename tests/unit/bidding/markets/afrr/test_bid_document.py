from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given

from aggregator.core.ptu import PTU
from bidding.markets.afrr.bid_document import BidDocument, bid_document_xml
from bidding.markets.afrr.bids import InvalidBid
from tests.unit.bidding.markets.afrr.reading import read_bid_document
from tests.unit.bidding.markets.afrr.samples import CREATED_AT, DOCUMENT, DOWN, PTU_AT_17, TERMS, UP, US, bid_documents

GOLDEN = (
    "<?xml version='1.0' encoding='UTF-8'?>\n"
    '<ReserveBid_MarketDocument xmlns="urn:iec62325.351:tc57wg16:451-7:reservebiddocument:7:4">'
    "<mRID>document-1</mRID><revisionNumber>1</revisionNumber><type>A37</type>"
    "<process.processType>A51</process.processType>"
    '<sender_MarketParticipant.mRID codingScheme="A10">8716871000002</sender_MarketParticipant.mRID>'
    "<sender_MarketParticipant.marketRole.type>A46</sender_MarketParticipant.marketRole.type>"
    '<receiver_MarketParticipant.mRID codingScheme="A10">8716867999983</receiver_MarketParticipant.mRID>'
    "<receiver_MarketParticipant.marketRole.type>A04</receiver_MarketParticipant.marketRole.type>"
    "<createdDateTime>2026-01-14T15:30:05Z</createdDateTime>"
    "<reserveBid_Period.timeInterval><start>2026-01-14T16:00Z</start><end>2026-01-14T16:30Z</end>"
    "</reserveBid_Period.timeInterval>"
    '<domain.mRID codingScheme="A01">10YNL----------L</domain.mRID>'
    '<subject_MarketParticipant.mRID codingScheme="A10">8716871000002</subject_MarketParticipant.mRID>'
    "<subject_MarketParticipant.marketRole.type>A46</subject_MarketParticipant.marketRole.type>"
    "<Bid_TimeSeries><mRID>up-1</mRID><businessType>B74</businessType>"
    '<acquiring_Domain.mRID codingScheme="A01">10YNL----------L</acquiring_Domain.mRID>'
    '<connecting_Domain.mRID codingScheme="A01">10YNL----------L</connecting_Domain.mRID>'
    "<quantity_Measurement_Unit.name>MAW</quantity_Measurement_Unit.name><currency_Unit.name>EUR</currency_Unit.name>"
    "<divisible>A01</divisible><status><value>A06</value></status>"
    "<flowDirection.direction>A01</flowDirection.direction>"
    "<energyPrice_Measurement_Unit.name>MWH</energyPrice_Measurement_Unit.name>"
    "<standard_MarketProduct.marketProductType>A01</standard_MarketProduct.marketProductType>"
    "<Period><timeInterval><start>2026-01-14T16:00Z</start><end>2026-01-14T16:15Z</end></timeInterval>"
    "<resolution>PT15M</resolution><Point><position>1</position><quantity.quantity>2</quantity.quantity>"
    "<energy_Price.amount>183.07</energy_Price.amount></Point></Period></Bid_TimeSeries>"
    "<Bid_TimeSeries><mRID>down-1</mRID><businessType>B74</businessType>"
    '<acquiring_Domain.mRID codingScheme="A01">10YNL----------L</acquiring_Domain.mRID>'
    '<connecting_Domain.mRID codingScheme="A01">10YNL----------L</connecting_Domain.mRID>'
    "<quantity_Measurement_Unit.name>MAW</quantity_Measurement_Unit.name><currency_Unit.name>EUR</currency_Unit.name>"
    "<divisible>A01</divisible><status><value>A06</value></status>"
    "<flowDirection.direction>A02</flowDirection.direction>"
    "<energyPrice_Measurement_Unit.name>MWH</energyPrice_Measurement_Unit.name>"
    "<marketAgreement.type>A01</marketAgreement.type><marketAgreement.mRID>capacity-7</marketAgreement.mRID>"
    "<standard_MarketProduct.marketProductType>A01</standard_MarketProduct.marketProductType>"
    "<Period><timeInterval><start>2026-01-14T16:15Z</start><end>2026-01-14T16:30Z</end></timeInterval>"
    "<resolution>PT15M</resolution><Point><position>1</position><quantity.quantity>1</quantity.quantity>"
    "<energy_Price.amount>-15.00</energy_Price.amount></Point></Period></Bid_TimeSeries>"
    "</ReserveBid_MarketDocument>"
)


def test_a_document_looks_like_this_on_the_wire():
    assert bid_document_xml(DOCUMENT, terms=TERMS).decode() == GOLDEN


def test_the_older_version_names_its_units_otherwise_and_nothing_else():
    older = GOLDEN.replace("Measurement_Unit", "Measure_Unit").replace("document:7:4", "document:7:2")
    assert bid_document_xml(DOCUMENT, terms=TERMS, version="7.2").decode() == older


@given(bid_documents())
def test_a_document_comes_back_equal(document):
    read = read_bid_document(bid_document_xml(document, terms=TERMS))
    assert read.document == document
    starts = sorted(bid.ptu for bid in document.bids)
    assert read.period == (starts[0], starts[-1] + PTU)


def test_a_bid_is_changed_and_taken_back_by_its_own_mrid_in_a_new_document():
    back = BidDocument("document-2", US, CREATED_AT + timedelta(seconds=1), (replace(UP, power_w=0),))
    read = read_bid_document(bid_document_xml(back, terms=TERMS)).document
    assert [(bid.mrid, bid.ptu, bid.direction, bid.power_w) for bid in read.bids] == [("up-1", PTU_AT_17, "reduce", 0)]


def test_the_zero_of_a_price_has_no_sign():
    free = replace(DOCUMENT, bids=(replace(UP, price_eur_per_mwh=Decimal("-0.00")),))
    assert b"<energy_Price.amount>0.00<" in bid_document_xml(free, terms=TERMS)


def test_an_mrid_cannot_add_elements():
    sly = replace(DOCUMENT, bids=(replace(UP, mrid="</mRID><mRID>&amp;"),))
    assert read_bid_document(bid_document_xml(sly, terms=TERMS)).document == sly


def document(*bids, **changes):
    return bid_document_xml(replace(DOCUMENT, bids=bids, **changes), terms=TERMS)


def test_bids_after_the_gate_would_spoil_the_others_and_are_not_written():
    gate = TERMS.gate_of(PTU_AT_17)
    assert document(UP, DOWN, created_at=gate - timedelta(microseconds=1))
    with pytest.raises(InvalidBid, match=r"Bid up-1 is for the PTU at 2026-01-14T16:00:00\+00:00, whose gate closed"):
        document(DOWN, UP, created_at=gate)


def test_a_document_holds_1_to_2000_bids():
    many = [replace(UP, mrid=f"bid-{number}") for number in range(2001)]
    assert document(*many[:2000]).count(b"<Bid_TimeSeries>") == 2000
    with pytest.raises(InvalidBid, match="holds 2001 bids: give 1 to 2000"):
        document(*many)
    with pytest.raises(InvalidBid, match="holds 0 bids"):
        document()


def test_a_bid_is_named_once():
    with pytest.raises(InvalidBid, match="names bid up-1 more than once"):
        document(UP, DOWN, UP)


def test_a_document_keeps_to_one_dutch_day():
    last, first = (replace(UP, mrid=name, ptu=UP.ptu.replace(hour=hour)) for name, hour in (("l", 22), ("f", 23)))
    with pytest.raises(InvalidBid, match="holds bids for 2026-01-14 and 2026-01-15: give each Dutch day"):
        document(first, last)


def test_a_bid_against_the_terms_is_not_written():
    with pytest.raises(InvalidBid, match="is of 1500000 W"):
        document(replace(UP, power_w=1_500_000))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"mrid": ""}, "mRID of a document"),
        ({"sender": "8716871000003"}, "Document document-1 cannot be sent: .* is not an EAN-13"),
        ({"receiver": "10X1001A1001A361"}, "is not an EAN-13"),
        ({"created_at": CREATED_AT.replace(tzinfo=None)}, "has no time zone"),
    ],
)
def test_a_document_that_cannot_be_sent_is_named(changes, says):
    with pytest.raises(InvalidBid, match=says):
        replace(DOCUMENT, **changes)


def test_an_unknown_version_is_named():
    with pytest.raises(InvalidBid, match=r"no bid document 7\.6: give one of 7\.4, 7\.2"):
        bid_document_xml(DOCUMENT, terms=TERMS, version="7.6")
