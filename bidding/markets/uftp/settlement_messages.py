"""Settlement and metering messages (UFTP-agr-dso.xsd, UFTP-metering.xsd); see `messages` for how to read them."""

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Annotated

from bidding.markets.uftp import fields as f
from bidding.markets.uftp.fields import Attribute, Children
from bidding.markets.uftp.messages import PayloadMessage, ResponseMessage
from bidding.markets.uftp.vocabulary import MeteringUnit, Profile, Role, SettlementDisposition


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderSettlementIsp:
    """What was expected, ordered, measured and delivered in `duration` ISPs from number `start`."""

    start: Annotated[int, Attribute("Start", f.COUNT)]
    duration: Annotated[int, Attribute("Duration", f.COUNT)] = 1
    baseline_power_w: Annotated[int, Attribute("BaselinePower", f.WATT)]
    ordered_flex_power_w: Annotated[int, Attribute("OrderedFlexPower", f.WATT)]
    actual_power_w: Annotated[int, Attribute("ActualPower", f.WATT)]
    delivered_flex_power_w: Annotated[int, Attribute("DeliveredFlexPower", f.WATT)]
    power_deficiency_w: Annotated[int, Attribute("PowerDeficiency", f.WATT)] = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderSettlement:
    """The money for one order on one day."""

    order_reference: Annotated[str | None, Attribute("OrderReference", f.TEXT)] = None
    period: Annotated[date, Attribute("Period", f.DAY)]
    contract_id: Annotated[str | None, Attribute("ContractID", f.TEXT)] = None
    d_prognosis_message_id: Annotated[str | None, Attribute("D-PrognosisMessageID", f.UUID)] = None
    baseline_reference: Annotated[str | None, Attribute("BaselineReference", f.TEXT)] = None
    congestion_point: Annotated[str, Attribute("CongestionPoint", f.ENTITY_ADDRESS)]
    price: Annotated[Decimal, Attribute("Price", f.PRICE)]
    penalty: Annotated[Decimal, Attribute("Penalty", f.PRICE)] = Decimal(0)
    net_settlement: Annotated[Decimal, Attribute("NetSettlement", f.PRICE)]
    isps: Annotated[tuple[OrderSettlementIsp, ...], Children("ISP", OrderSettlementIsp)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractSettlementIsp:
    """What a contract reserved, and what of it was requested, offered and ordered."""

    start: Annotated[int, Attribute("Start", f.COUNT)]
    duration: Annotated[int, Attribute("Duration", f.COUNT)] = 1
    reserved_power_w: Annotated[int, Attribute("ReservedPower", f.WATT)]
    requested_power_w: Annotated[int | None, Attribute("RequestedPower", f.WATT)] = None
    available_power_w: Annotated[int | None, Attribute("AvailablePower", f.WATT)] = None
    offered_power_w: Annotated[int | None, Attribute("OfferedPower", f.WATT)] = None
    ordered_power_w: Annotated[int | None, Attribute("OrderedPower", f.WATT)] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractSettlementPeriod:
    """One day of a contract's settlement."""

    period: Annotated[date, Attribute("Period", f.DAY)]
    isps: Annotated[tuple[ContractSettlementIsp, ...], Children("ISP", ContractSettlementIsp)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractSettlement:
    """How one contract was used over the settlement period."""

    contract_id: Annotated[str | None, Attribute("ContractID", f.TEXT)] = None
    periods: Annotated[tuple[ContractSettlementPeriod, ...], Children("Period", ContractSettlementPeriod)]


@dataclass(frozen=True, slots=True, kw_only=True)
class FlexSettlement(ResponseMessage):
    """The operator's account of a period's orders. The schema makes it a response by mistake, hence its result."""

    element = "FlexSettlement"
    sent_by = frozenset({Role.DSO})

    period_start: Annotated[date, Attribute("PeriodStart", f.DAY)]
    period_end: Annotated[date, Attribute("PeriodEnd", f.DAY)]
    currency: Annotated[str, Attribute("Currency", f.CURRENCY)]
    order_settlements: Annotated[tuple[OrderSettlement, ...], Children("FlexOrderSettlement", OrderSettlement)]
    contract_settlements: Annotated[tuple[ContractSettlement, ...], Children("ContractSettlement", ContractSettlement)]


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderSettlementStatus:
    """The aggregator's view of one order's settlement."""

    order_reference: Annotated[str | None, Attribute("OrderReference", f.TEXT)] = None
    disposition: Annotated[SettlementDisposition, Attribute("Disposition", f.SETTLEMENT_DISPOSITION)]
    dispute_reason: Annotated[str | None, Attribute("DisputeReason", f.TEXT)] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FlexSettlementResponse(ResponseMessage):
    """The aggregator accepts or disputes the settlement, order by order."""

    element = "FlexSettlementResponse"
    sent_by = frozenset({Role.AGR})

    flex_settlement_message_id: Annotated[str, Attribute("FlexSettlementMessageID", f.UUID)]
    statuses: Annotated[tuple[OrderSettlementStatus, ...], Children("FlexOrderSettlementStatus", OrderSettlementStatus)]


@dataclass(frozen=True, slots=True, kw_only=True)
class MeteringIsp:
    """The value at the end of ISP number `start`."""

    start: Annotated[int, Attribute("Start", f.INTEGER)]
    value: Annotated[Decimal, Attribute("Value", f.QUANTITY)]


@dataclass(frozen=True, slots=True, kw_only=True)
class MeteringProfile:
    """One series of meter values; kW goes with power, kWh with energy and readings."""

    profile_type: Annotated[Profile, Attribute("ProfileType", f.PROFILE)]
    unit: Annotated[MeteringUnit, Attribute("Unit", f.METERING_UNIT)]
    isps: Annotated[tuple[MeteringIsp, ...], Children("ISP", MeteringIsp)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Metering(PayloadMessage):
    """Meter values of one connection on one day."""

    element = "Metering"
    sent_by = frozenset({Role.AGR})

    revision: Annotated[int, Attribute("Revision", f.INTEGER)]
    isp_duration: Annotated[timedelta, Attribute("ISP-Duration", f.DURATION)]
    time_zone: Annotated[str, Attribute("TimeZone", f.TIME_ZONE)]
    currency: Annotated[str | None, Attribute("Currency", f.CURRENCY)] = None
    period: Annotated[date, Attribute("Period", f.DAY)]
    ean: Annotated[str, Attribute("EAN", f.METER_EAN)]
    profiles: Annotated[tuple[MeteringProfile, ...], Children("Profile", MeteringProfile)]


@dataclass(frozen=True, slots=True, kw_only=True)
class MeteringResponse(ResponseMessage):
    """The operator took the meter values, or says why not."""

    element = "MeteringResponse"
    sent_by = frozenset({Role.DSO})

    metering_message_id: Annotated[str, Attribute("MeteringMessageID", f.UUID)]
