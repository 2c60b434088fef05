"""Bids to XML: ReserveBid_MarketDocument 7.4, and 7.2, which names its units otherwise.

Values as Fingrid documents them for aFRR energy; parties are named by their EAN-13 and areas by their EIC.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from lxml import etree

from aggregator.core.ean import Ean13
from aggregator.core.interval import Interval, utc
from aggregator.core.money import price_text
from aggregator.core.ptu import MARKET_ZONE, PTU
from bidding.markets.afrr.bids import Bid, InvalidBid, require_mrid, require_within_terms
from bidding.markets.afrr.terms import WATT_PER_MEGAWATT, ProductTerms

Version = Literal["7.4", "7.2"]

TENNET = Ean13("8716867999983")
"""TenneT as receiver, in the code of two public clients of its other services."""
NETHERLANDS = "10YNL----------L"
NAMESPACES: Mapping[Version, str] = {
    "7.4": "urn:iec62325.351:tc57wg16:451-7:reservebiddocument:7:4",
    "7.2": "urn:iec62325.351:tc57wg16:451-7:reservebiddocument:7:2",
}
_UNIT: Mapping[Version, str] = {"7.4": "Measurement_Unit", "7.2": "Measure_Unit"}
_GS1, _EIC = "A10", "A01"
_RESERVE_TENDER, _AFRR, _OFFER = "A37", "A51", "B74"
_BSP, _SYSTEM_OPERATOR = "A46", "A04"
_DIVISIBLE, _AVAILABLE, _STANDARD_PRODUCT = "A01", "A06", "A01"
_FLOW = {"reduce": "A01", "increase": "A02"}


@dataclass(frozen=True, slots=True)
class BidDocument:
    """Bids that go out together and are taken or refused together.

    A change needs a new document, with a new `mrid` and a later `created_at`, which is written in whole seconds. Raises
    `InvalidBid` for what cannot name a document or a party.
    """

    mrid: str
    sender: Ean13
    created_at: datetime
    bids: tuple[Bid, ...]
    receiver: Ean13 = TENNET

    def __post_init__(self) -> None:
        require_mrid(self.mrid, "a document")
        try:
            object.__setattr__(self, "created_at", utc(self.created_at))
            object.__setattr__(self, "sender", Ean13(self.sender))
            object.__setattr__(self, "receiver", Ean13(self.receiver))
        except ValueError as error:
            raise InvalidBid(f"Document {self.mrid} cannot be sent: {error}") from error


def bid_document_xml(document: BidDocument, *, terms: ProductTerms, version: Version = "7.4") -> bytes:
    """Return `document` in the bytes to send; raise `InvalidBid` for what would be refused as a whole."""
    if version not in NAMESPACES:
        raise InvalidBid(f"There is no bid document {version}: give one of {', '.join(NAMESPACES)}.")
    _require_sendable(document, terms)
    namespace = NAMESPACES[version]
    root = etree.Element(
        f"{{{namespace}}}ReserveBid_MarketDocument",
        nsmap={None: namespace},  # type: ignore[dict-item] # the stubs know no namespace without a prefix
    )
    _add(root, "mRID", document.mrid)
    _add(root, "revisionNumber", "1")
    _add(root, "type", _RESERVE_TENDER)
    _add(root, "process.processType", _AFRR)
    _add(root, "sender_MarketParticipant.mRID", document.sender, scheme=_GS1)
    _add(root, "sender_MarketParticipant.marketRole.type", _BSP)
    _add(root, "receiver_MarketParticipant.mRID", document.receiver, scheme=_GS1)
    _add(root, "receiver_MarketParticipant.marketRole.type", _SYSTEM_OPERATOR)
    _add(root, "createdDateTime", f"{document.created_at:%Y-%m-%dT%H:%M:%SZ}")
    starts = [bid.ptu for bid in document.bids]
    _add_interval(root, "reserveBid_Period.timeInterval", Interval(min(starts), max(starts) + PTU))
    _add(root, "domain.mRID", NETHERLANDS, scheme=_EIC)
    _add(root, "subject_MarketParticipant.mRID", document.sender, scheme=_GS1)
    _add(root, "subject_MarketParticipant.marketRole.type", _BSP)
    for bid in document.bids:
        _add_bid(root, bid, _UNIT[version])
    return etree.tostring(root, encoding="UTF-8", xml_declaration=True)


def _add_bid(root: etree._Element, bid: Bid, unit: str) -> None:
    series = _add(root, "Bid_TimeSeries")
    _add(series, "mRID", bid.mrid)
    _add(series, "businessType", _OFFER)
    _add(series, "acquiring_Domain.mRID", NETHERLANDS, scheme=_EIC)
    _add(series, "connecting_Domain.mRID", NETHERLANDS, scheme=_EIC)
    _add(series, f"quantity_{unit}.name", "MAW")
    _add(series, "currency_Unit.name", "EUR")
    _add(series, "divisible", _DIVISIBLE)
    _add(_add(series, "status"), "value", _AVAILABLE)
    _add(series, "flowDirection.direction", _FLOW[bid.direction])
    _add(series, f"energyPrice_{unit}.name", "MWH")
    if bid.agreement:
        _add(series, "marketAgreement.type", bid.agreement.kind)
        _add(series, "marketAgreement.mRID", bid.agreement.mrid)
    _add(series, "standard_MarketProduct.marketProductType", _STANDARD_PRODUCT)
    period = _add(series, "Period")
    _add_interval(period, "timeInterval", Interval(bid.ptu, bid.ptu + PTU))
    _add(period, "resolution", "PT15M")
    point = _add(period, "Point")
    _add(point, "position", "1")
    _add(point, "quantity.quantity", str(bid.power_w // WATT_PER_MEGAWATT))
    _add(point, "energy_Price.amount", price_text(bid.price_eur_per_mwh + 0))  # so that -0.00 is written as 0.00


def _add(parent: etree._Element, name: str, text: str | None = None, *, scheme: str | None = None) -> etree._Element:
    element = etree.SubElement(parent, f"{{{etree.QName(parent).namespace}}}{name}")
    element.text = text
    if scheme:
        element.set("codingScheme", scheme)
    return element


def _add_interval(parent: etree._Element, name: str, interval: Interval) -> None:
    element = _add(parent, name)
    _add(element, "start", f"{interval.starts_at:%Y-%m-%dT%H:%MZ}")
    _add(element, "end", f"{interval.ends_at:%Y-%m-%dT%H:%MZ}")


def _require_sendable(document: BidDocument, terms: ProductTerms) -> None:
    if not 1 <= len(document.bids) <= terms.most_bids_per_document:
        raise InvalidBid(
            f"Document {document.mrid} holds {len(document.bids)} bids: give 1 to {terms.most_bids_per_document}, and "
            "the others in another document."
        )
    for bid in document.bids:
        require_within_terms(bid, terms)
        gate = terms.gate_of(bid.ptu)
        if document.created_at >= gate:
            raise InvalidBid(
                f"Bid {bid.mrid} is for the PTU at {bid.ptu.isoformat()}, whose gate closed at {gate.isoformat()}: "
                "leave it out, or all others are refused with it."
            )
    twice = [mrid for mrid, count in Counter(bid.mrid for bid in document.bids).items() if count > 1]
    if twice:
        raise InvalidBid(f"Document {document.mrid} names bid {twice[0]} more than once: name each bid once.")
    days = {bid.ptu.astimezone(MARKET_ZONE).date() for bid in document.bids}
    if len(days) > 1:
        raise InvalidBid(
            f"Document {document.mrid} holds bids for {min(days)} and {max(days)}: give each Dutch day a document."
        )
