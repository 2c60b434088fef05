"""The messages of each cycle: TenneT's setpoint, whether it may be followed, and our measurement.

On the wire powers are MW with injection positive, so a setpoint above zero asks for less offtake. Our own values are
watts with offtake positive.
"""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import Enum, auto

from aggregator.core.interval import utc
from bidding.markets.afrr.fields import flag_of, instant_of, number_of, parse_object, whole_of
from bidding.markets.afrr.terms import WATT_PER_MEGAWATT

MOST_POWER_W = 9_999 * WATT_PER_MEGAWATT
"""[assumed] What no pool of anybody reaches."""


class InvalidMeasurement(ValueError):
    """A measurement that may not be sent: what is wrong, and how to mend it."""


@dataclass(frozen=True, slots=True)
class SignalTerms:
    """How old a setpoint may be, and how far TenneT's clock may be ahead of ours; both are assumed.

    TenneT's cycle is 4 s [cited: PICASSO]; three cycles without a new setpoint are taken for a lost connection.
    """

    longest_age: timedelta = timedelta(seconds=12)
    clock_tolerance: timedelta = timedelta(seconds=4)

    def __post_init__(self) -> None:
        if self.longest_age <= timedelta(0) or self.clock_tolerance < timedelta(0):
            raise ValueError(
                f"No setpoint can be younger than {self.longest_age} with clocks {self.clock_tolerance} apart: give an "
                "age above zero and a tolerance of at least zero."
            )


@dataclass(frozen=True, slots=True)
class Setpoint:
    """TenneT's setpoint as it came: the signed sum over our bids, in its own sign, and perhaps no finite number.

    `sequence` counts its cycles, `at` is the instant of this one, and `is_valid` whether TenneT stands behind it.
    """

    sequence: int
    at: datetime
    delta_setpoint_mw: Decimal
    is_valid: bool

    @property
    def delta_w(self) -> int:
        """By how much to consume more (positive) or less than the reference; of a usable setpoint only."""
        return int((-self.delta_setpoint_mw * WATT_PER_MEGAWATT).to_integral_value())


class Use(Enum):
    """What a received setpoint is good for."""

    USABLE = auto()
    """Follow it."""
    REPEATED = auto()
    """It is the one we have: nothing new, and nothing wrong."""
    STALE = auto()
    """It is too old, or came after a newer one."""
    INVALID = auto()
    """It cannot be followed, whatever its age."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a setpoint is good for, and why, for people."""

    use: Use
    why: str


def read_setpoint(body: bytes) -> Setpoint:
    """Return the setpoint in TenneT's answer; raise `UnreadableMessage`."""
    document = parse_object(body, "TenneT's setpoint")
    return Setpoint(
        sequence=whole_of(document, "sequence"),
        at=instant_of(document, "at"),
        delta_setpoint_mw=number_of(document, "delta_setpoint_mw"),
        is_valid=flag_of(document, "is_valid"),
    )


def judge_setpoint(previous: Setpoint | None, received: Setpoint, *, now: datetime, terms: SignalTerms) -> Judgement:
    """Return what `received` is good for; `previous` is the last usable one, None at the start.

    When TenneT begins to count anew, its setpoints are invalid until `previous` is forgotten.
    """
    number, age = f"Setpoint {received.sequence}", now - received.at
    if not received.is_valid:
        return Judgement(Use.INVALID, f"{number} is marked as not valid by TenneT.")
    if not received.delta_setpoint_mw.is_finite():
        return Judgement(Use.INVALID, f"{number} is {received.delta_setpoint_mw} MW, which is no number.")
    if abs(received.delta_w) > MOST_POWER_W:
        return Judgement(Use.INVALID, f"{number} is {received.delta_setpoint_mw} MW, which no pool has.")
    if age < -terms.clock_tolerance:
        return Judgement(Use.INVALID, f"{number} is {-age} ahead of our time: compare the clocks.")
    if age > terms.longest_age:
        return Judgement(Use.STALE, f"{number} is {age} old, and may be {terms.longest_age} old at most.")
    return _beside(previous, received) if previous else Judgement(Use.USABLE, f"{number} is the first.")


def _beside(previous: Setpoint, received: Setpoint) -> Judgement:
    number = f"Setpoint {received.sequence}"
    if received == previous:
        return Judgement(Use.REPEATED, f"{number} is the one we have.")
    if received.sequence > previous.sequence and received.at > previous.at:
        return Judgement(Use.USABLE, f"{number} follows setpoint {previous.sequence}.")
    if received.sequence < previous.sequence and received.at < previous.at:
        return Judgement(Use.STALE, f"{number} came after setpoint {previous.sequence}, which is newer.")
    return Judgement(
        Use.INVALID,
        f"{number} of {received.at.isoformat()} contradicts setpoint {previous.sequence} of {previous.at.isoformat()}: "
        "number, instant and power must go on together. Ask TenneT whether it counts anew.",
    )


@dataclass(frozen=True, slots=True)
class Measurement:
    """Our pool at an instant, in watts with offtake positive; raises `InvalidMeasurement`.

    `reference_w` is its power without aFRR and `measured_w` its power now. By `available_reduce_w` and
    `available_increase_w`, both at least 0, it could leave the reference; `is_in_control` says whether we steer it.
    """

    at: datetime
    reference_w: int
    measured_w: int
    available_reduce_w: int
    available_increase_w: int
    is_in_control: bool

    def __post_init__(self) -> None:
        try:
            object.__setattr__(self, "at", utc(self.at))
        except ValueError as error:
            raise InvalidMeasurement(f"A measurement cannot be sent: {error}") from error
        for name in ("reference_w", "measured_w", "available_reduce_w", "available_increase_w"):
            power_w = getattr(self, name)
            lowest_w = 0 if name.startswith("available") else -MOST_POWER_W
            if type(power_w) is not int or not lowest_w <= power_w <= MOST_POWER_W:
                raise InvalidMeasurement(
                    f"{name} of {self.at.isoformat()} is {power_w!r}: give whole watts from {lowest_w} to "
                    f"{MOST_POWER_W}."
                )


def measurement_body(measurement: Measurement) -> bytes:
    """Return the body that tells TenneT a measurement, in its units and sign."""
    document = {
        "at": measurement.at.isoformat().replace("+00:00", "Z"),
        "reference_mw": _megawatt(-measurement.reference_w),
        "measured_mw": _megawatt(-measurement.measured_w),
        "available_up_mw": _megawatt(measurement.available_reduce_w),
        "available_down_mw": _megawatt(measurement.available_increase_w),
        "is_in_control": measurement.is_in_control,
    }
    return json.dumps(document, separators=(",", ":")).encode()


def _megawatt(power_w: int) -> str:
    return f"{Decimal(power_w).scaleb(-6):f}"
