"""Reads a bid document back, by other means than it was written with: what is not where it belongs is missed."""

from datetime import datetime
from decimal import Decimal
from types import SimpleNamespace

from lxml import etree

from bidding.markets.afrr.bid_document import BidDocument
from bidding.markets.afrr.bids import Agreement, AgreementKind, Bid


def read_bid_document(body, *, unit="Measurement_Unit"):
    """Return the document and its period."""
    root = etree.fromstring(body)
    text = _texts(root)
    constants = {
        "revisionNumber": "1", "type": "A37", "process.processType": "A51", "domain.mRID": "10YNL----------L",
        "sender_MarketParticipant.marketRole.type": "A46", "receiver_MarketParticipant.marketRole.type": "A04",
        "subject_MarketParticipant.marketRole.type": "A46",
    }  # fmt: skip
    assert {name: text(name) for name in constants} == constants
    assert text("subject_MarketParticipant.mRID") == text("sender_MarketParticipant.mRID")
    document = BidDocument(
        text("mRID"),
        text("sender_MarketParticipant.mRID"),
        datetime.strptime(text("createdDateTime"), "%Y-%m-%dT%H:%M:%S%z"),
        tuple(_bid(series, unit) for series in root.iterchildren("{*}Bid_TimeSeries")),
        text("receiver_MarketParticipant.mRID"),
    )
    return SimpleNamespace(document=document, period=_interval(root, "reserveBid_Period.timeInterval"))


def _bid(series, unit):
    text = _texts(series)
    constants = {
        "businessType": "B74", "acquiring_Domain.mRID": "10YNL----------L", "currency_Unit.name": "EUR",
        "connecting_Domain.mRID": "10YNL----------L", f"quantity_{unit}.name": "MAW", "divisible": "A01",
        "status/value": "A06", f"energyPrice_{unit}.name": "MWH", "Period/resolution": "PT15M",
        "standard_MarketProduct.marketProductType": "A01", "Period/Point/position": "1",
    }  # fmt: skip
    assert {name: text(name) for name in constants} == constants
    starts_at, ends_at = _interval(series, "Period/timeInterval")
    assert (ends_at - starts_at).total_seconds() == 900
    kind = text("marketAgreement.type")
    return Bid(
        text("mRID"),
        starts_at,
        {"A01": "reduce", "A02": "increase"}[text("flowDirection.direction")],
        int(text("Period/Point/quantity.quantity")) * 1_000_000,
        Decimal(text("Period/Point/energy_Price.amount")),
        Agreement(AgreementKind(kind), text("marketAgreement.mRID")) if kind else None,
    )


def _texts(element):
    return lambda path: element.findtext("/".join(f"{{*}}{name}" for name in path.split("/")))


def _interval(element, path):
    text = _texts(element)
    return tuple(datetime.strptime(text(f"{path}/{end}"), "%Y-%m-%dT%H:%M%z") for end in ("start", "end"))
