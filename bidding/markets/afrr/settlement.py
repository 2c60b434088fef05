"""Reading what TenneT settles of a Dutch day: requested energy, prices, amounts and what was missed, per PTU.

Energy is what the setpoints asked for, not what was metered.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from aggregator.core.ptu import ptus_of_day
from bidding.markets.afrr.fields import (
    UnreadableMessage,
    decimal_of,
    flag_of,
    instant_of,
    parse_object,
    require_object,
    shown,
    whole_of,
)


@dataclass(frozen=True, slots=True)
class SettledDirection:
    """One direction in a PTU; energies are at least 0, the price may be below."""

    requested_mwh: Decimal
    price_eur_per_mwh: Decimal
    missed_mwh: Decimal


@dataclass(frozen=True, slots=True)
class SettledPeriod:
    """One PTU. TenneT pays us `amount_eur` where it is above zero; we pay `penalty_eur`, which is at least 0."""

    position: int
    starts_at: datetime
    reduce: SettledDirection
    increase: SettledDirection
    amount_eur: Decimal
    penalty_eur: Decimal


@dataclass(frozen=True, slots=True)
class SettledDay:
    """All 92, 96 or 100 PTUs of a Dutch day, in order; not final while TenneT may still change it."""

    day: date
    is_final: bool
    periods: tuple[SettledPeriod, ...]


def read_settlement(body: bytes, *, day: date) -> SettledDay:
    """Return TenneT's settlement of `day`; raise `UnreadableMessage`, also for another day or one with gaps."""
    document = parse_object(body, "TenneT's settlement")
    if document.get("day") != day.isoformat():
        raise UnreadableMessage(f"TenneT's settlement is of {shown(document.get('day'))}, and not of {day}.")
    listed = document.get("periods")
    if not isinstance(listed, list):
        raise UnreadableMessage(f"periods of TenneT's settlement is {shown(listed)}, where a list belongs.")
    periods = sorted(map(_period, listed), key=lambda period: period.position)
    ptus = ptus_of_day(day)
    if [(period.position, period.starts_at) for period in periods] != list(enumerate(ptus, start=1)):
        raise UnreadableMessage(
            f"TenneT's settlement of {day} does not give each of its {len(ptus)} PTUs once, in its place."
        )
    return SettledDay(day=day, is_final=flag_of(document, "is_final"), periods=tuple(periods))


def _period(listed: object) -> SettledPeriod:
    document = require_object(listed, "A period of TenneT's settlement")
    return SettledPeriod(
        position=whole_of(document, "position"),
        starts_at=instant_of(document, "starts_at"),
        reduce=_direction(document, "up"),
        increase=_direction(document, "down"),
        amount_eur=decimal_of(document, "amount_eur"),
        penalty_eur=decimal_of(document, "penalty_eur", is_signed=False),
    )


def _direction(document: Mapping[str, Any], word: str) -> SettledDirection:
    return SettledDirection(
        requested_mwh=decimal_of(document, f"requested_{word}_mwh", is_signed=False),
        price_eur_per_mwh=decimal_of(document, f"price_{word}_eur_per_mwh"),
        missed_mwh=decimal_of(document, f"missed_{word}_mwh", is_signed=False),
    )
