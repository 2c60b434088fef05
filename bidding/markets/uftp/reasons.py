"""Rejection reasons: the specification's words where it has them, else those of the reference library."""

from enum import StrEnum

from bidding.markets.uftp.messages import PayloadMessage

SEPARATOR = ";"


class Reason(StrEnum):
    """Why a message that could be read is not accepted."""

    BARRED_SENDER = "Barred Sender"
    MISMATCHED_SENDER = "Mismatch SenderDomain"
    WRONG_ROLE = "Invalid Sender (not matching role)"
    UNKNOWN_RECIPIENT = "Unknown RecipientDomain"
    UNSUPPORTED_VERSION = "Unsupported Version"
    DUPLICATE_IDENTIFIER = "Duplicate Identifier"
    ALREADY_SUBMITTED = "Already Submitted"
    ISP_DURATION = "ISP duration rejected"
    TIME_ZONE = "TimeZone rejected"
    CONGESTION_POINT = "Invalid CongestionPoint"
    UNKNOWN_CONTRACT = "Unknown reference ContractID"
    UNKNOWN_BASELINE = "Unknown reference BaselineReference"
    UNKNOWN_OPTION = "Unknown reference OptionReference in FlexOrder"
    PERIOD_MISMATCH = "Reference Period mismatch"
    REFERENCE_EXPIRED = "Reference message expired"
    REFERENCE_REVOKED = "Reference message revoked"
    ISPS_OUT_OF_BOUNDS = "ISPs out of bounds"
    ISP_CONFLICT = "ISP conflict"
    PERIOD_OUT_OF_BOUNDS = "Period out of bounds"
    EXPIRATION_OUT_OF_BOUNDS = "ExpirationDateTime out of bounds"
    EXPIRATION_AFTER_ISPS = "ExpirationDateTime out of bounds (ISPs related)"
    REVISION = "Revision not increased"
    NOTHING_REQUESTED = "Lacking Requested disposition"
    NO_DIRECTION = "One or more ISPs with a 'Requested' disposition has no direction"
    MIN_ABOVE_MAX = "One or more ISPs has a MinPower above its MaxPower"
    OFFER_UNSOLICITED = "FlexRequestMessageID must (only) be present if not unsolicited"
    ORDER_UNSOLICITED = "FlexOfferMessageID must (only) be present if not unsolicited"
    ORDER_UNSOLICITED_NOT_AGREED = "Unsolicited FlexOrder not agreed"
    OFFER_MISSES_REQUEST = (
        "None of the ISPs with a 'requested' disposition in the referred FlexRequest, is mentioned in the FlexOffer"
    )
    OPTIONS_NOT_UNIQUE = "OptionReference is not unique within the FlexOffer"
    OFFER_CURRENCY = "Currency in FlexOffer is not accepted"
    OFFER_PRICE = "Price in FlexOffer option is not valid for the given currency"
    NOT_ACCEPTED = "FlexOffer was not accepted"
    ALREADY_ORDERED = "FlexOffer was already ordered"
    ORDER_ISPS = "ISPs from the FlexOrder do not match the ISPs given in the FlexOffer"
    ORDER_POWER = "Ordered flexibility does not match the offered flexibility"
    ORDER_PRICE = "Price in the order does not match the price given in the offer"
    ORDER_CURRENCY = "Currency in the order does not match the currency given in the offer"
    ORDER_ACTIVATION_FACTOR = "ActivationFactor is below the MinActivationFactor of the FlexOffer option"
    METERING_UNIT = "Unit does not match ProfileType"


def unknown_reference(referenced: type[PayloadMessage]) -> str:
    """Return the reason for a MessageID that names no message we know."""
    return f"Unknown {referenced.element}MessageID reference"
