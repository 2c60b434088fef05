"""The played TenneT against the official schemas: its acknowledgements are valid, and it takes no invalid bids."""

from datetime import UTC, datetime
from decimal import Decimal
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from bidding.markets.safe_xml import InvalidXml
from mock_gopacs.tennet.acknowledging import acknowledge
from mock_gopacs.tennet.findings import Finding, Reason
from mock_gopacs.tennet.judging import Sender, bids_of, judge
from mock_gopacs.tennet.ladder import Direction
from mock_gopacs.tennet.reading import BidDocument, read_document
from mock_gopacs.tennet.terms import Terms
from tests.bid_documents import BSP, TENNET, bid, document
from tests.shared_data import shared_path

NOW = datetime(2026, 1, 14, 15, 0, 0, 123456, tzinfo=UTC)


@cache
def schema(name: str) -> etree.XMLSchema:
    return etree.XMLSchema(file=str(shared_path(f"standards/cim/{name}.xsd")))


def bid_schema(version: str) -> etree.XMLSchema:
    return schema(f"iec62325-451-7-reservebiddocument_v{version.replace(':', '_')}")


def valid_acknowledgement(read: BidDocument, findings=()) -> etree._Element:
    answer = acknowledge(read, findings, mrid="answer-1", tennet=TENNET, bsp=BSP, now=NOW)
    root = etree.fromstring(answer)
    schema("iec62325-451-1-acknowledgement_v8_1").assertValid(root)
    return root


def texts(root: etree._Element, name: str) -> list[str]:
    return [element.text or "" for element in root.iter(f"{{*}}{name}")]


def test_an_acceptance_says_which_document_is_meant():
    root = valid_acknowledgement(read_document(document(bid())))
    assert texts(root, "received_MarketDocument.mRID") == ["document-1"]
    assert texts(root, "received_MarketDocument.process.processType") == ["A51"]
    assert texts(root, "code") == ["A01"]


@pytest.mark.parametrize("code", list(Reason))
def test_a_refusal_is_valid_with_each_reason_of_ours(code):
    found = [Finding(code, "x" * 600, "bid-1"), Finding(code, "<&>"), Finding(code, "y", "bid-2")]
    found.append(Finding(code, "z", "bid-1"))
    root = valid_acknowledgement(read_document(document(bid())), found)
    assert texts(root, "code") == [code, code, code, "A02", code]
    assert [bid.findtext("{*}mRID") for bid in root.iter("{*}Rejected_TimeSeries")] == ["bid-1", "bid-2"]


def test_what_could_not_be_read_is_answered_validly_too():
    read = read_document(b"<unknown/>")
    root = valid_acknowledgement(read, read.found)
    assert texts(root, "code") == ["A02", "A94"]
    assert texts(root, "received_MarketDocument.mRID") == []


@pytest.mark.parametrize("version", ["7:2", "7:4"])
def test_the_documents_of_these_tests_are_valid_and_read(version):
    body = document(bid(), bid("bid-2", quantity="0", price=None), version=version)
    bid_schema(version).assertValid(etree.fromstring(body))
    assert len(bids_of(read_document(body))) == 2


@pytest.mark.parametrize("version", ["7:2", "7:4"])
@given(data=st.data())
def test_what_the_schema_calls_invalid_is_refused_and_the_refusal_is_valid(version, data):
    # given a document in which one element is left out, doubled, moved, renamed, emptied or filled otherwise
    root = etree.fromstring(document(bid(), bid("bid-2", direction="A02"), version=version))
    victim = data.draw(st.sampled_from([element for element in root.iter() if element is not root]))
    parent = victim.getparent()
    match data.draw(st.sampled_from(["drop", "double", "move", "rename", "text", "attribute"])):
        case "drop":
            parent.remove(victim)
        case "double":
            parent.insert(parent.index(victim), etree.fromstring(etree.tostring(victim)))
        case "move":
            parent.append(victim)
        case "rename":
            victim.tag = victim.tag + "x"
        case "text":
            victim.text = data.draw(st.sampled_from(["", " ", "x", "-1", "1e3", "9" * 70, "A01", "2026-02-30T00:00Z"]))
        case _:
            victim.set(data.draw(st.sampled_from(["codingScheme", "other"])), data.draw(st.sampled_from(["A01", "?"])))
    body = etree.tostring(root)
    # when it is read
    try:
        read = read_document(body)
    except InvalidXml:
        return
    # then it passes only if it is valid, and is answered validly
    valid_acknowledgement(read, read.found)
    if not bid_schema(version).validate(etree.fromstring(body)):
        assert judge(read, sender=Sender(BSP, dict.fromkeys(Direction, Decimal(99)), {}), terms=Terms(), now=NOW)
