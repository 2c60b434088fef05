from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregator.core.interval import Interval
from bidding.markets.afrr.acknowledgement import AnotherDocument, Reason, Verdict, read_acknowledgement
from bidding.markets.afrr.fields import UnreadableMessage
from tests.damaged import damaged
from tests.unit.bidding.markets.afrr.samples import ACKNOWLEDGED, acknowledgement, acknowledgements

PERIOD = Interval(datetime(2026, 1, 14, 16, tzinfo=UTC), datetime(2026, 1, 14, 16, 15, tzinfo=UTC))


def read(*reasons, **content):
    return read_acknowledgement(acknowledgement(*reasons, **content), about="document-1")


@pytest.mark.parametrize("version", ["8:1", "7:0"])
def test_an_accepted_document_has_no_reasons(version):
    answer = read("A01", version=version)
    assert (answer.verdict, answer.document_mrid, answer.rejected_mrids, answer.reasons) == (
        Verdict.ACCEPTED, "document-1", (), (),
    )  # fmt: skip


def test_a_rejected_document_says_why_and_which_bids():
    answer = read(
        ("A02", "Not taken."), "A53", rejected=[("up-1", PERIOD, [("A57", "Gate closed.")]), ("down-1", None, ["A02"])],
        errors=[(PERIOD, ["A04"])],
    )  # fmt: skip
    assert (answer.verdict, answer.rejected_mrids) == (Verdict.REJECTED, ("up-1", "down-1"))
    assert answer.reasons == (
        Reason("A02", "Not taken."),
        Reason("A53"),
        Reason("A04", period=PERIOD),
        Reason("A57", "Gate closed.", "up-1", PERIOD),
        Reason("A02", bid_mrid="down-1"),
    )


def test_a_document_may_be_taken_in_part():
    answer = read("A03", rejected=[("up-1", None, ["A57"])])
    assert (answer.verdict, answer.rejected_mrids) == (Verdict.IN_PART, ("up-1",))


@pytest.mark.parametrize("version", ["8:1", "7:0"])
@given(data=st.data())
def test_what_an_acknowledgement_says_is_read(version, data):
    body, said = data.draw(acknowledgements(version))
    assert read_acknowledgement(body, about=said.document_mrid) == said


def test_an_answer_about_another_document_is_told_apart():
    with pytest.raises(AnotherDocument, match="about document other, and not about document-1"):
        read("A01", about="other")


@pytest.mark.parametrize(
    ("reasons", "content", "says"),
    [
        ([], {}, "gives none of A01"),
        (["999"], {}, "gives none of A01"),
        (["A01", "A02"], {}, r"gives A01 and A02 of A01 \(accepted\)"),
        (["A59"], {"errors": [(PERIOD, ["A01"])]}, "gives none of A01"),
        (["A01"], {"rejected": [("up-1", None, [])]}, r"accepts the document \(A01\), and rejects bids"),
        (["A03"], {}, r"rejects bids \(A03\), and does not say which"),
        (["A02", "refused"], {}, "reason 'refused', which is no code"),
        (["A02"], {"rejected": [("", None, [])]}, "gives mRID as ''"),
        (["A02"], {"rejected": [("x" * 61, None, [])]}, "gives mRID as 'xxx"),
        (["A02"], {"rejected": [("up\u202e1", None, [])]}, r"gives mRID as 'up\\u202e1', which names nothing"),
        (["A01"], {"version": "9:0"}, "is no Acknowledgement_MarketDocument of 8.1 or 7.0"),
    ],
)
def test_a_verdict_that_is_missing_or_contradicts_itself_is_no_verdict(reasons, content, says):
    with pytest.raises(UnreadableMessage, match=says):
        read(*reasons, **content)


def test_an_unknown_day_is_no_period():
    body = acknowledgement("A02", errors=[(PERIOD, ["A04"])])
    for good, bad in ((b"14T16:00Z", b"32T16:00Z"), (b"14T16:00Z", b"14T16:00"), (b"14T16:00Z", b"14T16:15Z")):
        with pytest.raises(UnreadableMessage, match="which is no period"):
            read_acknowledgement(body.replace(good, bad), about="document-1")


@pytest.mark.parametrize(
    ("good", "bad", "says"),
    [
        (b"<received_MarketDocument.mRID>document-1</received_MarketDocument.mRID>", b"",
         r"holds received_MarketDocument\.mRID 0 times"),
        (b"<received_MarketDocument.mRID>", b"<received_MarketDocument.mRID>x</received_MarketDocument.mRID>\\g<0>",
         r"holds received_MarketDocument\.mRID 2 times"),
        (b">document-1<", b"><b>document-1</b><", r"holds elements in received_MarketDocument\.mRID"),
        (b"<code>A01</code>", b"<code>A01</code><code>A02</code>", "holds code 2 times"),
        (ACKNOWLEDGED.encode() + b"8:1", b"urn:else", "is no Acknowledgement"),
        (b"Acknowledgement_MarketDocument", b"ReserveBid_MarketDocument", "is no Acknowledgement"),
        (b"<Reason>", b"", "cannot be parsed"),
    ],
)  # fmt: skip
def test_what_is_not_where_it_belongs_is_named(good, bad, says):
    body = acknowledgement("A01")
    assert good in body
    with pytest.raises(UnreadableMessage, match=says):
        read_acknowledgement(body.replace(good, bad.replace(b"\\g<0>", good)), about="document-1")


def test_a_document_type_is_refused_before_it_is_read():
    bomb = b'<!DOCTYPE a [<!ENTITY b "A01">]>' + acknowledgement("A01").partition(b"\n")[2].replace(b">A01<", b">&b;<")
    with pytest.raises(UnreadableMessage, match="DOCTYPE"):
        read_acknowledgement(bomb, about="document-1")


def test_blanks_and_comments_of_a_pretty_printer_change_nothing():
    body = acknowledgement("A01").replace(b">document-1<", b">\n  <!-- ours -->document-1\n<")
    assert read_acknowledgement(body.replace(b">A01<", b"> A01 <"), about="document-1").verdict is Verdict.ACCEPTED


def test_a_reason_is_kept_to_the_length_that_the_schema_gives_it():
    assert read(("A02", "x" * 600)).reasons == (Reason("A02", "x" * 512),)


originals = acknowledgements().map(lambda drawn: drawn[0])


@settings(max_examples=300)
@given(st.binary(max_size=300) | damaged(originals))
def test_no_bytes_raise_anything_but_our_own_exception(body):
    with suppress(UnreadableMessage):
        read_acknowledgement(body, about="document-1")
