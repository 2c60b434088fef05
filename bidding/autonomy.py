"""How many people must stand behind a bid before it goes out. Pure."""

from dataclasses import dataclass
from datetime import time
from decimal import Decimal
from typing import Literal

Autonomy = Literal["manual", "approve", "automatic"]


@dataclass(frozen=True, slots=True)
class Limits:
    """What a mandate allows; None never asks for two people, or lets bids go out at any hour."""

    automatic_up_to_w: int
    automatic_up_to_eur: Decimal
    automatic_hours: tuple[time, time] | None
    two_people_above_w: int | None
    two_people_above_eur: Decimal | None


@dataclass(frozen=True, slots=True)
class Standing:
    """The number of people, and why not fewer."""

    people: Literal[0, 1, 2]
    reason: str


def standing(
    *,
    autonomy: Autonomy,
    limits: Limits | None,
    power_w: int,
    worth_eur: Decimal,
    day_worth_eur: Decimal,
    local_time: time,
) -> Standing:
    """Return who must stand behind a bid.

    `worth_eur` is the bid's energy times its price without sign, `day_worth_eur` that of all living bids for the same
    delivery day, this one included: what is at stake when nothing is delivered.
    """
    if limits is None:
        return Standing(1, "The group has no mandate, so a person decides.")
    if why := _why_two(limits, power_w, worth_eur):
        return Standing(2, f"{why}: two people decide.")
    if autonomy != "automatic":
        return Standing(1, "A person decides about each bid of this group.")
    if why := _why_one(limits, power_w, day_worth_eur, local_time):
        return Standing(1, f"{why}: a person decides.")
    return Standing(0, "Within the group's mandate.")


def _why_two(limits: Limits, power_w: int, worth_eur: Decimal) -> str:
    if limits.two_people_above_w is not None and power_w > limits.two_people_above_w:
        return f"{power_w // 1000} kW is above {limits.two_people_above_w // 1000} kW"
    if limits.two_people_above_eur is not None and worth_eur > limits.two_people_above_eur:
        return f"€ {worth_eur} is above € {limits.two_people_above_eur}"
    return ""


def _why_one(limits: Limits, power_w: int, day_worth_eur: Decimal, local_time: time) -> str:
    if power_w > limits.automatic_up_to_w:
        return f"{power_w // 1000} kW is above the mandate's {limits.automatic_up_to_w // 1000} kW"
    if day_worth_eur > limits.automatic_up_to_eur:
        return f"The day's bids are worth € {day_worth_eur}, above the mandate's € {limits.automatic_up_to_eur}"
    if limits.automatic_hours and not _within(local_time, limits.automatic_hours):
        starts, ends = limits.automatic_hours
        return f"It is {local_time:%H:%M}, outside the mandate's hours from {starts:%H:%M} to {ends:%H:%M}"
    return ""


def _within(moment: time, hours: tuple[time, time]) -> bool:
    """Tell whether a time of day lies in hours that may run past midnight."""
    starts, ends = hours
    return starts <= moment < ends if starts < ends else moment >= starts or moment < ends
