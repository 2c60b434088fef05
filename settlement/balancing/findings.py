"""What in TenneT's settlement a person should look at. Pure.

Differences are no errors: nobody but people can settle them with TenneT. The tolerances are ours, no public text gives
any [I].
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum

from aggregator.core.money import CENT
from aggregator.core.words import counted
from bidding.markets.afrr.settlement import SettledPeriod
from settlement.balancing.money import WATT_HOURS_PER_MEGAWATT_HOUR, WAYS, settled, worth_eur

REQUESTED_TOLERANCE_WH = 1_000
"""Less than one cycle of 4 s at 1 MW, the smallest bid: a difference above is a cycle that only one of us counts."""
DELIVERED_TOLERANCE = Decimal("0.05")
"""Part of the requested energy that meters may be short of: quarter hours do not show what happened within them."""
WATT_SECONDS_PER_WATT_HOUR = 3600
PTUS_PER_HOUR = 4
_WORDS = {"reduce": "up", "increase": "down"}


class Kind(Enum):
    """Kinds of findings, in the words of a day's summary."""

    BEYOND_BID = "TenneT counts more energy than our bid could give"
    REQUESTED = "TenneT counts other energy than its setpoints asked of us"
    AMOUNT = "the amount is not the requested energy times its price"
    MISSED = "TenneT found energy missing"
    DELIVERED = "meters show less than was asked of us"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to look at."""

    kind: Kind
    text: str


@dataclass(frozen=True, slots=True)
class Requested:
    """What the setpoints that we received asked of the pool in a PTU [W*s], and how many of its cycles were lost."""

    reduce_ws: int
    increase_ws: int
    lost_cycles: int

    def of(self, direction: str) -> int:
        """Return one direction."""
        return self.reduce_ws if direction == "reduce" else self.increase_ws


@dataclass(frozen=True, slots=True)
class Quarter:
    """What is known of one PTU, by direction.

    Attributes:
        told: TenneT's settlement.
        bid_w: in bids that it may have called.
        requested: by the setpoints we received; None where that was not kept.
        delivered_wh: on meters, as far as it was asked of the groups; a direction is missing until all of it is known.
    """

    told: SettledPeriod
    bid_w: Mapping[str, int]
    requested: Requested | None
    delivered_wh: Mapping[str, int]


def findings_of(quarter: Quarter) -> list[Finding]:
    """Return what is to be looked at in a PTU, in order of direction."""
    found = [finding for way in WAYS for finding in _of_direction(quarter, way)]
    worth = worth_eur(quarter.told)
    if abs(quarter.told.amount_eur - worth) >= CENT:
        text = f"TenneT's amount is {quarter.told.amount_eur:.2f} EUR, its energy times its price {worth:.2f} EUR"
        found.append(Finding(Kind.AMOUNT, text))
    return found


def summary(quarters: Iterable[Quarter]) -> list[str]:
    """Return a day's findings in a sentence per kind, the gravest kind first."""
    quarters_with = Counter(kind for quarter in quarters for kind in {finding.kind for finding in findings_of(quarter)})
    return [f"In {counted(quarters_with[kind], 'quarter hour')} {kind.value}." for kind in Kind if quarters_with[kind]]


def requested_wh(period: SettledPeriod, direction: str) -> int:
    """Return what TenneT says it asked for, in whole Wh."""
    return int(settled(period, direction).requested_mwh * WATT_HOURS_PER_MEGAWATT_HOUR)


def _of_direction(quarter: Quarter, way: str) -> Iterable[Finding]:
    told, word = settled(quarter.told, way), _WORDS[way]
    told_wh = requested_wh(quarter.told, way)
    most_wh = quarter.bid_w.get(way, 0) // PTUS_PER_HOUR
    if told_wh > most_wh + REQUESTED_TOLERANCE_WH:
        text = f"TenneT asked for {_kwh(told_wh)} {word}, our bid could give {_kwh(most_wh)}"
        yield Finding(Kind.BEYOND_BID, text)
    if quarter.requested is not None:
        asked_ws = quarter.requested.of(way)
        off_ws = told_wh * WATT_SECONDS_PER_WATT_HOUR - asked_ws
        if abs(off_ws) > REQUESTED_TOLERANCE_WH * WATT_SECONDS_PER_WATT_HOUR:
            lost = quarter.requested.lost_cycles
            told_us = _kwh(round(Decimal(asked_ws) / WATT_SECONDS_PER_WATT_HOUR))
            text = f"TenneT asked for {_kwh(told_wh)} {word}, its setpoints told us {told_us}"
            yield Finding(Kind.REQUESTED, f"{text}; {counted(lost, 'cycle')} did not reach us" if lost else text)
    if told.missed_mwh:
        missed_wh = round(told.missed_mwh * WATT_HOURS_PER_MEGAWATT_HOUR)
        yield Finding(Kind.MISSED, f"TenneT misses {_kwh(missed_wh)} {word}")
    delivered_wh = quarter.delivered_wh.get(way)
    if delivered_wh is not None and delivered_wh < told_wh * (1 - DELIVERED_TOLERANCE) - REQUESTED_TOLERANCE_WH:
        text = f"meters show {_kwh(delivered_wh)} {word} of {_kwh(told_wh)} asked"
        yield Finding(Kind.DELIVERED, text)


def _kwh(energy_wh: int) -> str:
    return f"{Decimal(energy_wh) / 1000:,.1f} kWh"
