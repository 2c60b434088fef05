"""Writes the Acknowledgement_MarketDocument 8.1 to a bid document: accepted as a whole, or refused as a whole."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

from lxml import etree

from mock_gopacs.tennet.findings import LONGEST_TEXT, Finding, Reason
from mock_gopacs.tennet.judging import DOCUMENT_TYPE, PARTY_SCHEME, PROCESS
from mock_gopacs.tennet.reading import BidDocument

NAMESPACE = "urn:iec62325.351:tc57wg16:451-1:acknowledgementdocument:8:1"
_NAMESPACES: Any = {None: NAMESPACE}  # the stubs know no default namespace
_TENNET_ROLE, _BSP_ROLE = "A04", "A46"


def acknowledge(
    document: BidDocument, findings: Sequence[Finding], *, mrid: str, tennet: str, bsp: str, now: datetime
) -> bytes:
    """Return the acknowledgement under `mrid`; of the document it repeats what could be read."""
    root = etree.Element(f"{{{NAMESPACE}}}Acknowledgement_MarketDocument", nsmap=_NAMESPACES)
    _add(root, "mRID", mrid)
    _add(root, "createdDateTime", _instant(now))
    _add(root, "sender_MarketParticipant.mRID", tennet, codingScheme=PARTY_SCHEME)
    _add(root, "sender_MarketParticipant.marketRole.type", _TENNET_ROLE)
    _add(root, "receiver_MarketParticipant.mRID", bsp, codingScheme=PARTY_SCHEME)
    _add(root, "receiver_MarketParticipant.marketRole.type", _BSP_ROLE)
    _repeat(root, document)
    for bid_mrid, reasons in groupby(_by_bid(findings), key=lambda finding: finding.bid_mrid or ""):
        rejected = _add(root, "Rejected_TimeSeries")
        _add(rejected, "mRID", bid_mrid)
        _add_reasons(rejected, reasons)
    _add_reasons(root, [_verdict(findings), *(finding for finding in findings if finding.bid_mrid is None)])
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8")


def _verdict(findings: Sequence[Finding]) -> Finding:
    if findings:
        return Finding(Reason.REJECTED, "The document is refused as a whole; no bid was changed.")
    return Finding(Reason.ACCEPTED, "The document is accepted as a whole.")


def _repeat(root: etree._Element, document: BidDocument) -> None:
    """Say which document is meant; codes that no schema knows are not repeated."""
    texts = document.texts
    if "mRID" in texts:
        _add(root, "received_MarketDocument.mRID", texts["mRID"])
    if "revisionNumber" in texts:
        _add(root, "received_MarketDocument.revisionNumber", texts["revisionNumber"])
    if texts.get("type") == DOCUMENT_TYPE:
        _add(root, "received_MarketDocument.type", DOCUMENT_TYPE)
    if texts.get("process.processType") == PROCESS:
        _add(root, "received_MarketDocument.process.processType", PROCESS)
    if document.created_at:
        _add(root, "received_MarketDocument.createdDateTime", _instant(document.created_at))


def _by_bid(findings: Iterable[Finding]) -> list[Finding]:
    return sorted((item for item in findings if item.bid_mrid), key=lambda finding: finding.bid_mrid or "")


def _add_reasons(parent: etree._Element, findings: Iterable[Finding]) -> None:
    for finding in findings:
        reason = _add(parent, "Reason")
        _add(reason, "code", finding.code)
        _add(reason, "text", finding.text[:LONGEST_TEXT])


def _add(parent: etree._Element, name: str, text: str | None = None, **attributes: str) -> etree._Element:
    child = etree.SubElement(parent, f"{{{NAMESPACE}}}{name}", attributes)
    child.text = text
    return child


def _instant(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
