"""Which message refers to which, and which one answers which."""

from bidding.markets.uftp import messages as m
from bidding.markets.uftp import settlement_messages as s
from bidding.markets.uftp.messages import PayloadMessage, ResponseMessage

REFERENCES: dict[type[PayloadMessage], tuple[str, type[PayloadMessage]]] = {
    m.FlexRequestResponse: ("flex_request_message_id", m.FlexRequest),
    m.FlexOffer: ("flex_request_message_id", m.FlexRequest),
    m.FlexOfferResponse: ("flex_offer_message_id", m.FlexOffer),
    m.FlexOfferRevocation: ("flex_offer_message_id", m.FlexOffer),
    m.FlexOfferRevocationResponse: ("flex_offer_revocation_message_id", m.FlexOfferRevocation),
    m.FlexOrder: ("flex_offer_message_id", m.FlexOffer),
    m.FlexOrderResponse: ("flex_order_message_id", m.FlexOrder),
    m.FlexReservationUpdateResponse: ("flex_reservation_update_message_id", m.FlexReservationUpdate),
    m.DPrognosisResponse: ("d_prognosis_message_id", m.DPrognosis),
    s.FlexSettlementResponse: ("flex_settlement_message_id", s.FlexSettlement),
    s.MeteringResponse: ("metering_message_id", s.Metering),
}
"""Per message type: the field that holds the MessageID of an earlier message, and that message's type."""

RESPONSES: dict[type[PayloadMessage], tuple[type[ResponseMessage], str]] = {
    asked: (answer, field) for answer, (field, asked) in REFERENCES.items() if issubclass(answer, ResponseMessage)
}
"""Per message type that is answered: the type of its answer, and the answer's field for its MessageID."""


def reference_of(message: PayloadMessage) -> tuple[type[PayloadMessage], str] | None:
    """Return type and MessageID of the earlier message that `message` refers to, if any: look it up before judging."""
    if type(message) not in REFERENCES:
        return None
    field, referenced = REFERENCES[type(message)]
    message_id = getattr(message, field)
    return None if message_id is None else (referenced, message_id)
