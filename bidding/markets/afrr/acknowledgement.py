"""Reading what TenneT answers to a document: Acknowledgement_MarketDocument 8.1, and the older 7.0.

Only what the verdict needs is read; what else such a document may hold is left alone.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from lxml import etree

from aggregator.core.interval import Interval
from bidding.markets.afrr.bids import LONGEST_MRID
from bidding.markets.afrr.fields import UnreadableMessage, shown
from bidding.markets.safe_xml import InvalidXml, parse_xml

NAMESPACES = tuple(f"urn:iec62325.351:tc57wg16:451-1:acknowledgementdocument:{version}" for version in ("8:1", "7:0"))
LONGEST_TEXT = 512
_is_code = re.compile(r"[A-Z0-9]{3}", re.ASCII).fullmatch
_is_minute = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\dZ", re.ASCII).fullmatch


class AnotherDocument(UnreadableMessage):
    """The acknowledgement is about a document that was not asked about."""


class Verdict(Enum):
    """What became of a document as a whole; the value is its reason code."""

    ACCEPTED = "A01"
    REJECTED = "A02"
    IN_PART = "A03"
    """The bids that the reasons name are rejected, the others stand."""


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason: about the whole document, or a bid, or only a period of either."""

    code: str
    text: str = ""
    bid_mrid: str | None = None
    period: Interval | None = None


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """The verdict on the document `document_mrid`, the bids it rejects by name, and the reasons beside the verdict."""

    mrid: str
    document_mrid: str
    verdict: Verdict
    rejected_mrids: tuple[str, ...]
    reasons: tuple[Reason, ...]


def read_acknowledgement(body: bytes, *, about: str) -> Acknowledgement:
    """Return the acknowledgement of the document with the mRID `about`.

    Raises `AnotherDocument` where it is about another one, and `UnreadableMessage` for anything that is no
    acknowledgement, or whose verdict is missing or contradicts itself.
    """
    try:
        root = parse_xml(body)
    except InvalidXml as error:
        raise UnreadableMessage(f"TenneT's acknowledgement cannot be read: {error}") from error
    name = etree.QName(root)
    if name.localname != "Acknowledgement_MarketDocument" or name.namespace not in NAMESPACES:
        raise UnreadableMessage(f"{shown(root.tag)} is no Acknowledgement_MarketDocument of 8.1 or 7.0.")
    document_mrid = _mrid(root, "received_MarketDocument.mRID")
    if document_mrid != about:
        raise AnotherDocument(f"TenneT's acknowledgement is about document {document_mrid}, and not about {about}.")
    rejected = list(_children(root, "Rejected_TimeSeries"))
    document_reasons = list(_reasons(root))
    verdict = _verdict(document_reasons, has_rejected=bool(rejected))
    rejected_mrids = [_mrid(series, "mRID") for series in rejected]
    bid_reasons = [
        reason for series, mrid in zip(rejected, rejected_mrids, strict=True) for reason in _reasons(series, mrid)
    ]
    return Acknowledgement(
        mrid=_mrid(root, "mRID"),
        document_mrid=document_mrid,
        verdict=verdict,
        rejected_mrids=tuple(rejected_mrids),
        reasons=tuple(reason for reason in [*document_reasons, *bid_reasons] if reason != Reason(verdict.value)),
    )


def _verdict(reasons: list[Reason], *, has_rejected: bool) -> Verdict:
    said = {reason.code for reason in reasons if reason.period is None} & {verdict.value for verdict in Verdict}
    if len(said) != 1:
        raise UnreadableMessage(
            f"TenneT's acknowledgement gives {' and '.join(sorted(said)) or 'none'} of A01 (accepted), A02 (rejected) "
            "and A03 (in part), where one of them belongs."
        )
    verdict = Verdict(said.pop())
    if verdict is Verdict.ACCEPTED and has_rejected:
        raise UnreadableMessage("TenneT's acknowledgement accepts the document (A01), and rejects bids in it.")
    if verdict is Verdict.IN_PART and not has_rejected:
        raise UnreadableMessage("TenneT's acknowledgement rejects bids (A03), and does not say which.")
    return verdict


def _reasons(parent: etree._Element, bid_mrid: str | None = None) -> Iterator[Reason]:
    for element in _children(parent, "Reason"):
        yield _reason(element, bid_mrid, None)
    for part in _children(parent, "InError_Period"):
        period = _period(part)
        for element in _children(part, "Reason"):
            yield _reason(element, bid_mrid, period)


def _reason(element: etree._Element, bid_mrid: str | None, period: Interval | None) -> Reason:
    code = _text(element, "code")
    if not _is_code(code):
        raise UnreadableMessage(f"TenneT's acknowledgement gives the reason {shown(code)}, which is no code.")
    has_text = next(_children(element, "text"), None) is not None
    text = _text(element, "text") if has_text else ""
    return Reason(code, text[:LONGEST_TEXT], bid_mrid, period)


def _period(part: etree._Element) -> Interval:
    interval = _child(part, "timeInterval")
    ends = [_text(interval, name) for name in ("start", "end")]
    try:
        if all(map(_is_minute, ends)):
            return Interval(*map(datetime.fromisoformat, ends))
    except ValueError:  # a day that no calendar has, or an end that is not after its start
        pass
    raise UnreadableMessage(f"TenneT's acknowledgement names {shown('/'.join(ends))}, which is no period.")


def _mrid(parent: etree._Element, name: str) -> str:
    mrid = _text(parent, name)
    if not 1 <= len(mrid) <= LONGEST_MRID or not mrid.isprintable():
        raise UnreadableMessage(f"TenneT's acknowledgement gives {name} as {shown(mrid)}, which names nothing.")
    return mrid


def _text(parent: etree._Element, name: str) -> str:
    element = _child(parent, name)
    if len(element):
        raise UnreadableMessage(f"TenneT's acknowledgement holds elements in {name}, where text belongs.")
    return (element.text or "").strip()


def _child(parent: etree._Element, name: str) -> etree._Element:
    found = list(_children(parent, name))
    if len(found) != 1:
        raise UnreadableMessage(f"TenneT's acknowledgement holds {name} {len(found)} times, where one belongs.")
    return found[0]


def _children(parent: etree._Element, name: str) -> Iterator[etree._Element]:
    return parent.iterchildren(f"{{{etree.QName(parent).namespace}}}{name}")
