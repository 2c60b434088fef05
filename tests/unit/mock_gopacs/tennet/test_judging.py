"""What is wrong with a bid document: one broken rule gives its reason code, and says which bid it is about."""

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidding.markets.safe_xml import InvalidXml
from mock_gopacs.tennet.judging import Sender, StandingBid, bids_of, judge
from mock_gopacs.tennet.ladder import Direction
from mock_gopacs.tennet.reading import read_document
from mock_gopacs.tennet.terms import Terms
from tests.bid_documents import BSP, PTU_17, bid, document

GATE = PTU_17 - timedelta(minutes=25)
BEFORE = GATE - timedelta(seconds=1)
QUARTER = timedelta(minutes=15)
SUBJECT = '<subject_MarketParticipant.mRID codingScheme="A10">8712345000011</subject_MarketParticipant.mRID>'


def sender(*bids, up=20, down=10):
    caps = {Direction.UP: Decimal(up), Direction.DOWN: Decimal(down)}
    return Sender(BSP, caps, {standing.mrid: standing for standing in bids})


def standing(mrid="bid-1", *, ptu=PTU_17, direction=Direction.UP, mw=5):
    return StandingBid(mrid, ptu, direction, Decimal(mw), Decimal(100))


def reasons(body, *, by=None, now=BEFORE, terms=None):
    findings = judge(read_document(body), sender=by or sender(), terms=terms or Terms(), now=now)
    return [(str(finding.code), finding.bid_mrid) for finding in findings]


@pytest.mark.parametrize("version", ["7:2", "7:4"])
def test_a_good_document_is_accepted_in_both_versions(version):
    body = document(bid(), bid("bid-2", direction="A02", price="-12.34", quantity="10"), version=version)
    assert reasons(body) == []
    assert bids_of(read_document(body)) == [
        StandingBid("bid-1", PTU_17, Direction.UP, Decimal(5), Decimal(100)),
        StandingBid("bid-2", PTU_17, Direction.DOWN, Decimal(10), Decimal("-12.34")),
    ]


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("<type>A37<", "<type>A38<", "A94"),
        ("processType>A51<", "processType>A47<", "A79"),
        ("<process.processType>A51</process.processType>", "", "A79"),
        ("Number>1<", "Number>2<", "A50"),
        (BSP, "8712345000011", "A78"),
        ('codingScheme="A10">8712345000004', 'codingScheme="A01">8712345000004', "A78"),
        ("sender_MarketParticipant.marketRole.type>A46<", "sender_MarketParticipant.marketRole.type>A08<", "A78"),
        ("8716867999983", "8716867111163", "A53"),
        ("receiver_MarketParticipant.marketRole.type>A04<", "receiver_MarketParticipant.marketRole.type>A46<", "A53"),
        ('<domain.mRID codingScheme="A01">10YNL', '<domain.mRID codingScheme="A01">10YBE', "A23"),
        (
            "<Bid_TimeSeries>",
            f"{SUBJECT}<Bid_TimeSeries>",
            "A78",
        ),
        ("<mRID>document-1</mRID>", "", "A69"),
        ("<mRID>document-1</mRID>", f"<mRID>{'x' * 61}</mRID>", "A94"),
        ("<createdDateTime>2026-01-14T12:00:00Z<", "<createdDateTime>2026-01-14T12:00Z<", "A94"),
        ("<createdDateTime>2026-01-14T12:00:00Z<", "<createdDateTime>2026-13-14T12:00:00Z<", "A94"),
        ("<end>2026-01-14T23:00Z<", "<end>2026-01-13T23:00Z<", "A04"),
        ("<domain.mRID", "<unknown/><domain.mRID", "A94"),
        ("<domain.mRID", "text<domain.mRID", "A94"),
        ("<revisionNumber>", '<revisionNumber of="it">', "A94"),
        ("<reserveBid_Period.timeInterval>", '<reserveBid_Period.timeInterval of="it">', "A94"),
    ],
)
def test_a_broken_rule_of_the_document_has_its_code(old, new, code):
    body = document(bid())
    assert old.encode() in body
    assert (code, None) in reasons(body.replace(old.encode(), new.encode(), 1))


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (">B74<", ">B95<", "A59"),
        (">MAW<", ">KWT<", "A59"),
        (">EUR<", ">USD<", "A59"),
        (">MWH<", ">KWH<", "A59"),
        ("<divisible>A01<", "<divisible>A02<", "A59"),
        ("<value>A06<", "<value>A11<", "A59"),
        ("ProductType>A01<", "ProductType>A02<", "A59"),
        ("direction>A01<", "direction>A03<", "A59"),
        ('<connecting_Domain.mRID codingScheme="A01">10YNL', '<connecting_Domain.mRID codingScheme="A01">10YBE', "A23"),
        ("<position>1<", "<position>2<", "A49"),
        (">5</quantity", ">5.5</quantity", "A42"),
        (">5</quantity", ">-5</quantity", "A46"),
        (">5</quantity", ">five</quantity", "A94"),
        (">5</quantity", ">0</quantity", "A59"),
        ("<energy_Price.amount>100.00</energy_Price.amount>", "", "A69"),
        (">100.00<", ">100.005<", "A59"),
        (">100.00<", ">15000.01<", "A59"),
        (">100.00<", ">-15000.01<", "A59"),
        ("PT15M", "PT60M", "A04"),
        ("PT15M", "15", "A94"),
        ("<end>2026-01-14T17:15Z<", "<end>2026-01-14T17:30Z<", "A04"),
        ("<start>2026-01-14T17:00Z<", "<start>2026-01-14T17:10Z<", "A04"),
        ("<end>2026-01-14T17:15Z<", "<end>2026-01-14T16:15Z<", "A04"),
        ("<status>", "<linkedBidsIdentification>a</linkedBidsIdentification><status>", "A59"),
        ("<Period>", "<marketAgreement.type>A01</marketAgreement.type><Period>", "A94"),
        ("<energy_Price.amount>", "<price.amount>1</price.amount><energy_Price.amount>", "A59"),
        ("</Point>", "</Point><Point><position>2</position><quantity.quantity>1</quantity.quantity></Point>", "A59"),
    ],
)
def test_a_broken_rule_of_a_bid_has_its_code_and_names_the_bid(old, new, code):
    body = document(bid())
    assert old.encode() in body
    assert (code, "bid-1") in reasons(body.replace(old.encode(), new.encode(), 1))


def test_a_document_needs_a_bid_and_each_bid_once():
    assert reasons(document()) == [("A52", None)]
    assert reasons(document(bid(), bid())) == [("A55", "bid-1"), ("A55", "bid-1")]


def test_a_bid_may_not_lie_outside_the_period_of_its_document():
    assert reasons(document(bid(start=PTU_17 + timedelta(days=1)))) == [("A04", "bid-1")]


def test_the_gate_closes_at_its_second_for_each_ptu_and_one_closed_bid_refuses_all():
    later = bid("bid-2", start=PTU_17 + QUARTER)
    assert reasons(document(bid(), later), now=BEFORE) == []
    assert reasons(document(bid(), later), now=GATE) == [("A57", "bid-1")]
    assert reasons(document(bid()), now=GATE, terms=Terms(gate_lead=timedelta(minutes=10))) == []


def test_all_live_bids_of_a_ptu_and_direction_count_for_the_cap():
    mine = sender(standing("old", mw=16), standing("cancelled", mw=0), standing("down", direction=Direction.DOWN))
    elsewhere = standing("later", ptu=PTU_17 + QUARTER, mw=20)
    assert reasons(document(bid(quantity="4")), by=mine) == []
    assert reasons(document(bid(quantity="5")), by=mine) == [("A59", "bid-1")]
    assert reasons(document(bid(quantity="20")), by=sender(elsewhere)) == []
    # a change or a cancellation makes room in the same document
    assert reasons(document(bid(quantity="10"), bid("old", quantity="10")), by=mine) == []
    assert reasons(document(bid(quantity="20"), bid("old", quantity="0", price=None)), by=mine) == []


@pytest.mark.parametrize("change", [{"start": PTU_17 + QUARTER}, {"direction": "A02"}])
def test_a_bid_keeps_its_ptu_and_direction(change):
    assert reasons(document(bid(**change)), by=sender(standing())) == [("A59", "bid-1")]
    assert reasons(document(bid(quantity="7")), by=sender(standing())) == []


def test_a_text_of_the_stranger_is_quoted_only_in_part():
    body = document(bid()).replace(b"<type>A37<", b"<type>" + b"A" * 5000 + b"<")
    (finding,) = judge(read_document(body), sender=sender(), terms=Terms(), now=BEFORE)
    assert len(finding.text) < 200


def test_another_kind_of_document_is_not_read_further():
    body = document(bid()).replace(b":7:4", b":7:6")
    assert reasons(body) == [("A94", None)]


@pytest.mark.parametrize("body", [b"", b"{}", b"<a>", b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', b"<a>\0</a>"])
def test_what_is_no_plain_xml_is_no_document(body):
    with pytest.raises(InvalidXml):
        read_document(body)


@given(st.data())
def test_no_damage_makes_judging_fail(data):
    body = bytearray(document(bid(), bid("bid-2", direction="A02", quantity="0")))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(body) - 1))
        length = data.draw(st.integers(0, 30))
        body[place : place + length] = data.draw(
            st.sampled_from([b"", b"<", b"</", b"9", b"-", b"A", b"\xff", b"&lt;"])
        )
    try:
        read = read_document(bytes(body))
    except InvalidXml:
        return
    judge(read, sender=sender(standing("bid-2", direction=Direction.DOWN)), terms=Terms(), now=BEFORE)
