"""GOPACS announcements: from the public document to our words.

Fields as in the public announcement API. Off-take congestion asks sell orders inside the area (consume less), feed-in
congestion asks buy orders inside (consume more); the two area descriptions tell which side is inside.
"""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal

from aggregator.core.ean import Ean18
from aggregator.core.interval import Interval, InvalidInterval
from aggregator.core.ptu import PTU, ptu_range

WATT_PER_MEGAWATT = 1_000_000
MOST_POWER_W = 2**63 - 1
LONGEST_ID = 64
DEEPEST_LEVEL = 20
"""Objects and lists in each other. What Python just reads may be too deep to write, and would keep the others out."""
CONGESTION_MANAGEMENT = "CONGESTIONMANAGEMENT"
OPEN_STATE = "ANNOUNCEMENT_OPEN"
WITHDRAWN_STATES = frozenset({"ANNOUNCEMENT_WITHDRAWN", "ANNOUNCEMENT_CANCELLED"})
"""Not in any public text; set `GOPACS_WITHDRAWN_STATES` to what the platform really says."""
CATEGORY_DIRECTIONS = {"REDUCE": "reduce", "INCREASE": "increase"}
"""Last word of a category of helping EANs → side it helps on. Inferred from the only example in public clients,
THREE_PHASE_NETWORK_REDUCE; set `GOPACS_CATEGORY_DIRECTIONS` to what the platform really says."""


class UnreadableAnnouncement(ValueError):
    """A document that does not say what an announcement must say."""


@dataclass(frozen=True, slots=True)
class ReceivedAnnouncement:
    """What an announcement asks for."""

    external_id: str
    direction: Literal["reduce", "increase"]
    period: Interval
    required_power_w: tuple[int, ...]
    postcodes: frozenset[str]
    is_mandatory: bool
    is_open: bool
    is_withdrawn: bool
    document: Mapping[str, Any]


def read_announcement(
    document: Mapping[str, Any], *, withdrawn_states: frozenset[str] = WITHDRAWN_STATES
) -> ReceivedAnnouncement:
    """Return the announcement in `document`; raise `UnreadableAnnouncement` naming the field that is wrong."""
    try:
        period = Interval(
            _instant(document["problemPeriod"]["startTime"]), _instant(document["problemPeriod"]["endTime"])
        )
        required_mw = [Decimal(str(value)) for value in document["requiredProblemProfileInMW"]]
        announcement = ReceivedAnnouncement(
            external_id=str(document["id"]),
            direction=_direction(document),
            period=period,
            required_power_w=tuple(int(value * WATT_PER_MEGAWATT) for value in required_mw),
            postcodes=frozenset(str(code)[:4] for code in document["congestedZipCodes"]),
            is_mandatory=document.get("complianceType") == "MANDATORY",
            is_open=document.get("announcementState") == OPEN_STATE,
            is_withdrawn=document.get("announcementState") in withdrawn_states,
            document=document,
        )
        ptus = -(-period.duration // PTU)
        if len(required_mw) == ptus:  # else it may be too long to look at each
            ptu_range(period)
        _require_storable(announcement)
        _require_our_type(document)
    except (KeyError, TypeError, ValueError, ArithmeticError, OSError, InvalidInterval, RecursionError) as error:
        name = str(document.get("id", "without an id")) if isinstance(document, Mapping) else "that is no object"
        name = name if name.isprintable() else ascii(name)
        raise UnreadableAnnouncement(f"Announcement {name} cannot be read: {type(error).__name__} {error}.") from error
    if len(required_mw) != ptus:
        raise UnreadableAnnouncement(
            f"Announcement {announcement.external_id} gives {len(required_mw)} values for {ptus} PTUs."
        )
    return announcement


def last_updated(document: Mapping[str, Any]) -> float | None:
    """Return when the platform last changed an announcement, in its own milliseconds; None when it does not say."""
    said = document.get("lastUpdatedTimestamp")
    return said if isinstance(said, int | float) else None


def matching_area(postcodes: frozenset[str], areas: Mapping[int, Sequence[str]]) -> int | None:
    """Return the key of the area that shares most postcodes with the announcement; None when none shares any."""
    shared = {key: len(postcodes & {code[:4] for code in codes}) for key, codes in areas.items()}
    best = max(shared, key=lambda key: (shared[key], -key), default=None)
    return best if best is not None and shared[best] else None


def helping_eans(
    document: Any,
    *,
    direction: str,
    period: Interval,
    category_directions: Mapping[str, str] = CATEGORY_DIRECTIONS,
) -> list[str]:
    """Return the EANs that GOPACS's answer names for this side during all of `period`, in one part or in several.

    A category whose last word we do not know counts for both sides: a word must not silence a duty. Raises
    `UnreadableAnnouncement` for another shape, and for names that are no EANs.
    """
    named: dict[str, list[Interval]] = defaultdict(list)
    try:
        for part in document:
            during = Interval(_instant(part["during"]["startTime"]), _instant(part["during"]["endTime"]))
            for category, eans in part["eansByCategory"].items():
                if category_directions.get(category.rpartition("_")[2], direction) == direction:
                    for ean in eans:
                        named[_ean(ean)].append(during)
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError, OSError) as error:
        raise UnreadableAnnouncement(f"The list of EANs that help cannot be read: {error!r}.") from error
    return sorted(ean for ean, parts in named.items() if _cover(parts, period))


def _require_our_type(document: Mapping[str, Any]) -> None:
    kind = document.get("type", CONGESTION_MANAGEMENT)
    if kind != CONGESTION_MANAGEMENT:
        raise ValueError(f"it is of type {kind!r}, and we bid for {CONGESTION_MANAGEMENT} only")


def _ean(name: object) -> str:
    text = str(name)
    if len(text) != Ean18.length or not text.isascii() or not text.isdigit():  # a wrong check digit is theirs to mend
        raise ValueError(f"{text!r} is no EAN of {Ean18.length} digits")
    return text


def _require_storable(announcement: ReceivedAnnouncement) -> None:
    """Raise `ValueError` for what JSON or our columns cannot hold: all that is listed is stored together."""
    if _is_deeper_than(DEEPEST_LEVEL, announcement.document):
        raise ValueError(f"it is nested deeper than {DEEPEST_LEVEL} levels")
    if len(announcement.external_id) > LONGEST_ID:
        raise ValueError(f"its id has {len(announcement.external_id)} characters, more than {LONGEST_ID}")
    for power_w in announcement.required_power_w:
        if abs(power_w) > MOST_POWER_W:
            raise ValueError(f"it asks for {power_w} W")
    text = json.dumps(announcement.document, ensure_ascii=False, allow_nan=False)
    text.encode()  # lone surrogates are no UTF-8
    if "\\u0000" in text:
        raise ValueError("it holds NUL characters")


def _is_deeper_than(levels: int, value: object) -> bool:
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return levels < 0 or any(_is_deeper_than(levels - 1, one) for one in inner)


def _cover(parts: Sequence[Interval], whole: Interval) -> bool:
    reached = whole.starts_at
    for part in sorted(parts):
        if part.starts_at > reached:
            return False
        reached = max(reached, part.ends_at)
    return reached >= whole.ends_at


def _instant(epoch_milliseconds: int) -> datetime:
    """Return an instant; raises `ValueError`, `OverflowError` or `OSError` for one that no calendar holds."""
    return datetime.fromtimestamp(epoch_milliseconds / 1000, UTC)


def _direction(document: Mapping[str, Any]) -> Literal["reduce", "increase"]:
    area = document["problemAreaDescription"]
    sells_inside = document.get("requestAreaDescriptionSellOrders") == area
    buys_inside = document.get("requestAreaDescriptionBuyOrders") == area
    if sells_inside == buys_inside:
        raise UnreadableAnnouncement("neither or both of the sell and buy areas are the problem area")
    return "reduce" if sells_inside else "increase"
