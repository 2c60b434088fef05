"""Bids, documents of them and acknowledgements, fixed and generated."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial

from hypothesis import strategies as st
from lxml import etree

from aggregator.core.ean import Ean13
from aggregator.core.interval import Interval
from aggregator.core.ptu import ptus_of_day
from bidding.markets.afrr.acknowledgement import Acknowledgement, Reason, Verdict
from bidding.markets.afrr.bid_document import BidDocument
from bidding.markets.afrr.bids import Agreement, AgreementKind, Bid
from bidding.markets.afrr.terms import ProductTerms

TERMS = ProductTerms()
US = Ean13("8716871000002")
PTU_AT_17 = datetime(2026, 1, 14, 16, tzinfo=UTC)
CREATED_AT = datetime(2026, 1, 14, 15, 30, 5, tzinfo=UTC)
ACKNOWLEDGED = "urn:iec62325.351:tc57wg16:451-1:acknowledgementdocument:"

UP = Bid("up-1", PTU_AT_17, "reduce", 2_000_000, Decimal("183.07"))
DOWN = Bid(
    "down-1", PTU_AT_17 + timedelta(minutes=15), "increase", 1_000_000, Decimal(-15),
    agreement=Agreement(AgreementKind.DAILY, "capacity-7"),
)  # fmt: skip
DOCUMENT = BidDocument("document-1", US, CREATED_AT, (UP, DOWN))

mrids = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=60)
days = st.sampled_from([date(2026, 3, 29), date(2026, 10, 25)]) | st.dates(date(2020, 1, 1), date(2099, 12, 30))
cents = st.decimals(-15_000, 15_000, places=2)


@st.composite
def bid_documents(draw):
    """Any document that our terms allow."""
    ptus = ptus_of_day(draw(days))
    bids = draw(
        st.lists(
            st.builds(
                Bid,
                mrid=mrids,
                ptu=st.sampled_from(ptus),
                direction=st.sampled_from(["reduce", "increase"]),
                power_w=st.integers(0, 999).map(lambda megawatt: megawatt * 1_000_000),
                price_eur_per_mwh=cents,
                agreement=st.none() | st.builds(Agreement, st.sampled_from(AgreementKind), mrids),
            ),
            min_size=1,
            max_size=6,
            unique_by=lambda bid: bid.mrid,
        )
    )
    created_at = min(TERMS.gate_of(bid.ptu) for bid in bids) - draw(st.integers(1, 10**6)) * timedelta(seconds=1)
    return BidDocument(draw(mrids), US, created_at, tuple(bids))


def acknowledgement(*reasons, rejected=(), about="document-1", version="8:1", optional=True, errors=()):
    """Return an acknowledgement in bytes; a reason is its code, or code and text.

    `rejected` holds mRIDs with their reasons, `errors` periods of the document with theirs.
    """
    namespace = f"{ACKNOWLEDGED}{version}"
    root = etree.Element(f"{{{namespace}}}Acknowledgement_MarketDocument", nsmap={None: namespace})
    add = partial(_add, namespace)
    add(root, "mRID", "answer-1")
    add(root, "createdDateTime", "2026-01-14T15:30:06Z")
    add(root, "sender_MarketParticipant.mRID", "8716867999983", codingScheme="A10")
    add(root, "sender_MarketParticipant.marketRole.type", "A04")
    add(root, "receiver_MarketParticipant.mRID", US, codingScheme="A10")
    if optional:
        add(root, "receiver_MarketParticipant.marketRole.type", "A46")
    add(root, "received_MarketDocument.mRID", about)
    if optional:
        add(root, "received_MarketDocument.revisionNumber", "1")
        add(root, "received_MarketDocument.type", "A37")
        add(root, "received_MarketDocument.createdDateTime", "2026-01-14T15:30:05Z")
    for mrid, period, its_reasons in rejected:
        series = add(root, "Rejected_TimeSeries")
        add(series, "mRID", mrid)
        _add_reasons(add, series, period, its_reasons)
    for reason in reasons:
        _add_reasons(add, root, None, [reason])
    for period, its_reasons in errors:
        _add_reasons(add, root, period, its_reasons)
    return etree.tostring(root, encoding="UTF-8", xml_declaration=True)


def _add_reasons(add, parent, period, reasons):
    if period:
        parent = add(parent, "InError_Period")
        interval = add(parent, "timeInterval")
        add(interval, "start", f"{period.starts_at:%Y-%m-%dT%H:%MZ}")
        add(interval, "end", f"{period.ends_at:%Y-%m-%dT%H:%MZ}")
    for reason in reasons:
        code, text = (reason, "") if isinstance(reason, str) else reason
        element = add(parent, "Reason")
        add(element, "code", code)
        if text:
            add(element, "text", text)


def _add(namespace, parent, name, text=None, **attributes):
    element = etree.SubElement(parent, f"{{{namespace}}}{name}", attributes)
    element.text = text
    return element


_texts = st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF, exclude_categories=["Cc", "Z"]), max_size=40)
_reasons = st.lists(st.tuples(st.sampled_from(["A57", "A59", "B09", "999"]), _texts), min_size=1, max_size=3)
_starts = st.datetimes(datetime(2020, 1, 1), datetime(2099, 1, 1), timezones=st.just(UTC)).map(  # noqa: DTZ001 - bounds
    lambda instant: instant.replace(second=0, microsecond=0)
)
_periods = _starts.map(lambda start: Interval(start, start + timedelta(minutes=15)))
_rejected = st.lists(st.tuples(mrids, st.none() | _periods, _reasons), min_size=1, max_size=3)


@st.composite
def acknowledgements(draw, version="8:1"):
    """Any acknowledgement that says something, and what it says."""
    verdict = draw(st.sampled_from(Verdict))
    may_name_bids = {
        Verdict.ACCEPTED: st.just([]),
        Verdict.REJECTED: st.just([]) | _rejected,
        Verdict.IN_PART: _rejected,
    }
    rejected, others = draw(may_name_bids[verdict]), draw(st.just([]) | _reasons)
    errors = draw(st.lists(st.tuples(_periods, _reasons), max_size=2))
    about, optional = draw(mrids), draw(st.booleans())
    body = acknowledgement(
        verdict.value,
        *others,
        rejected=rejected,
        about=about,
        errors=errors,
        version=version,
        optional=optional,
    )
    reasons = [Reason(code, text) for code, text in others]
    reasons += [Reason(code, text, None, period) for period, its in errors for code, text in its]
    reasons += [Reason(code, text, mrid, period) for mrid, period, its in rejected for code, text in its]
    mrids_of_bids = tuple(mrid for mrid, _, _ in rejected)
    return body, Acknowledgement("answer-1", about, verdict, mrids_of_bids, tuple(reasons))
