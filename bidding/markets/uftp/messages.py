"""The messages between aggregator (AGR) and grid operator (DSO), as frozen values.

One line per attribute: its name here, its type, its name and kind on the wire. `codec` derives both directions and
every check from these lines. Source: UFTP-common.xsd and UFTP-agr-dso.xsd, versions 3.0.0 and 3.1.0.

Sign: power is positive towards the connection (consumption), negative towards the grid, in Watt. Whether a power is
an absolute limit or a deviation from a baseline is agreed per contract: see `powers`.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Annotated, ClassVar

from bidding.markets.uftp import fields as f
from bidding.markets.uftp.fields import Attribute, Children
from bidding.markets.uftp.vocabulary import Disposition, Result, Role

V3_1 = (3, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class PayloadMessage:
    """What every message says about itself."""

    element: ClassVar[str]
    sent_by: ClassVar[frozenset[Role]]

    version: Annotated[str, Attribute("Version", f.VERSION)]
    sender_domain: Annotated[str, Attribute("SenderDomain", f.DOMAIN)]
    recipient_domain: Annotated[str, Attribute("RecipientDomain", f.DOMAIN)]
    time_stamp: Annotated[datetime, Attribute("TimeStamp", f.INSTANT)]
    message_id: Annotated[str, Attribute("MessageID", f.UUID)]
    conversation_id: Annotated[str, Attribute("ConversationID", f.UUID)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseMessage(PayloadMessage):
    """The business answer to a message; reasons are joined by a semicolon."""

    result: Annotated[Result, Attribute("Result", f.RESULT)]
    rejection_reason: Annotated[str | None, Attribute("RejectionReason", f.TEXT)] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FlexMessage(PayloadMessage):
    """A message about the ISPs (PTUs) of one local day at one congestion point."""

    isp_duration: Annotated[timedelta, Attribute("ISP-Duration", f.DURATION)]
    time_zone: Annotated[str, Attribute("TimeZone", f.TIME_ZONE)]
    period: Annotated[date, Attribute("Period", f.DAY)]
    congestion_point: Annotated[str, Attribute("CongestionPoint", f.ENTITY_ADDRESS)]


@dataclass(frozen=True, slots=True, kw_only=True)
class TestMessage(PayloadMessage):
    """Asks whether the other side can be reached."""

    __test__: ClassVar[bool] = False  # the name is the specification's; test collectors must leave it alone
    element = "TestMessage"
    sent_by = frozenset(Role)


@dataclass(frozen=True, slots=True, kw_only=True)
class TestMessageResponse(PayloadMessage):
    """Says so. It alone among the responses has no result."""

    __test__: ClassVar[bool] = False
    element = "TestMessageResponse"
    sent_by = frozenset(Role)


@dataclass(frozen=True, slots=True, kw_only=True)
class FlexRequestIsp:
    """What the operator asks or allows in `duration` ISPs from number `start`."""

    disposition: Annotated[Disposition | None, Attribute("Disposition", f.DISPOSITION)] = None
    min_power_w: Annotated[int, Attribute("MinPower", f.WATT)]
    max_power_w: Annotated[int, Attribute("MaxPower", f.WATT)]
    start: Annotated[int, Attribute("Start", f.COUNT)]
    duration: Annotated[int, Attribute("Duration", f.COUNT)] = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerIsp:
    """A power in `duration` ISPs from number `start`; the first ISP of a day is 1."""

    power_w: Annotated[int, Attribute("Power", f.WATT)]
    start: Annotated[int, Attribute("Start", f.COUNT)]
    duration: Annotated[int, Attribute("Duration", f.COUNT)] = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class PrognosisIsp:
    """As `PowerIsp`, but the schema leaves start and duration unbounded: the semantic rules bound them."""

    power_w: Annotated[int, Attribute("Power", f.WATT)]
    start: Annotated[int, Attribute("Start", f.INTEGER)]
    duration: Annotated[int, Attribute("Duration", f.INTEGER)] = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class FlexRequest(FlexMessage):
    """The operator asks for flexibility."""

    element = "FlexRequest"
    sent_by = frozenset({Role.DSO})

    revision: Annotated[int, Attribute("Revision", f.INTEGER)]
    expires_at: Annotated[datetime, Attribute("ExpirationDateTime", f.INSTANT)]
    contract_id: Annotated[str | None, Attribute("ContractID", f.TEXT)] = None
    service_type: Annotated[str | None, Attribute("ServiceType", f.TEXT)] = None
    isps: Annotated[tuple[FlexRequestIsp, ...], Children("ISP", FlexRequestIsp)]


@dataclass(frozen=True, slots=True, kw_only=True)
class FlexRequestResponse(ResponseMessage):
    """The aggregator took the request, or says why not."""

    element = "FlexRequestResponse"
    sent_by = frozenset({Role.AGR})

    flex_request_message_id: Annotated[str, Attribute("FlexRequestMessageID", f.UUID)]


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferOption:
    """One of the mutually exclusive ways to fulfil an offer."""

    option_reference: Annotated[str, Attribute("OptionReference", f.TEXT)]
    price: Annotated[Decimal, Attribute("Price", f.PRICE)]
    min_activation_factor: Annotated[Decimal, Attribute("MinActivationFactor", f.ACTIVATION_FACTOR)] = Decimal("1.00")
    isps: Annotated[tuple[PowerIsp, ...], Children("ISP", PowerIsp)]


@dataclass(frozen=True, slots=True, kw_only=True)
class FlexOffer(FlexMessage):
    """The aggregator offers flexibility, for a request or unsolicited."""

    element = "FlexOffer"
    sent_by = frozenset({Role.AGR})

    expires_at: Annotated[datetime, Attribute("ExpirationDateTime", f.INSTANT)]
    unsolicited: Annotated[bool | None, Attribute("Unsolicited", f.BOOLEAN, since=V3_1)] = None
    flex_request_message_id: Annotated[str | None, Attribute("FlexRequestMessageID", f.UUID)] = None
    contract_id: Annotated[str | None, Attribute("ContractID", f.TEXT)] = None
    d_prognosis_message_id: Annotated[str | None, Attribute("D-PrognosisMessageID", f.UUID)] = None
    baseline_reference: Annotated[str | None, Attribute("BaselineReference", f.TEXT)] = None
    currency: Annotated[str, Attribute("Currency", f.CURRENCY)]
    options: Annotated[tuple[OfferOption, ...], Children("OfferOption", OfferOption)]


@dataclass(frozen=True, slots=True, kw_only=True)
class FlexOfferResponse(ResponseMessage):
    """The operator took the offer into account (not: ordered it), or says why not."""

    element = "FlexOfferResponse"
    sent_by = frozenset({Role.DSO})

    flex_offer_message_id: Annotated[str, Attribute("FlexOfferMessageID", f.UUID)]


@dataclass(frozen=True, slots=True, kw_only=True)
class FlexOfferRevocation(PayloadMessage):
    """The aggregator withdraws an offer that was accepted and not yet ordered."""

    element = "FlexOfferRevocation"
    sent_by = frozenset({Role.AGR})

    flex_offer_message_id: Annotated[str, Attribute("FlexOfferMessageID", f.UUID)]


@dataclass(frozen=True, slots=True, kw_only=True)
class FlexOfferRevocationResponse(ResponseMessage):
    """The operator accepts the withdrawal, or says why not."""

    element = "FlexOfferRevocationResponse"
    sent_by = frozenset({Role.DSO})

    flex_offer_revocation_message_id: Annotated[str, Attribute("FlexOfferRevocationMessageID", f.UUID)]


@dataclass(frozen=True, slots=True, kw_only=True)
class FlexOrder(FlexMessage):
    """The operator orders one option of an offer, or, from 3.1.0, flexibility nobody offered."""

    element = "FlexOrder"
    sent_by = frozenset({Role.DSO})

    unsolicited: Annotated[bool | None, Attribute("Unsolicited", f.BOOLEAN, since=V3_1)] = None
    flex_offer_message_id: Annotated[str | None, Attribute("FlexOfferMessageID", f.UUID, required_before=V3_1)] = None
    service_type: Annotated[str | None, Attribute("ServiceType", f.TEXT, since=V3_1)] = None
    contract_id: Annotated[str | None, Attribute("ContractID", f.TEXT)] = None
    d_prognosis_message_id: Annotated[str | None, Attribute("D-PrognosisMessageID", f.UUID)] = None
    baseline_reference: Annotated[str | None, Attribute("BaselineReference", f.TEXT)] = None
    price: Annotated[Decimal, Attribute("Price", f.PRICE)]
    currency: Annotated[str, Attribute("Currency", f.CURRENCY)]
    order_reference: Annotated[str, Attribute("OrderReference", f.TEXT)]
    option_reference: Annotated[str | None, Attribute("OptionReference", f.TEXT)] = None
    activation_factor: Annotated[Decimal, Attribute("ActivationFactor", f.ACTIVATION_FACTOR)] = Decimal("1.00")
    isps: Annotated[tuple[PowerIsp, ...], Children("ISP", PowerIsp)]


@dataclass(frozen=True, slots=True, kw_only=True)
class FlexOrderResponse(ResponseMessage):
    """The aggregator will deliver the order, or says why not."""

    element = "FlexOrderResponse"
    sent_by = frozenset({Role.AGR})

    flex_order_message_id: Annotated[str, Attribute("FlexOrderMessageID", f.UUID)]


@dataclass(frozen=True, slots=True, kw_only=True)
class FlexReservationUpdate(FlexMessage):
    """The operator releases part of what a contract reserves; the powers are what remains reserved."""

    element = "FlexReservationUpdate"
    sent_by = frozenset({Role.DSO})

    contract_id: Annotated[str, Attribute("ContractID", f.TEXT)]
    reference: Annotated[str, Attribute("Reference", f.TEXT)]
    isps: Annotated[tuple[PowerIsp, ...], Children("ISP", PowerIsp)]


@dataclass(frozen=True, slots=True, kw_only=True)
class FlexReservationUpdateResponse(ResponseMessage):
    """The aggregator took the release, or says why not."""

    element = "FlexReservationUpdateResponse"
    sent_by = frozenset({Role.AGR})

    flex_reservation_update_message_id: Annotated[str, Attribute("FlexReservationUpdateMessageID", f.UUID)]


@dataclass(frozen=True, slots=True, kw_only=True)
class DPrognosis(FlexMessage):
    """The aggregator's baseline at a congestion point."""

    element = "D-Prognosis"
    sent_by = frozenset({Role.AGR})

    revision: Annotated[int, Attribute("Revision", f.INTEGER)]
    isps: Annotated[tuple[PrognosisIsp, ...], Children("ISP", PrognosisIsp)]


@dataclass(frozen=True, slots=True, kw_only=True)
class FlexOrderStatus:
    """Whether an earlier order still holds against a new prognosis."""

    flex_order_message_id: Annotated[str, Attribute("FlexOrderMessageID", f.UUID)]
    is_validated: Annotated[bool, Attribute("IsValidated", f.BOOLEAN)]


@dataclass(frozen=True, slots=True, kw_only=True)
class DPrognosisResponse(ResponseMessage):
    """The operator took the prognosis, or says why not."""

    element = "D-PrognosisResponse"
    sent_by = frozenset({Role.DSO})

    d_prognosis_message_id: Annotated[str, Attribute("D-PrognosisMessageID", f.UUID)]
    order_statuses: Annotated[tuple[FlexOrderStatus, ...], Children("FlexOrderStatus", FlexOrderStatus, minimum=0)] = ()
