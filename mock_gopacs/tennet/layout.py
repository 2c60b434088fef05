"""The parts of a ReserveBid_MarketDocument 7.2 and 7.4, in the order of their schemas, and how each is written."""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from mock_gopacs.tennet.structure import ANY_NUMBER, Part, group, is_there, leaf


def _text(longest: int) -> Callable[[str], str]:
    def read(text: str) -> str:
        if not 0 < len(text) <= longest:
            raise ValueError(f"1 to {longest} characters")
        return text

    return read


def _matching(pattern: str, looks_like: str) -> Callable[[str], str]:
    matches = re.compile(pattern, re.ASCII).fullmatch

    def read(text: str) -> str:
        if matches(text) is None:
            raise ValueError(looks_like)
        return text

    return read


def _instant(pattern: str, looks_like: str) -> Callable[[str], datetime]:
    form = _matching(pattern, looks_like)

    def read(text: str) -> datetime:
        try:
            return datetime.fromisoformat(form(text)).astimezone(UTC)
        except (ValueError, OverflowError):
            raise ValueError(looks_like) from None

    return read


def _resolution(text: str) -> timedelta:
    return timedelta(minutes=int(_minutes(text)[2:-1]))


_minutes = _matching(r"PT[0-9]{1,4}M", "a duration in minutes such as PT15M")
_number = _matching(r"[+-]?([0-9]{1,12}(\.[0-9]{0,9})?|\.[0-9]{1,9})", "a decimal number")
_position = _matching(r"[0-9]{1,6}", "a number from 1")
_id = leaf(_text(60))
_code = leaf(_matching(r"[A-Z0-9]{1,6}", "a code"))
_party = leaf(_text(16), coded=True)
_area = leaf(_text(18), coded=True)
_minute = leaf(_instant(r"\d{4}-\d\d-\d\dT\d\d:\d\dZ", "an instant without seconds such as 2026-01-14T17:00Z"))
_second = leaf(_instant(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "an instant such as 2026-01-14T17:00:00Z"))
_amount = leaf(lambda text: Decimal(_number(text.strip())))
_ends = group((Part("start", _minute), Part("end", _minute)))
_point = group(
    (
        Part("position", leaf(lambda text: int(_position(text)))),
        Part("quantity.quantity", _amount),
        Part("minimum_Quantity.quantity", is_there, 0),
        Part("price.amount", is_there, 0),
        Part("energy_Price.amount", _amount, 0),
    )
)
_period = group(
    (Part("timeInterval", _ends), Part("resolution", leaf(_resolution)), Part("Point", _point, 1, ANY_NUMBER))
)

HEADER: Sequence[Part] = (
    Part("mRID", _id),
    Part("revisionNumber", leaf(_matching(r"[1-9][0-9]{0,2}", "a number from 1 to 999"))),
    Part("type", _code),
    Part("process.processType", _code, 0),
    Part("sender_MarketParticipant.mRID", _party),
    Part("sender_MarketParticipant.marketRole.type", _code),
    Part("receiver_MarketParticipant.mRID", _party),
    Part("receiver_MarketParticipant.marketRole.type", _code),
    Part("createdDateTime", _second),
    Part("reserveBid_Period.timeInterval", _ends),
    Part("domain.mRID", _area),
    Part("subject_MarketParticipant.mRID", _party, 0),
    Part("subject_MarketParticipant.marketRole.type", _code, 0),
)


def series_parts(version: str) -> Sequence[Part]:
    """Return the parts of a Bid_TimeSeries of "7:2" or "7:4", which call units differently."""
    unit = {"7:2": "Measure", "7:4": "Measurement"}[version]
    since_4 = (Part("inclusiveBidsIdentification", is_there, 0), Part("mktPSRType.psrType", _code, 0))
    return (
        Part("mRID", _id),
        Part("auction.mRID", _id, 0),
        Part("businessType", _code),
        Part("acquiring_Domain.mRID", _area),
        Part("connecting_Domain.mRID", _area),
        Part("provider_MarketParticipant.mRID", _party, 0),
        Part(f"quantity_{unit}_Unit.name", _code),
        Part("currency_Unit.name", _code, 0),
        Part(f"price_{unit}_Unit.name", _code, 0),
        Part("divisible", _code),
        Part("linkedBidsIdentification", is_there, 0),
        Part("multipartBidIdentification", is_there, 0),
        Part("exclusiveBidsIdentification", is_there, 0),
        Part("blockBid", is_there, 0),
        Part("status", group((Part("value", _code),)), 0),
        Part("priority", is_there, 0),
        Part("registeredResource.mRID", leaf(_text(60), coded=True), 0),
        Part("flowDirection.direction", _code),
        Part("stepIncrementQuantity", is_there, 0),
        Part(f"energyPrice_{unit}_Unit.name", _code, 0),
        Part("marketAgreement.type", _code, 0),
        Part("marketAgreement.mRID", _id, 0),
        Part("marketAgreement.createdDateTime", _second, 0),
        Part("activation_ConstraintDuration.duration", is_there, 0),
        Part("resting_ConstraintDuration.duration", is_there, 0),
        Part("minimum_ConstraintDuration.duration", is_there, 0),
        Part("maximum_ConstraintDuration.duration", is_there, 0),
        Part("standard_MarketProduct.marketProductType", _code, 0),
        Part("original_MarketProduct.marketProductType", is_there, 0),
        Part("validity_Period.timeInterval", is_there, 0),
        *(since_4 if version == "7:4" else ()),
        Part("Period", _period, 1, ANY_NUMBER),
        Part("AvailableBiddingZone_Domain", is_there, 0, ANY_NUMBER),
        Part("Reason", is_there, 0, ANY_NUMBER),
        Part("Linked_BidTimeSeries", is_there, 0, ANY_NUMBER),
        Part("ProcuredFor_MarketParticipant", is_there, 0),
        Part("SharedWith_MarketParticipant", is_there, 0, ANY_NUMBER),
        Part("ExchangedWith_MarketParticipant", is_there, 0, ANY_NUMBER),
    )
