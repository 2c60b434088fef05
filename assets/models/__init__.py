from assets.models.answered_requests import AnsweredRequest
from assets.models.assets import Asset, AssetKind, AssetState
from assets.models.communication_tests import CommunicationTest
from assets.models.groups import AggregationEan, CongestionArea, Membership
from assets.models.limits import SteeringLimit
from assets.models.ocpi import (
    OcpiConnection,
    OcpiEdge,
    OcpiEvse,
    OcpiLocation,
    OcpiParty,
    OcpiSession,
    OcpiToken,
    OcpiUnknownEvse,
    ProfileCommand,
)
from assets.models.partners import Partner
from assets.models.sessions import ChargingSession, Declaration
from assets.models.setpoints import Setpoint, SetpointBatch
from assets.models.telemetry import MeterInterval, MinuteReading, ReadingQuarter

__all__ = [
    "AggregationEan",
    "AnsweredRequest",
    "Asset",
    "AssetKind",
    "AssetState",
    "ChargingSession",
    "CommunicationTest",
    "CongestionArea",
    "Declaration",
    "Membership",
    "MeterInterval",
    "MinuteReading",
    "OcpiConnection",
    "OcpiEdge",
    "OcpiEvse",
    "OcpiLocation",
    "OcpiParty",
    "OcpiSession",
    "OcpiToken",
    "OcpiUnknownEvse",
    "Partner",
    "ProfileCommand",
    "ReadingQuarter",
    "Setpoint",
    "SetpointBatch",
    "SteeringLimit",
]
