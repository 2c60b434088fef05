"""Judges a well-formed bid document: every rule of the market that it breaks, with the reason code of each.

Pure. One finding refuses the whole document; what it asks is done in full or not at all.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from aggregator.core.money import CENT
from aggregator.core.ptu import PTU, ptu_start
from mock_gopacs.tennet.findings import Finding, Reason, shown
from mock_gopacs.tennet.ladder import Direction
from mock_gopacs.tennet.reading import BidDocument, BidSeries
from mock_gopacs.tennet.terms import Terms

AREA = ("10YNL----------L", "A01")
PARTY_SCHEME = "A10"
DOCUMENT_TYPE, PROCESS = "A37", "A51"
SENDER_ROLES, RECEIVER_ROLE = ("A46", "A39"), "A04"

_FIXED = {
    "businessType": ("B74",),
    "quantity_Unit.name": ("MAW",),
    "currency_Unit.name": ("EUR",),
    "price_Unit.name": ("MWH", "MAW"),
    "energyPrice_Unit.name": ("MWH",),
    "divisible": ("A01",),
    "status": ("A06",),
    "standard_MarketProduct.marketProductType": ("A01",),
    "marketAgreement.type": ("A01", "A02", "A03", "A04", "A13"),
    "flowDirection.direction": tuple(Direction),
}
"""What elements of a bid may say, where they are given."""


@dataclass(frozen=True, slots=True)
class StandingBid:
    """A bid as the market has it; 0 MW when it is cancelled, and then its price means nothing."""

    mrid: str
    ptu: datetime
    direction: Direction
    quantity_mw: Decimal
    price_eur_per_mwh: Decimal


@dataclass(frozen=True, slots=True)
class Sender:
    """The BSP that sent a document, with what it is prequalified for and the bids that it has."""

    party_id: str
    prequalified_mw: Mapping[Direction, Decimal]
    bids: Mapping[str, StandingBid]


def judge(document: BidDocument, *, sender: Sender, terms: Terms, now: datetime) -> list[Finding]:
    """Return all that is wrong with a document; what its form lacks is all that can be said of it then."""
    if document.found:
        return list(document.found)
    found = list(_of_header(document, sender, terms))
    counts = Counter(bid.mrid for bid in document.series)
    for bid in document.series:
        if counts[bid.mrid] > 1:
            text = f"The bid comes {counts[bid.mrid]} times in one document: send it once."
            found.append(Finding(Reason.DUPLICATE_BID, text, bid.mrid))
        of_bid = (*_of_form(bid, document), *_of_point(bid, sender, terms), *_of_time(bid, sender, terms, now))
        found += [replace(finding, bid_mrid=bid.mrid) for finding in of_bid]
    return found or list(_of_caps(document, sender))


def bids_of(document: BidDocument) -> list[StandingBid]:
    """Return the bids that an accepted document leaves."""
    return [
        StandingBid(
            bid.mrid,
            bid.period.starts_at,
            Direction(bid.texts["flowDirection.direction"]),
            bid.quantity_mw,
            bid.price_eur_per_mwh or Decimal(0),
        )
        for bid in document.series
        if bid.period is not None and bid.quantity_mw is not None
    ]


def _of_header(document: BidDocument, sender: Sender, terms: Terms) -> Iterator[Finding]:
    texts, coded = document.texts, document.coded
    if texts["type"] != DOCUMENT_TYPE:
        yield Finding(Reason.UNREADABLE, f"type is {shown(texts['type'])}: bids are {DOCUMENT_TYPE}.")
    if texts.get("process.processType") != PROCESS:
        said = shown(texts.get("process.processType", ""))
        yield Finding(Reason.PROCESS, f"process.processType is {said}: aFRR is {PROCESS}.")
    if texts["revisionNumber"] != "1":
        text = "revisionNumber is not 1: change a bid in a new document, under the bid's own mRID."
        yield Finding(Reason.REVISION, text)
    yield from _of_parties(texts, coded, sender, terms)
    if coded["domain.mRID"] != AREA:
        yield Finding(Reason.AREA, f"domain.mRID is {shown(coded['domain.mRID'][0])}: give {AREA[0]} as {AREA[1]}.")
    if not document.series:
        yield Finding(Reason.NO_SERIES, "The document has no bid: give at least one Bid_TimeSeries.")


def _of_parties(
    texts: Mapping[str, str], coded: Mapping[str, tuple[str, str]], sender: Sender, terms: Terms
) -> Iterator[Finding]:
    if coded["sender_MarketParticipant.mRID"] != (sender.party_id, PARTY_SCHEME):
        said = shown(coded["sender_MarketParticipant.mRID"][0])
        yield Finding(Reason.SENDER, f"The sender {said} is not the BSP of this key, {sender.party_id} (A10).")
    if texts["sender_MarketParticipant.marketRole.type"] not in SENDER_ROLES:
        yield Finding(Reason.SENDER, f"The sender's role must be one of {', '.join(SENDER_ROLES)}.")
    subject = coded.get("subject_MarketParticipant.mRID", (sender.party_id, PARTY_SCHEME))
    if subject != (sender.party_id, PARTY_SCHEME):
        yield Finding(Reason.SENDER, f"The subject {shown(subject[0])} is not the sender: bid under its own key.")
    if coded["receiver_MarketParticipant.mRID"] != (terms.party_id, PARTY_SCHEME):
        said = shown(coded["receiver_MarketParticipant.mRID"][0])
        yield Finding(Reason.RECEIVER, f"The receiver {said} is not this market, {terms.party_id} (A10).")
    if texts["receiver_MarketParticipant.marketRole.type"] != RECEIVER_ROLE:
        yield Finding(Reason.RECEIVER, f"The receiver's role must be {RECEIVER_ROLE}.")


def _of_form(bid: BidSeries, document: BidDocument) -> Iterator[Finding]:
    for name, allowed in _FIXED.items():
        if bid.texts.get(name, allowed[0]) not in allowed:
            yield Finding(Reason.MARKET_RULE, f"{name} is {shown(bid.texts[name])}: give {' or '.join(allowed)}.")
    for name in ("acquiring_Domain.mRID", "connecting_Domain.mRID"):
        if bid.coded[name] != AREA:
            yield Finding(Reason.AREA, f"{name} is {shown(bid.coded[name][0])}: give {AREA[0]} as {AREA[1]}.")
    if bid.beyond:
        text = f"A bid here is simple and for one PTU: leave out {', '.join(bid.beyond)}."
        yield Finding(Reason.MARKET_RULE, text[:500])
    if bid.position != 1:
        yield Finding(Reason.POSITION, "The position of the point must be 1.")
    if bid.period and document.period and not _within(bid, document):
        yield Finding(Reason.PERIOD, "The bid lies outside the reserveBid_Period of its document.")


def _within(bid: BidSeries, document: BidDocument) -> bool:
    return bool(
        bid.period
        and document.period
        and document.period.starts_at <= bid.period.starts_at
        and bid.period.ends_at <= document.period.ends_at
    )


def _of_point(bid: BidSeries, sender: Sender, terms: Terms) -> Iterator[Finding]:
    quantity, price = bid.quantity_mw or Decimal(0), bid.price_eur_per_mwh
    if quantity < 0:
        yield Finding(Reason.SIGNED, f"quantity is {quantity} MW: leave out the sign, the direction says which way.")
    elif quantity % 1 or 0 < quantity < terms.minimum_bid_mw:
        text = f"quantity is {quantity} MW: give whole MW of at least {terms.minimum_bid_mw}, or 0 to cancel."
        yield Finding(Reason.QUANTITY, text)
    if not quantity:
        if bid.mrid not in sender.bids:
            yield Finding(Reason.MARKET_RULE, "quantity is 0, but there is no such bid to cancel.")
    elif price is None:
        yield Finding(Reason.MISSING, "energy_Price.amount is missing: give the price in EUR/MWh.")
    elif not terms.lowest_price_eur_per_mwh <= price <= terms.highest_price_eur_per_mwh:
        limits = f"{terms.lowest_price_eur_per_mwh} to {terms.highest_price_eur_per_mwh}"
        yield Finding(Reason.MARKET_RULE, f"The price is {price} EUR/MWh: it must be from {limits}.")
    elif price % CENT:
        yield Finding(Reason.MARKET_RULE, f"The price is {price} EUR/MWh: give whole cents.")


def _of_time(bid: BidSeries, sender: Sender, terms: Terms, now: datetime) -> Iterator[Finding]:
    if bid.period is None:
        return
    ptu = bid.period.starts_at
    if bid.period.duration != PTU or ptu_start(ptu) != ptu or bid.resolution != PTU:
        yield Finding(Reason.PERIOD, "The bid must be for one PTU: 15 minutes from a quarter hour, resolution PT15M.")
        return
    if now >= ptu - terms.gate_lead:
        text = f"The gate of the PTU {ptu:%Y-%m-%dT%H:%MZ} closed at {ptu - terms.gate_lead:%Y-%m-%dT%H:%MZ}."
        yield Finding(Reason.GATE_CLOSED, text)
    standing = sender.bids.get(bid.mrid)
    if standing and (standing.ptu, standing.direction) != (ptu, bid.texts["flowDirection.direction"]):
        text = "The bid is known for another PTU or direction: cancel it, and make a new one."
        yield Finding(Reason.MARKET_RULE, text)


def _of_caps(document: BidDocument, sender: Sender) -> Iterator[Finding]:
    """Compare what the BSP would offer with what it may, per PTU and direction that the document touches."""
    asked = bids_of(document)
    after = {**sender.bids, **{bid.mrid: bid for bid in asked}}
    offered = _totals(after.values())
    for bid in asked:
        total, cap = offered[bid.ptu, bid.direction], sender.prequalified_mw[bid.direction]
        if total > cap:
            text = f"All bids of this PTU and direction come to {total} MW, but {cap} MW is prequalified."
            yield Finding(Reason.MARKET_RULE, text, bid.mrid)


def _totals(bids: Iterable[StandingBid]) -> Mapping[tuple[datetime, Direction], Decimal]:
    totals: defaultdict[tuple[datetime, Direction], Decimal] = defaultdict(Decimal)
    for bid in bids:
        totals[bid.ptu, bid.direction] += bid.quantity_mw
    return totals
