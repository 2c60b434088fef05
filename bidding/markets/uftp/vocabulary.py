"""The protocol's closed lists of words."""

from enum import StrEnum


class Role(StrEnum):
    """Who speaks: aggregator, common reference operator, distribution system operator."""

    AGR = "AGR"
    CRO = "CRO"
    DSO = "DSO"


class Result(StrEnum):
    """Whether the receiver takes the message on."""

    ACCEPTED = "Accepted"
    REJECTED = "Rejected"


class Disposition(StrEnum):
    """Whether the operator needs a deviation in this ISP, or merely allows one."""

    AVAILABLE = "Available"
    REQUESTED = "Requested"


class SettlementDisposition(StrEnum):
    """Whether the aggregator agrees with the settlement of one order."""

    ACCEPTED = "Accepted"
    DISPUTED = "Disputed"


class Profile(StrEnum):
    """What a metering profile measures."""

    POWER = "Power"
    IMPORT_ENERGY = "ImportEnergy"
    EXPORT_ENERGY = "ExportEnergy"
    IMPORT_METER_READING = "ImportMeterReading"
    EXPORT_METER_READING = "ExportMeterReading"


class MeteringUnit(StrEnum):
    """Unit of a metering profile."""

    KW = "kW"
    KWH = "kWh"
